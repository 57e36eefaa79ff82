"""When a competition is what, and which days it counts."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Kind, Span, Status, WrongSpan, closes_at, span_of, status_at

BERLIN = ZoneInfo("Europe/Berlin")


def hours(span: Span) -> float:
    return (span.end_at - span.start_at).total_seconds() / 3600


def test_days_are_whole_and_the_last_one_counts() -> None:
    span = span_of(date(2026, 6, 1), date(2026, 6, 3), "UTC", Kind.CUSTOM)
    assert span == Span(
        datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 4, tzinfo=UTC), date(2026, 6, 1), date(2026, 6, 3)
    )


def test_a_day_is_a_day_in_the_competitions_zone() -> None:
    span = span_of(date(2026, 6, 1), date(2026, 6, 1), "Asia/Tokyo", Kind.CUSTOM)
    assert span.start_at == datetime(2026, 5, 31, 15, tzinfo=UTC)
    assert span.end_at == datetime(2026, 6, 1, 15, tzinfo=UTC)
    assert (span.starts_on, span.last_on) == (date(2026, 6, 1), date(2026, 6, 1))


def test_a_moment_is_that_moment_and_its_day_counts() -> None:
    start, end = datetime(2026, 6, 1, 22, 30, tzinfo=UTC), datetime(2026, 6, 2, 12, tzinfo=UTC)
    span = span_of(start, end, "Europe/Berlin", Kind.CUSTOM)
    assert (span.start_at, span.end_at) == (start, end)
    assert (span.starts_on, span.last_on) == (date(2026, 6, 2), date(2026, 6, 2))


def test_an_end_at_midnight_does_not_touch_the_next_day() -> None:
    span = span_of(date(2026, 6, 1), datetime(2026, 6, 3, 0, 0, tzinfo=BERLIN), "Europe/Berlin", Kind.CUSTOM)
    assert span.last_on == date(2026, 6, 2)


def test_days_and_moments_mix() -> None:
    span = span_of(date(2026, 6, 1), datetime(2026, 6, 1, 12, tzinfo=UTC), "UTC", Kind.CUSTOM)
    assert hours(span) == 12


@pytest.mark.parametrize(
    ("day", "zone", "long"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
        (date(2026, 6, 1), "Europe/Berlin", 24),
    ],
)
def test_a_day_is_as_long_as_it_is_there(day: date, zone: str, long: float) -> None:
    assert hours(span_of(day, day, zone, Kind.CUSTOM)) == long
    assert hours(span_of(day, None, zone, Kind.DAILY)) == long


@pytest.mark.parametrize(
    ("kind", "start", "last"),
    [
        (Kind.DAILY, date(2026, 6, 1), date(2026, 6, 1)),
        (Kind.WEEKLY, date(2026, 6, 1), date(2026, 6, 7)),
        (Kind.MONTHLY, date(2026, 6, 1), date(2026, 6, 30)),
        (Kind.MONTHLY, date(2026, 2, 1), date(2026, 2, 28)),
        (Kind.MONTHLY, date(2028, 2, 1), date(2028, 2, 29)),
        (Kind.WEEKLY, date(2026, 12, 29), date(2027, 1, 4)),
    ],
)
def test_the_kind_says_how_long_it_lasts_without_an_end(kind: Kind, start: date, last: date) -> None:
    span = span_of(start, None, "Europe/Berlin", kind)
    assert (span.starts_on, span.last_on) == (start, last)
    assert span.end_at == datetime(last.year, last.month, last.day, tzinfo=BERLIN).astimezone(UTC) + timedelta(days=1)


def test_a_week_over_the_change_of_clocks_ends_at_the_same_time_of_day() -> None:
    start = datetime(2026, 3, 25, 8, tzinfo=BERLIN)
    span = span_of(start, None, "Europe/Berlin", Kind.WEEKLY)
    assert span.end_at == datetime(2026, 4, 1, 8, tzinfo=BERLIN)
    assert hours(span) == 7 * 24 - 1


def test_an_end_that_is_said_counts_whatever_the_kind() -> None:
    assert span_of(date(2026, 6, 1), date(2026, 6, 2), "UTC", Kind.MONTHLY).last_on == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (date(2026, 6, 1), None, "end_date"),
        (date(2026, 6, 2), date(2026, 6, 1), "end_date"),
        (datetime(2026, 6, 1, 12, tzinfo=UTC), datetime(2026, 6, 1, 12, tzinfo=UTC), "end_date"),
        (date(2026, 6, 1), date(2036, 6, 30), "end_date"),
        (date(2026, 6, 1), date(9999, 12, 31), "end_date"),
        (datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")), date(2026, 6, 1), "start_date"),
    ],
)
def test_dates_that_make_no_span_are_refused_by_name(
    start: date | datetime, end: date | datetime | None, field: str
) -> None:
    with pytest.raises(WrongSpan) as refused:
        span_of(start, end, "UTC", Kind.CUSTOM)
    assert refused.value.field == field
    assert str(refused.value).endswith(".")


def test_ten_years_are_not_too_long() -> None:
    assert span_of(date(2026, 1, 1), date(2035, 12, 31), "UTC", Kind.CUSTOM).last_on == date(2035, 12, 31)


def test_grace_runs_from_the_end_or_from_the_making_whichever_is_later() -> None:
    end, day = datetime(2026, 6, 1, tzinfo=UTC), timedelta(days=1)
    assert closes_at(end, end - 9 * day, day) == end + day
    assert closes_at(end, end + 9 * day, day) == end + 10 * day


def test_the_status_changes_exactly_at_its_moments() -> None:
    start, end, closes = (datetime(2026, 6, day, tzinfo=UTC) for day in (1, 2, 3))
    tick = timedelta(microseconds=1)

    def at(now: datetime) -> Status:
        return status_at(now, published=True, cancelled=False, start_at=start, end_at=end, closes_at=closes)

    found = [at(moment) for moment in (start - tick, start, end - tick, end, closes - tick, closes)]
    assert found == ["upcoming", "active", "active", "ended", "ended", "completed"]


def test_drafts_and_cancelled_ones_stay_what_they_are_whatever_the_date() -> None:
    start, end, closes = (datetime(2026, 6, day, tzinfo=UTC) for day in (1, 2, 3))
    for now, published in product((start, end, closes, start - timedelta(days=9)), (True, False)):
        dates = {"start_at": start, "end_at": end, "closes_at": closes}
        assert status_at(now, published=published, cancelled=True, **dates) == Status.CANCELLED
        assert status_at(now, published=False, cancelled=False, **dates) == Status.DRAFT


hour = st.integers(min_value=-72, max_value=72)


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    starts=st.lists(st.tuples(hour, st.integers(1, 48), st.integers(0, 48)), min_size=1, max_size=8),
    published=st.booleans(),
    cancelled=st.booleans(),
    asked=st.one_of(hour, st.none()),
)
def test_sql_and_python_agree_on_the_status(
    person: User,
    starts: list[tuple[int, int, int]],
    published: bool,
    cancelled: bool,
    asked: int | None,
) -> None:
    """``asked`` None: at the very end of the first, where an inclusive comparison would show."""
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    Competition.objects.all().delete()
    made = []
    for start, length, grace in starts:
        start_at = noon + timedelta(hours=start)
        end_at = start_at + timedelta(hours=length)
        made.append(
            Competition(
                owner=person,
                name="any",
                join_code=uuid4().hex[:16],
                start_at=start_at,
                end_at=end_at,
                starts_on=start_at.date(),
                last_on=end_at.date(),
                closes_at=end_at + timedelta(hours=grace),
                published_at=noon if published else None,
                cancelled_at=noon if cancelled else None,
                created_at=noon,
            )
        )
    Competition.objects.bulk_create(made)
    now = made[0].end_at if asked is None else noon + timedelta(hours=asked)
    by_python = {status: {one.id for one in made if one.status_at(now) == status} for status in Status}
    by_sql = {
        status: set(Competition.objects.all().with_status(status, now).values_list("id", flat=True))
        for status in Status
    }
    assert by_sql == by_python
