"""Who hears in the evening that a streak is at risk."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification, User
from accounts.notices import Event
from fitness.models import CountedDay
from fitness.services import streaks
from fitness.services.streaks import tell_streaks_at_risk
from tests.conftest import MakePerson

pytestmark = pytest.mark.django_db

TODAY = date(2026, 6, 1)
EVENING = datetime(2026, 6, 1, 17, 10, tzinfo=UTC)  # ten past seven in Berlin


def walked(person: User, *steps: int) -> None:
    """Today last."""
    for ago, count in enumerate(reversed(steps)):
        amounts = {"steps": count, "distance_mm": 0, "energy_cal": 0, "active_seconds": 0}
        CountedDay.objects.create(user=person, day=TODAY - timedelta(days=ago), **amounts)


@pytest.fixture
def berliners(make_person: MakePerson) -> list[User]:
    return [make_person(f"B{number}", timezone="Europe/Berlin") for number in range(5)]


def test_who_has_kept_it_up_and_not_yet_today_hears_of_it_once(berliners: list[User], make_person: MakePerson) -> None:
    kept, done, short, broken, longer = berliners
    walked(kept, 10_000, 10_000, 10_000, 4_000)
    walked(done, 10_000, 10_000, 10_000, 10_000)
    walked(short, 10_000, 10_000, 0)
    walked(broken, 10_000, 10_000, 10_000, 9_999, 10_000, 0)
    walked(longer, 10_000, 10_000, 10_000, 10_000, 10_000, 0)
    walked(make_person("Lon", timezone="Europe/London"), 10_000, 10_000, 10_000, 0)
    assert tell_streaks_at_risk(now=EVENING) == 2
    told = {one.user_id: one.data for one in Notification.objects.filter(event=Event.STREAK_AT_RISK)}
    assert told == {
        kept.id: {"days": 3, "steps": 4_000, "goal": 10_000},
        longer.id: {"days": 5, "steps": 0, "goal": 10_000},
    }
    with CaptureQueriesContext(connection) as captured:
        assert tell_streaks_at_risk(now=EVENING + timedelta(minutes=15)) == 0
    assert not any("ORDER BY day" in query["sql"] for query in captured), "nobody's days are read once more"


def test_many_are_told_some_at_a_time(berliners: list[User], monkeypatch: Any) -> None:
    monkeypatch.setattr(streaks, "AT_ONCE", 2)
    for person in berliners:
        walked(person, 10_000, 10_000, 10_000, 0)
    assert tell_streaks_at_risk(now=EVENING) == len(berliners)
    assert Notification.objects.count() == len(berliners)
