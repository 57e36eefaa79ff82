"""What a competition's insights show, or those over several: charts out of what was counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from competitions.models import Competition
from competitions.participation import enrolled_in, participation_by_day
from competitions.rules import Metric, ScoreSource
from config.core.charts import Chart, Shape
from config.core.clock import day_in
from config.core.tables import counted
from fitness.plausibility import MEASURES
from fitness.queries.provenance import DELAYS, Span, Used, delays_of_readings, sources_used
from fitness.queries.silence import SPANS, silence_of_participants
from fitness.queries.turnout import TurnoutDay, amounts_by_hour, turnout_by_day
from fitness.reckoning import AMOUNTS
from fitness.rules import SampleType
from leaderboards.distribution import distribution_of_scores, shares_of_the_best
from leaderboards.scoring import Totals, score_of

MOST_DAYS = 120
"""Of a chart; a longer competition shows its last ones."""
HOUR_DAYS = timedelta(days=28)
OVERALL_DAYS = 30


@dataclass(frozen=True)
class Scope:
    """Which competitions are looked at, on which days of which zone, and at what moment. ``counting``: the days of
    these on which activity may count so far; None before the first. ``one``: the only competition, if it is one."""

    ids: Sequence[UUID]
    zone: str
    first: date
    last: date
    counting: tuple[date, date] | None
    span: Span
    now: datetime
    one: Competition | None = None

    @property
    def metric(self) -> SampleType:
        """What hours and sums over several competitions are in."""
        if self.one is None or self.one.metric == Metric.WEIGHTED:
            return SampleType.STEPS
        return SampleType(self.one.metric)


def scope_of(competition: Competition, now: datetime) -> Scope:
    zone, first, last = competition.timezone, competition.starts_on, competition.last_on
    enrolled = enrolled_in([competition.id])
    until = min(day_in(zone, now), last)
    shown_from = min(first, day_in(zone, enrolled.first_at) if enrolled.first_at else first, until)
    shown_from = max(shown_from, until - timedelta(days=MOST_DAYS - 1))
    counting = (max(first, shown_from), until) if until >= first else None
    begins = max(competition.start_at, competition.end_at - MOST_DAYS * timedelta(days=1))
    span = Span(begins, competition.end_at, max(first, last - timedelta(days=MOST_DAYS - 1)), last)
    return Scope([competition.id], zone, shown_from, until, counting, span, now, competition)


def overall_scope(competition_ids: Sequence[UUID], now: datetime) -> Scope:
    last = now.date()
    first = last - timedelta(days=OVERALL_DAYS - 1)
    span = Span(now - timedelta(days=OVERALL_DAYS), now, first, last)
    return Scope(competition_ids, "UTC", first, last, (first, last), span, now)


def charts_of(scope: Scope) -> list[Chart]:
    drawers: Sequence[Callable[[Scope], Iterable[Chart]]] = (
        *(_participation, _activity, _hours, _scores if scope.one else _shares),
        *(_silence, _sources, _delays),
    )
    return [chart for draw in drawers for chart in draw(scope)]


def unit_of(type_: SampleType) -> str:
    return MEASURES[type_].unit


def in_units(amount: int, type_: SampleType) -> int:
    """Base units as whole units of the wire, rounded down."""
    return amount // MEASURES[type_].base


def _participation(scope: Scope) -> Iterator[Chart]:
    days = participation_by_day(scope.ids, zone=scope.zone, first=scope.first, last=scope.last)
    turnout = _turnout(scope)
    active: list[float | int | None] = [turnout[day.day].active if day.day in turnout else None for day in days]
    known = [turnout[day.day] for day in days if day.day in turnout]
    says = f"{counted(days[-1].here, 'person takes', 'people take')} part."
    if scope.one is None:
        places = counted(days[-1].here, "place is", "places are")
        says = f"{places} taken in all competitions, somebody in two of them twice."
    if known:
        says += f" {counted(known[-1].active, 'person was', 'people were')} active on {known[-1].day}."
    labels = [day.day.isoformat() for day in days]
    here: list[float | int | None] = [day.here for day in days]
    yield Chart(
        *("participation", "Who takes part", labels, {"taking part": here, "active": active}),
        shape=Shape.LINE,
        says=says,
        note="Active is whoever something counted of that day, also those who have left since or were disqualified.",
    )
    joined, left = [day.joined for day in days], [day.left for day in days]
    yield Chart(
        *("comings", "Who joined and who left", labels, {"joined": joined, "left": left}),
        says=f"{sum(joined):,} joined and {sum(left):,} left on these days.",
        note="Of somebody who left and came back, the last coming is known.",
    )


def _turnout(scope: Scope) -> dict[date, TurnoutDay]:
    """None of it where activity does not count, or not yet."""
    if scope.counting is None or (scope.one and scope.one.score_source == ScoreSource.REPORTED):
        return {}
    first, last = scope.counting
    return {day.day: day for day in turnout_by_day(scope.ids, first=first, last=last)}


def _activity(scope: Scope) -> Iterator[Chart]:
    days = list(_turnout(scope).values())
    unit = "points" if scope.one and scope.one.metric == Metric.WEIGHTED else unit_of(scope.metric)
    amounts = [_worth(scope, day.totals) for day in days]
    if not any(amounts):
        says = "Nothing has counted yet."
        if scope.one and scope.one.score_source == ScoreSource.REPORTED:
            says = "Only reported totals count here, and they have no day."
        yield Chart("activity", "Activity by day", [], {}, says=says)
        return
    best = max(range(len(days)), key=lambda place: amounts[place])
    yield Chart(
        *("activity", "Activity by day", [day.day.isoformat() for day in days], {"all together": amounts}),
        unit=unit,
        says=f"{sum(amounts):,} {unit} counted; the best day was {days[best].day} with {amounts[best]:,}.",
        note="" if scope.one else "What somebody does in several competitions is counted once.",
    )


def _worth(scope: Scope, totals: Totals) -> int:
    if scope.one is not None:
        return score_of(totals, scope.one.metric, scope.one.weights)
    return in_units(getattr(totals, AMOUNTS[scope.metric]), scope.metric)


def _hours(scope: Scope) -> Iterator[Chart]:
    until = min(scope.span.until, scope.now)
    since = max(scope.span.since, until - HOUR_DAYS)
    sums = amounts_by_hour(scope.ids, scope.metric, zone=scope.zone, since=since, until=until)
    amounts = [in_units(amount, scope.metric) for amount in sums]
    title, label, unit = "Activity by hour of the day", f"hour from ({scope.zone})", unit_of(scope.metric)
    if not any(amounts):
        yield Chart("hours", title, [], {}, label, says="No sample says when yet; a day total has no hour.")
        return
    best = max(range(24), key=lambda hour: amounts[hour])
    yield Chart(
        *("hours", title, [f"{hour:02}:00" for hour in range(24)], {"measured": amounts}, label, unit),
        says=f"Most is measured between {best:02}:00 and {best + 1:02}:00.",
        note="Samples of the last four weeks by when they began, whether they count or not. A day total has no hour.",
    )


def _scores(scope: Scope) -> Iterator[Chart]:
    assert scope.one is not None
    found = distribution_of_scores(scope.one.id)
    if found is None:
        yield Chart("scores", "Distribution of scores", [], {}, says="Nobody is on the board yet.")
        return
    yield Chart(
        *("scores", "Distribution of scores", _spans_of(found.step, len(found.buckets)), {"people": found.buckets}),
        "points",
        shape=Shape.ROWS,
        says=f"{counted(found.people, 'person is', 'people are')} on the board: at least half have {found.median:,}"
        f" points or more, at least a quarter {found.three_quarters:,} or more.",
        note=f"The lowest score is {found.least:,}, at least a quarter have {found.quarter:,} or less, the best is "
        f"{found.most:,}.",
    )


def _spans_of(step: int, count: int) -> list[str]:
    closed = [
        f"{place * step:,}" if step == 1 else f"{place * step:,} to {(place + 1) * step - 1:,}"
        for place in range(count - 1)
    ]
    return [*closed, f"{(count - 1) * step:,} or more"]


def _shares(scope: Scope) -> Iterator[Chart]:
    tenths = shares_of_the_best(scope.ids)
    labels = [f"{10 * tenth} to {10 * tenth + 9} %" for tenth in range(9)] + ["90 to 100 %"]
    says = f"{sum(tenths[5:]):,} of {sum(tenths):,} have half the best score of their board or more."
    yield Chart(
        *("scores", "How close people are to the best", labels, {"places": tenths}, "part of the best score"),
        shape=Shape.ROWS,
        says=says if any(tenths) else "Nobody has a point yet.",
        note="Scores of different competitions cannot be compared, so each is a part of its board's best.",
    )


def _silence(scope: Scope) -> Iterator[Chart]:
    counts = [*silence_of_participants(scope.ids, scope.now), enrolled_in(scope.ids).left]
    quiet = sum(counts[3:7])
    yield Chart(
        *(
            "silence",
            "Who stopped sending",
            [*SPANS, "left"],
            {"people" if scope.one else "places": counts},
            "silent for",
        ),
        says=f"{quiet:,} of {sum(counts[:-1]):,} have sent nothing for four days or more, or never; "
        f"{counts[-1]:,} left.",
        shape=Shape.ROWS,
        note="Until now, or until the competition ended.",
    )


def _sources(scope: Scope) -> Iterator[Chart]:
    sources = sources_used(scope.ids, scope.span)
    readings = sum(each.readings for each in sources.kinds)  # of all of them; of apps not all are shown
    for key, title, label, used, note in (
        ("devices", "What people carry", "kind of device", sources.kinds, "Day totals name no device."),
        ("apps", "Apps", "app", sources.apps, "The most used ones. Who uses several counts for each."),
        (
            "recording",
            "How readings came about",
            "recording",
            sources.recordings,
            "Day totals say it only if typed in.",
        ),
    ):
        yield _used(key, title, label, used, readings, note)


def _used(key: str, title: str, label: str, used: Sequence[Used], readings: int, note: str) -> Chart:
    if not used:
        return Chart(key, title, [], {}, label, says="Nobody has sent anything yet.")
    first = used[0]
    return Chart(
        *(key, title, [each.name for each in used], {"people": [each.people for each in used]}, label),
        shape=Shape.ROWS,
        says=f"“{first.name}” comes first, with {counted(first.people, 'person', 'people')} and {first.readings:,} of "
        f"{counted(readings, 'reading', 'readings')}.",
        note=note,
    )


def _delays(scope: Scope) -> Iterator[Chart]:
    samples, totals = delays_of_readings(scope.ids, scope.span, scope.zone)
    count = sum(samples) + sum(totals)
    late = sum(samples[3:]) + sum(totals[3:])
    says = f"{late:,} of {count:,} readings arrived more than a day after they were measured."
    yield Chart(
        *("delays", "How late data arrives", list(DELAYS), {"samples": samples, "day totals": totals}, "after its end"),
        says=says if count else "Nothing has arrived yet.",
        shape=Shape.ROWS,
        note="As each reading stands now, whether it counts or not; a day total's end is that of its day.",
    )


def with_addresses(charts: Iterable[Chart], address: Callable[[str], str]) -> list[Chart]:
    return [replace(chart, csv=address(chart.key)) for chart in charts]
