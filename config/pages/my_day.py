"""The person's day: how far they have come, where they stand, and what they walked without a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.models import User
from competitions.rules import ScoreSource, Status
from competitions.wording import points_are
from config.core.clock import day_in
from config.core.errors import Refusal, as_refusal
from config.pages.doors import for_participants
from config.pages.forms import PageForm, text
from config.pages.words import app_in_words, counted, day_in_words, end_in_words, moment_in_words, place_in_words
from fitness.api.sync import read_sync, sync_answer
from fitness.insights import DEFAULT_GOAL, Trend
from fitness.queries.activity import days_of, every_day
from fitness.queries.insights import Outlook, insights_of
from fitness.queries.readings import SourceDay, recent_activity
from fitness.rules import Source
from fitness.services.syncing import sync_together
from leaderboards.models import Standing
from leaderboards.queries import rank_by_standing, standings_of_person
from prizes.wording import ordinal

_SYNCS = 5


class StepsForm(PageForm):
    steps = text("Steps", inputmode="numeric", autocomplete="off", maxlength=9)
    date = text("Day", type="date")


@for_participants
def my_day_view(request: HttpRequest, person: User) -> HttpResponse:
    now = timezone.now()
    today = day_in(person.timezone or "UTC", now)
    if request.method != "POST":
        return _page(request, person, StepsForm(initial={"date": today.isoformat()}), now)
    form = StepsForm(request.POST)
    try:
        said = _keep_steps(person, form.typed, now)
    except (Refusal, ValidationError) as error:
        refusal = as_refusal(error)
        assert refusal is not None
        form.refuse(refusal)
        return _page(request, person, form, now, status=refusal.status)
    messages.success(request, said)
    return HttpResponseRedirect(reverse("my-day"))


def _keep_steps(person: User, typed: dict[str, Any], now: datetime) -> str:
    """As a phone's record of the day, read and stored as any other. Says what became of it. Raises Invalid."""
    steps = typed["steps"].replace(",", "").replace(" ", "")
    record = {"source": Source.MANUAL.value, "steps": _number(steps), "date": typed["date"] or None}
    sync = read_sync(person, record, now)
    [result] = sync_together([sync.batch])
    sync_answer(result, sync)  # counts it, as for everybody who sends something
    [reading] = sync.batch.readings
    day = day_in_words(reading.day, day_in(person.timezone or "UTC", now))
    if not result.accepted:
        return f"Nothing changed: for {day} you had typed in as many steps or more before. The larger number stays."
    return f"Kept: {counted(reading.totals.steps, 'step', 'steps')} for {day}."


def _number(text: str) -> Any:
    """What is no number the reader refuses, in its words."""
    return Decimal(text) if text.isascii() and text.isdecimal() and len(text) < 12 else text


# --- What it shows ---


@dataclass(frozen=True)
class Bar:
    """A day of the week; ``height`` in percent of the largest, or of the goal where that is larger. ``steps`` None: it
    has not begun."""

    day: date
    name: str
    steps: int | None
    height: int
    reached: bool
    is_today: bool


@dataclass(frozen=True)
class Running:
    """A competition in which the person is: ``missing`` is how far the next place is, in words."""

    outlook: Outlook
    place: str
    unit: str
    missing: str
    forecast: str
    ends: str
    closes: str
    by_hand: bool


@dataclass(frozen=True)
class Waiting:
    """One that has not begun, or of which the result is not final. ``place``: in it now, empty before it begins."""

    standing: Standing
    place: str
    says: str


def _page(
    request: HttpRequest, person: User, form: PageForm, now: datetime, *, status: int = HTTPStatus.OK
) -> HttpResponse:
    zone = person.timezone or "UTC"
    today = day_in(zone, now)
    insights = insights_of(person, goal=DEFAULT_GOAL, now=now)
    form.fields["date"].widget.attrs["max"] = today.isoformat()
    running = [_running(outlook, zone, now) for outlook in insights.outlooks]
    context = {
        "here": "my-day",
        "person": person,
        "form": form,
        "title": f"{today:%A} {today.day} {today:%B}",
        "habits": insights.habits,
        "ring": min(100.0, insights.habits.today.per_cent),
        "to_go": max(0, DEFAULT_GOAL - insights.habits.today.steps),
        "bars": _bars(person, today),
        "trend": _trend_in_words(insights.habits.trend),
        "running": running,
        "not_by_hand": [each.outlook.competition for each in running if not each.by_hand],
        "waiting": _waiting(person, zone, now),
        "syncs": [_sync_in_words(sync, zone, now) for sync in recent_activity(person.id, today=today, limit=_SYNCS)],
        "place": place_in_words(zone),
    }
    return render(request, "pages/my_day.html", context, status=status)


