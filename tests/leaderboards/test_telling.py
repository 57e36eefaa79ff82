"""What people in a competition hear of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification, User
from accounts.notices import Event
from competitions.models import Competition
from competitions.services.enrolment import join_competition, leave_competition
from competitions.services.lifecycle import cancel_competition, move_statuses
from leaderboards.models import Announcement, Climb
from leaderboards.services import report_totals
from leaderboards.settling import add_correction, correct_standings
from leaderboards.telling import announce_what_is_near, tell_announcements, tell_overtaken
from tests.leaderboards.conftest import MakeOver

pytestmark = pytest.mark.django_db


def clock() -> datetime:
    return datetime.now(UTC)


def heard(person: User, *events: Event) -> list[Notification]:
    return list(Notification.objects.filter(user=person, event__in=events).order_by("created_at"))


def report(competition: Competition, person: User, steps: int) -> None:
    report_totals(competition=competition, user_id=person.id, reported={"steps": steps}, now=clock())


@pytest.fixture
def people(make_person: Any) -> tuple[User, User, User]:
    return make_person("Ada"), make_person("Ben"), make_person("Cy")


@pytest.fixture
def race(make_competition: Any, join: Any, people: tuple[User, User, User]) -> Competition:
    """Where Ada, Ben and Cy have 300, 200 and 100 points."""
    competition: Competition = make_competition(score_source="reported")
    join(competition, *people)
    for place, person in enumerate(people):
        report(competition, person, 300 - place * 100)
    tell_overtaken(clock=clock)
    Notification.objects.all().delete()
    return competition


# --- Overtaken ---


def test_who_is_overtaken_hears_by_whom_and_nobody_else_does(
    race: Competition, people: tuple[User, User, User]
) -> None:
    ada, ben, cy = people
    report(race, cy, 250)
    assert tell_overtaken(clock=clock) == 1
    [news] = heard(ben, Event.OVERTAKEN)
    assert (news.data["by"], news.competition_id) == (str(cy.id), race.id)
    assert heard(ada, Event.OVERTAKEN) == heard(cy, Event.OVERTAKEN) == []
    assert not Climb.objects.exists()


def test_nobody_hears_of_it_twice_on_a_day(race: Competition, people: tuple[User, User, User]) -> None:
    _, ben, cy = people
    for ahead, behind in [(cy, ben), (ben, cy), (cy, ben)]:
        report(race, ahead, max(standing_points(race, behind) + 1, 250))
        tell_overtaken(clock=clock)
    assert len(heard(ben, Event.OVERTAKEN)) == len(heard(cy, Event.OVERTAKEN)) == 1


def standing_points(competition: Competition, person: User) -> int:
    return competition.standings.get(user=person).score


def test_who_climbed_as_far_meanwhile_was_not_overtaken(race: Competition, people: tuple[User, User, User]) -> None:
    _, ben, cy = people
    report(race, cy, 250)
    report(race, ben, 260)
    assert tell_overtaken(clock=clock) == 0
    report(race, cy, 290)
    report(race, cy, 295)  # in two steps, and still one climb past Ben
    assert tell_overtaken(clock=clock) == 1


def test_a_climb_from_behind_to_behind_overtakes_nobody(race: Competition, people: tuple[User, User, User]) -> None:
    """Cy comes from 100 to 240 while Ben, who was ahead, goes to 250: Cy was behind Ben and stays there."""
    _, ben, cy = people
    report(race, ben, 250)
    report(race, cy, 240)
    assert tell_overtaken(clock=clock) == 0


def test_who_has_left_hears_nothing(race: Competition, people: tuple[User, User, User]) -> None:
    _, ben, cy = people
    leave_competition(competition=race, user_id=ben.id, now=clock())
    report(race, cy, 250)
    assert tell_overtaken(clock=clock) == 0


@pytest.mark.django_db(transaction=True)
def test_several_workers_tell_each_once(race: Competition, people: tuple[User, User, User]) -> None:
    _, ben, cy = people
    report(race, cy, 250)

    def work(_: int) -> int:
        try:
            return tell_overtaken(clock=clock)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(8))) == 1
    assert len(heard(ben, Event.OVERTAKEN)) == 1


# --- Everybody ---


def test_all_hear_of_the_start_and_of_the_end_with_their_place(make_over: MakeOver, people: Any, now: datetime) -> None:
    ada, ben, cy = people
    competition = make_over({ada: 500, ben: 900, cy: 100})
    leave = Announcement.objects.filter(competition=competition)
    move_statuses(now=competition.start_at + timedelta(minutes=1))
    tell_announcements(clock=clock)
    move_statuses(now=competition.end_at + timedelta(minutes=1))
    tell_announcements(clock=clock)
    move_statuses(now=competition.closes_at + timedelta(minutes=1))
    tell_announcements(clock=clock)
    assert [a.event for a in leave.order_by("id")][-2:] == [Event.PROVISIONAL_RESULT, Event.FINAL_RESULT]
    assert all(a.done_at for a in leave)
    for person, rank, score in [(ben, 1, 900), (ada, 2, 500), (cy, 3, 100)]:
        for event in (Event.PROVISIONAL_RESULT, Event.FINAL_RESULT):
            [news] = heard(person, event)
            assert (news.data["rank"], news.data["score"], news.data["of"]) == (rank, score, 3)


def test_of_corrected_standings_hear_those_for_whom_they_changed(make_over: MakeOver, people: Any, staff: User) -> None:
    ada, ben, cy = people
    competition = make_over({ada: 500, ben: 900, cy: 100})
    over = competition.closes_at + timedelta(minutes=1)
    move_statuses(now=over)
    tell_announcements(clock=clock)
    correct_standings(competition_id=competition.id, by=staff, reason="Counted twice.", adjust={ben.id: -600}, now=over)
    tell_announcements(clock=clock)
    corrected = {person: [n.data["rank"] for n in heard(person, Event.FINAL_RESULT)] for person in people}
    assert corrected == {ada: [2, 1], ben: [1, 2], cy: [3]}
    [why] = heard(ben, Event.CORRECTION)
    assert (why.data["points"], why.data["reason"]) == (-600, "Counted twice.")
    assert not heard(ada, Event.CORRECTION)


def test_a_correction_while_it_runs_is_told_once(
    race: Competition, people: tuple[User, User, User], staff: User
) -> None:
    ada, *_ = people
    add_correction(
        competition_id=race.id, user_id=ada.id, points=50, reason="Carried the banner.", by=staff, now=clock()
    )
    [news] = heard(ada, Event.CORRECTION)
    said = {"competition": race.name, "metric": "steps", "points": 50, "reason": "Carried the banner."}
    assert news.data == said


def test_a_cancelled_competition_says_whether_the_fee_comes_back(
    make_competition: Any, join: Any, person: User, other: User
) -> None:
    competition = make_competition(starts=2, ends=9)
    join(competition, other)
    cancel_competition(competition_id=competition.id, by=person, now=clock())
    assert tell_announcements(clock=clock) == 1
    [news] = heard(other, Event.CANCELLED)
    assert news.data["refunded"] is False


def test_what_is_near_is_announced_once(make_competition: Any, join: Any, other: User) -> None:
    soon, later = make_competition(starts=1, ends=9), make_competition(starts=3, ends=9, name="Later")
    join(soon, other)
    join(later, other)
    for _ in range(2):
        announce_what_is_near(now=clock())
        tell_announcements(clock=clock)
    assert [news.competition_id for news in heard(other, Event.STARTS_SOON)] == [soon.id]
    assert heard(other, Event.STARTS_SOON)[0].expires_at == soon.start_at


def test_the_last_chance_to_sync_is_told_to_those_who_have_not_come_since_the_end(
    make_competition: Any, people: Any
) -> None:
    ada, ben, _ = people
    competition = make_competition(starts=-5, ends=-1, score_source="synced", created_at=clock() - timedelta(days=9))
    now = competition.closes_at - timedelta(hours=2)
    for person in (ada, ben):
        join_competition(competition=competition, user_id=person.id, join_code=None, now=competition.start_at)
    competition.standings.filter(user=ada).update(last_synced_at=competition.end_at + timedelta(hours=1))
    competition.standings.filter(user=ben).update(last_synced_at=competition.end_at - timedelta(hours=1))
    Competition.objects.filter(id=competition.id).update(status="ended")
    announce_what_is_near(now=now)
    tell_announcements(clock=lambda: now)
    assert heard(ada, Event.GRACE_ENDS) == []
    [news] = heard(ben, Event.GRACE_ENDS)
    assert news.expires_at == competition.closes_at


def test_an_announcement_goes_on_where_a_worker_has_stopped(
    make_competition: Any, join: Any, make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.telling.AT_ONCE", 2)
    competition, people = make_competition(starts=1, ends=9), [make_person(f"Walker {n}") for n in range(5)]
    join(competition, *people)
    announce_what_is_near(now=clock())
    calls = iter(range(2))

    def dies() -> datetime:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return clock()

    with pytest.raises(KeyboardInterrupt):
        tell_announcements(clock=dies)
    assert Notification.objects.filter(event=Event.STARTS_SOON).count() == 4
    assert tell_announcements(clock=clock) == 1
    assert all(len(heard(person, Event.STARTS_SOON)) == 1 for person in people)


def test_an_announcement_that_goes_wrong_keeps_no_other(make_competition: Any, join: Any, other: User) -> None:
    running, soon = make_competition(), make_competition(starts=1, ends=9, name="Soon")
    join(running, other)
    join(soon, other)
    Announcement.objects.create(competition=running, event=Event.FINAL_RESULT, made_at=clock() - timedelta(days=1))
    announce_what_is_near(now=clock())
    assert tell_announcements(clock=clock) == 1
    assert [news.competition_id for news in heard(other, Event.STARTS_SOON)] == [soon.id]
    assert Announcement.objects.get(done_at=None).competition == running, "it is tried again"


@pytest.mark.slow
def test_telling_everybody_takes_a_handful_of_statements(make_competition: Any, join: Any, make_person: Any) -> None:
    def statements(people: int) -> int:
        competition = make_competition(starts=1, ends=9)
        join(competition, *(make_person(f"Walker {n}") for n in range(people)))
        announce_what_is_near(now=clock())
        with CaptureQueriesContext(connection) as queries:
            assert tell_announcements(clock=clock) == people
        return len(queries)

    assert statements(30) <= statements(2)
