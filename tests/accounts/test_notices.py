"""When a message may reach somebody, against an oracle that walks through the day minute by minute."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.notices import NOTICES, Channel, Event, Hours, due_at, is_quiet

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"]
clocks = st.times(timezones=st.none()).map(lambda at: at.replace(second=0, microsecond=0))
moments = st.integers(0, 365 * 24 * 60 - 1).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


def quiet_by_walking(at: datetime, hours: Hours) -> bool:
    """Whether the last of the two bells that rang on the person's clock was the one that begins the quiet."""
    assert hours.quiet_from is not None
    assert hours.quiet_until is not None
    minute = at.astimezone(hours.zone).hour * 60 + at.astimezone(hours.zone).minute
    begins = hours.quiet_from.hour * 60 + hours.quiet_from.minute
    ends = hours.quiet_until.hour * 60 + hours.quiet_until.minute
    return begins != ends and (minute - begins) % 1440 < (ends - begins) % 1440


@given(at=moments, quiet_from=clocks, quiet_until=clocks, zone=st.sampled_from(ZONES))
def test_quiet_hours_are_those_of_the_persons_clock(
    at: datetime, quiet_from: time, quiet_until: time, zone: str
) -> None:
    hours = Hours(ZoneInfo(zone), quiet_from, quiet_until)
    assert is_quiet(at, hours) == quiet_by_walking(at, hours)


@pytest.mark.slow
@given(at=moments, quiet_from=clocks, quiet_until=clocks, zone=st.sampled_from(ZONES))
def test_nothing_is_sent_in_quiet_hours_and_nothing_waits_longer_than_they_last(
    at: datetime, quiet_from: time, quiet_until: time, zone: str
) -> None:
    hours = Hours(ZoneInfo(zone), quiet_from, quiet_until)
    due = due_at(Channel.PUSH, NOTICES[Event.OVERTAKEN], hours, at)
    assert due >= at
    if not is_quiet(at, hours):
        assert due == at
    else:
        assert due - at <= timedelta(days=2)
        skipped = (due - timedelta(hours=1)).astimezone(hours.zone).utcoffset() != due.astimezone(
            hours.zone
        ).utcoffset()
        assert not is_quiet(due, hours) or skipped


@given(at=moments, digest_at=clocks, zone=st.sampled_from(ZONES))
def test_mail_waits_for_the_digest_and_a_push_does_not(at: datetime, digest_at: time, zone: str) -> None:
    hours = Hours(ZoneInfo(zone), digest_at=digest_at)
    due = due_at(Channel.EMAIL, NOTICES[Event.JOINED], hours, at)
    assert at <= due <= at + timedelta(days=2)
    assert due_at(Channel.PUSH, NOTICES[Event.JOINED], hours, at) == at


def test_a_digest_in_quiet_hours_comes_when_they_end() -> None:
    hours = Hours(ZoneInfo("Europe/Berlin"), time(22), time(7), digest_at=time(23))
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert due_at(Channel.EMAIL, NOTICES[Event.JOINED], hours, at) == datetime(2026, 6, 2, 5, tzinfo=UTC)


def test_quiet_hours_that_end_in_an_hour_that_comes_twice_end_both_times() -> None:
    hours = Hours(ZoneInfo("Europe/Berlin"), time(22), time(2, 30))
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # ten past two, for the second time
    due = due_at(Channel.PUSH, NOTICES[Event.OVERTAKEN], hours, second)
    assert due == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_mail_about_the_account_comes_at_any_hour() -> None:
    hours = Hours(ZoneInfo("UTC"), time(0), time(23, 59), digest_at=time(12))
    at = datetime(2026, 6, 1, 3, tzinfo=UTC)
    assert due_at(Channel.EMAIL, NOTICES[Event.PASSWORD_RESET], hours, at) == at