def _bars(person: User, today: date) -> list[Bar]:
    """From Monday to Sunday."""
    monday = today - timedelta(days=today.weekday())
    sunday = monday + timedelta(days=6)
    week = every_day(days_of(person.id, first=monday, last=sunday), first=monday, last=sunday)
    most = max(DEFAULT_GOAL, *(day.totals.steps for day in week))
    return [
        Bar(
            day=day.day,
            name=f"{day.day:%A}",
            steps=day.totals.steps if day.day <= today else None,
            height=round(100 * day.totals.steps / most),
            reached=day.totals.steps >= DEFAULT_GOAL,
            is_today=day.day == today,
        )
        for day in week
    ]


def _trend_in_words(trend: Trend) -> str:
    """The days of this week that are over, beside the same days of last week."""
    if not trend.days:
        return "A new week begins today."
    days = "Monday" if trend.days == 1 else f"The {trend.days} days since Monday"
    if trend.change is None:
        return f"{days}: {counted(trend.this_week, 'step', 'steps')}."
    if not trend.change:
        return f"{days}: {counted(trend.this_week, 'step', 'steps')}, exactly as many as last week."
    more = "more" if trend.change > 0 else "fewer"
    return f"{days}: {counted(trend.this_week, 'step', 'steps')}, {abs(trend.change):,g} % {more} than last week."


def _running(outlook: Outlook, zone: str, now: datetime) -> Running:
    competition = outlook.competition
    return Running(
        outlook=outlook,
        place=ordinal(outlook.rank),
        unit=points_are(competition.metric),
        missing=_missing_in_words(outlook),
        forecast=_forecast_in_words(outlook),
        ends=end_in_words(competition.end_at, zone, now),
        closes=end_in_words(competition.closes_at, zone, now),
        by_hand=competition.policy.manual_entries and competition.score_source != ScoreSource.REPORTED,
    )


def _missing_in_words(outlook: Outlook) -> str:
    pace, unit = outlook.next_rank, points_are(outlook.competition.metric)
    if pace is None:
        return "You lead." if outlook.score else "Nobody is ahead of you."
    said = f"{pace.points:,} more {unit} to the next place"
    return f"{said}: {pace.per_day:,} a day." if outlook.days_left > 1 else f"{said}, today."


def _forecast_in_words(outlook: Outlook) -> str:
    forecast = outlook.forecast
    if forecast is None or outlook.days_left < 2:
        return ""
    unit = points_are(outlook.competition.metric)
    return f"If you go on like this, you end at about {forecast.score:,} {unit}."


def _waiting(person: User, zone: str, now: datetime) -> Sequence[Waiting]:
    ahead = {Status.UPCOMING, Status.ENDED}
    standings = [s for s in standings_of_person(person.id) if s.competition.status_at(now) in ahead]
    ranks = rank_by_standing(standings)
    found = []
    for standing in standings:
        competition = standing.competition
        if competition.status_at(now) is Status.UPCOMING:
            starts = moment_in_words(competition.start_at, zone, now)
            found.append(Waiting(standing, "", f"It starts {starts}."))
        else:
            closes = end_in_words(competition.closes_at, zone, now)
            found.append(
                Waiting(standing, ordinal(ranks[standing.pk]), f"It is over; late data counts until {closes}.")
            )
    return found


def _sync_in_words(sync: SourceDay, zone: str, now: datetime) -> dict[str, str]:
    today = day_in(zone, now)
    typed_in = sync.source == Source.MANUAL
    return {
        "day": day_in_words(sync.day, today),
        "steps": counted(sync.totals.steps, "step", "steps"),
        "source": "typed in" if typed_in else app_in_words(sync.source),
        "at": moment_in_words(sync.synced_at, zone, now),
    }
