"""Finding a competition, what it is, and taking part in it."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from competitions import queries
from competitions.api.filters import CompetitionFilter
from competitions.checkout import checkout
from competitions.models import Competition, Seat
from competitions.rules import Status, Visibility
from competitions.services import enrolment, seats
from competitions.wording import points_are, rules_in_words
from config.core.api import uuid_of
from config.core.errors import NotFound, Refusal
from config.core.money import money_text
from config.pages.doors import for_participants
from config.pages.words import end_in_words, moment_in_words, place_in_words
from config.panel.wizard.making import stake_of
from leaderboards.pages import described
from leaderboards.queries import entry_of
from prizes.queries import checkout_url_of, plan_document
from prizes.wording import ordinal, prizes_in_words

PAGE_SIZE = 12
WHEN = {
    "running": ("Running", (Status.ACTIVE,)),
    "upcoming": ("Upcoming", (Status.UPCOMING,)),
    "over": ("Over", (Status.ENDED, Status.COMPLETED)),
}


# --- Finding one ---


@for_participants
def competitions_view(request: HttpRequest, person: User) -> HttpResponse:
    """Those that the person may see, their own first."""
    now, when = timezone.now(), request.GET.get("when", "")
    when = when if when in WHEN else "running"
    asked = request.GET.get("search", "")[:120]
    found = _at(CompetitionFilter({"search": asked}, queries.competitions_visible_to(person)).qs, when, now)
    mine = found.filter(id__in=queries.competitions_inside(person.id))
    number = _number(request.GET.get("page", ""))
    start = (number - 1) * PAGE_SIZE
    others = list(found.exclude(id__in=queries.competitions_inside(person.id))[start : start + PAGE_SIZE + 1])
    context = {
        "here": "competitions",
        "when": when,
        "choices": [(name, title, _address(asked, name)) for name, (title, _) in WHEN.items()],
        "search": asked,
        "mine": [described(each, now) for each in mine[:100]] if number == 1 else [],
        "others": [described(each, now) for each in others[:PAGE_SIZE]],
        "before": _address(asked, when, number - 1) if number > 1 else "",
        "after": _address(asked, when, number + 1) if len(others) > PAGE_SIZE else "",
    }
    return render(request, "pages/competitions.html", context)


def _at(found: QuerySet[Competition], when: str, now: datetime) -> QuerySet[Competition]:
    first, *more = (found.with_status(status, now) for status in WHEN[when][1])  # type: ignore[attr-defined]  # our own
    for each in more:
        first |= each
    return first  # type: ignore[no-any-return]  # as above


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) else 1


def _address(search: str, when: str, page: int = 1) -> str:
    query = {"when": when} | ({"search": search} if search else {}) | ({"page": page} if page > 1 else {})
    return f"{reverse('competitions')}?{urlencode(query)}"


# --- One of them ---


@dataclass(frozen=True)
class Standing:
    """How the person stands to a competition. ``seat``: one that waits for its money, and ``pay_at`` where that is
    taken; empty: a treasurer takes it. ``entry``: their row on the board."""

    takes_part: bool
    seat: Seat | None
    pay_at: str
    entry: dict[str, Any] | None


def standing_of(person: User, competition: Competition, now: datetime) -> Standing:
    if queries.participation(competition.id, person.id) is not None:
        return Standing(takes_part=True, seat=None, pay_at="", entry=_entry(person, competition))
    seat = queries.seat_waiting(competition.id, person.id, now) if competition.entry_fee_minor else None
    return Standing(takes_part=False, seat=seat, pay_at=checkout_url_of(seat.id) if seat else "", entry=None)


def _entry(person: User, competition: Competition) -> dict[str, Any] | None:
    try:
        entry = entry_of(competition, person.id)
    except NotFound:  # disqualified
        return None
    return {**entry, "place": ordinal(entry["rank"])}


@for_participants
def competition_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    competition = queries.access_competition(person, uuid_of(competition_id))
    return _page(request, person, competition)


@for_participants
def join_code_view(request: HttpRequest, person: User, code: str = "") -> HttpResponse:
    """What somebody was invited to; from here they join. Without a code in the path it is in the query, as typed."""
    if not code:
        typed = "".join(request.GET.get("code", "").split()).replace("/", "")  # which no code has
        return HttpResponseRedirect(reverse("join-code", args=[typed]) if typed else reverse("competitions"))
    competition = queries.competition_with_code(code)
    if queries.competitions_visible_to(person).filter(id=competition.id).exists():
        return HttpResponseRedirect(reverse("competition", args=[competition.id]))
    return _page(request, person, competition, code=code.upper())


def _page(request: HttpRequest, person: User, competition: Competition, *, code: str = "") -> HttpResponse:
    now = timezone.now()
    mine = standing_of(person, competition, now)
    context = described(competition, now) | {
        "here": "competitions",
        "code": code,
        "mine": mine,
        "owns": competition.owner_id == person.id,
        "invitation": _invitation(request, person, competition),
        "when": _when_in_words(competition, mine.seat, person, now),
        "unit": points_are(competition.metric),
        "fee": money_text(competition.entry_fee_minor, competition.currency),
        "pool": money_text(competition.prize_pool_minor, competition.currency),
        "funded": competition.prize_pool_funded,
        "left": _places_left(competition),
        "open": competition.status_at(now) in (Status.UPCOMING, Status.ACTIVE),
        "rules": rules_in_words(competition),
        "prizes": prizes_in_words(plan_document(competition.id), stake_of(competition)),
    }
    return render(request, "pages/competition.html", context)


def _invitation(request: HttpRequest, person: User, competition: Competition) -> str:
    """The address that lets others in, for the owner of a private one."""
    if competition.owner_id != person.id or competition.visibility != Visibility.PRIVATE:
        return ""
    return request.build_absolute_uri(reverse("join-code", args=[competition.join_code]))


def _when_in_words(competition: Competition, seat: Seat | None, person: User, now: datetime) -> dict[str, str]:
    zone = person.timezone or competition.timezone
    return {
        "held_until": moment_in_words(seat.expires_at, zone, now) if seat else "",
        "starts": moment_in_words(competition.start_at, zone, now),
        "ends": end_in_words(competition.end_at, zone, now),
        "closes": end_in_words(competition.closes_at, zone, now),
        "place": place_in_words(zone),
    }


def _places_left(competition: Competition) -> int | None:
    if competition.max_participants is None:
        return None
    return competition.max_participants - competition.participant_count - competition.reserved_count


# --- Coming and going ---


@for_participants
def join_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    """Asks whether they are sure, and has them join; where it costs something, has a place held for them to pay."""
    code = request.POST.get("code") or request.GET.get("code") or ""
    competition = _invited(person, uuid_of(competition_id), code)
    due = queries.fee_due(competition, person.id)
    if request.method != "POST":
        return _confirmation(request, "join", competition, due=due, code=code)
    now = timezone.now()
    try:
        if due:
            seat = seats.reserve_seat(competition=competition, user_id=person.id, join_code=code or None, now=now)
            checkout().open_checkout(seat=seat, now=now)
        else:
            enrolment.join_competition(competition=competition, user_id=person.id, join_code=code or None, now=now)
            messages.success(request, f"You take part in {competition.name}. Have a good walk!")
    except Refusal as refusal:
        return _confirmation(request, "join", competition, due=due, code=code, refusal=refusal)
    return HttpResponseRedirect(reverse("competition", args=[competition.id]))


def _invited(person: User, competition_id: UUID, code: str) -> Competition:
    """One that the person may see, or has the code of. Raises NotFound."""
    if code:
        invited = queries.competition_with_code(code)
        if invited.id == competition_id:
            return invited
    return queries.access_competition(person, competition_id)


@for_participants
def leave_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    competition = queries.access_competition(person, uuid_of(competition_id))
    if request.method != "POST":
        return _confirmation(request, "leave", competition)
    try:
        enrolment.leave_competition(competition=competition, user_id=person.id, now=timezone.now())
    except Refusal as refusal:
        return _confirmation(request, "leave", competition, refusal=refusal)
    messages.success(request, f"You have left {competition.name}.")
    still = queries.competitions_visible_to(person).filter(id=competition.id).exists()
    return HttpResponseRedirect(reverse("competition", args=[competition.id]) if still else reverse("competitions"))


def _confirmation(
    request: HttpRequest, move: str, competition: Competition, *, refusal: Refusal | None = None, **context: Any
) -> HttpResponse:
    now = timezone.now()
    context |= described(competition, now) | {
        "here": "competitions",
        "refused": refusal.message if refusal else "",
        "fee": money_text(competition.entry_fee_minor, competition.currency),
        "has_fee": competition.entry_fee_minor > 0,
        "before_start": now < competition.start_at,
        "hold_minutes": int(seats.SEAT_HOLD.total_seconds() // 60),
    }
    status = refusal.status if refusal else HTTPStatus.OK
    return render(request, f"pages/{move}.html", context, status=status)
