"""How many may watch at once, and when whoever is sent away may come again"""

import time
from typing import Any
from uuid import uuid4

import pytest

from config.core.environment import Rate
from config.core.errors import TooMany
from leaderboards import admission as admissions
from leaderboards.admission import ACCEPTED, Admission, retry_after_ms
from leaderboards.watching import Close

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.RATE_LIMIT = Rate(100, 200)
    settings.SOCKETS_PER_USER, settings.SOCKETS_PER_ADDRESS = 2, 3


@pytest.fixture
def admission() -> Admission:
    return Admission()


def test_a_person_may_watch_so_often_from_wherever_they_are(admission: Admission) -> None:
    ada, ben = uuid4(), uuid4()
    admission.enter(ada, HERE)
    admission.enter(ada, THERE)
    with pytest.raises(TooMany) as refused:
        admission.enter(ada, HERE)
    assert refused.value.retry_after == 5
    admission.enter(ben, HERE)
    assert admission.count() == 3


def test_an_address_may_watch_so_often_whoever_is_there(admission: Admission) -> None:
    for viewer in (uuid4(), None, uuid4()):
        admission.enter(viewer, HERE)
    for viewer in (uuid4(), None):
        with pytest.raises(TooMany):
            admission.enter(viewer, HERE)
    admission.enter(None, THERE)


def test_nobody_in_particular_is_counted_by_address_alone(admission: Admission) -> None:
    for _ in range(3):
        admission.enter(None, HERE)
    for _ in range(3):
        admission.enter(None, THERE)
    assert admission.count() == 6


def test_whoever_leaves_makes_room_and_is_forgotten(admission: Admission) -> None:
    ada = uuid4()
    for _ in range(10):
        admission.enter(ada, HERE)
        admission.enter(ada, HERE)
        admission.leave(ada, HERE)
        admission.leave(ada, HERE)
    assert admission.count() == 0
    assert not admission._inside


def test_whoever_is_refused_takes_no_place(admission: Admission) -> None:
    ada, ben = uuid4(), uuid4()
    admission.enter(ada, HERE)
    admission.enter(ada, HERE)
    for _ in range(5):
        with pytest.raises(TooMany):
            admission.enter(ada, HERE)
    assert admission.count() == 2
    admission.enter(ben, HERE)
    with pytest.raises(TooMany):
        admission.enter(ben, HERE)  # the address is full, and the person's own count is not touched
    admission.leave(ada, HERE)
    admission.enter(ben, HERE)


def test_only_so_many_are_let_in_at_once_and_more_as_time_goes_by(
    admission: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    for _ in range(ACCEPTED.burst):
        admission.knock()
    with pytest.raises(TooMany):
        admission.knock()
    clock.now += 10.5 / ACCEPTED.per_second  # half a token to spare: the clock is a float
    for _ in range(10):
        admission.knock()
    with pytest.raises(TooMany):
        admission.knock()
    clock.now += 3600
    for _ in range(ACCEPTED.burst):
        admission.knock()
    with pytest.raises(TooMany):
        admission.knock()


def test_without_a_rate_limit_there_is_no_other_limit_either_but_all_are_counted(settings: Any) -> None:
    settings.RATE_LIMIT = Rate(0, 0)
    admission, ada = Admission(), uuid4()
    for _ in range(ACCEPTED.burst + 1):
        admission.knock()
    for _ in range(10):
        admission.enter(ada, HERE)
    assert admission.count() == 10
    for _ in range(10):
        admission.leave(ada, HERE)
    assert admission.count() == 0


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr("leaderboards.admission.time.monotonic", lambda: self.now)


# --- When to come again ---


@pytest.mark.parametrize("reason", [Close.UNAUTHENTICATED, Close.FORBIDDEN, Close.NOT_FOUND])
def test_where_coming_again_is_of_no_use_nothing_is_said_of_it(reason: Close) -> None:
    assert retry_after_ms(reason) is None


@pytest.mark.parametrize("reason", [Close.RESTARTING, Close.TOO_MANY])
@pytest.mark.parametrize("inside", [0, 10_000])
def test_the_more_were_here_the_wider_they_are_spread(
    reason: Close, inside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no moment brings more than a process lets in."""
    full = Admission()
    full._inside[HERE] = inside
    monkeypatch.setattr(admissions, "admission", full)
    widest = 2_000 + 1000 * inside / ACCEPTED.per_second
    hints = [retry_after_ms(reason) or 0 for _ in range(400)]
    assert 500 <= min(hints) < 500 + widest / 10
    assert 500 + widest * 9 / 10 < max(hints) <= 500 + widest
    middle = sum(hint < 500 + widest / 2 for hint in hints)
    assert 120 < middle < 280  # half, give or take eight times what chance gives or takes


def test_whoever_has_no_name_leaves_as_well(admission: Admission) -> None:
    admission.enter(None, HERE)
    admission.leave(None, HERE)
    assert admission.count() == 0
