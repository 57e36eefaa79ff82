"""decide_flag and appeal_flag: what a decision does to the days, the board, final standings, and money."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Competition
from competitions.services.enrolment import join_competition, leave_competition
from competitions.services.lifecycle import move_statuses
from config.core.errors import Conflict, Forbidden, Invalid, NotFound
from fitness.models import Flag, FlagEvent, FlagEvidence
from fitness.plausibility import Decision
from fitness.queries.flags import holds_among
from fitness.rules import Reading, Source
from fitness.services.decisions import (
    AlreadyAppealed,
    AlreadyDecided,
    CountedInFinalStandings,
    NothingToAppeal,
    appeal_flag,
    decide_flag,
)
from fitness.verification import check_standings
from leaderboards.models import Standing
from leaderboards.queries import board_page, final_standings
from leaderboards.scoring import Totals
from leaderboards.settling import correct_standings
from tests.fitness.walking import measured, sync
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db

ACCEPT, EXCLUDE, DISQUALIFY = Decision.ACCEPT, Decision.EXCLUDE, Decision.DISQUALIFY
Flagged = Callable[..., Flag]
HONEST, TOO_FAST = 3000, 10_000


@pytest.fixture
def yesterday(now: datetime) -> datetime:
    return datetime.combine(now.date() - timedelta(days=1), time(8), UTC)


@pytest.fixture
def flagged(person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime) -> Flagged:
    """Somebody with an honest walk and ten minutes that are too fast, for which there is a flag."""

    def make(*, mode: str = "hold", **fields: Any) -> Flag:
        competition = make_competition(stored_policy={"checks": {"cadence": mode}}, **fields)
        join(competition, person)
        walk, dash = measured(yesterday, HONEST, 1800), measured(yesterday + timedelta(hours=1), TOO_FAST, 600)
        sync(person, walk, dash, now=now)
        return Flag.objects.get(competition=competition)

    return make


def decide(flag: Flag, decision: Decision, by: User, now: datetime | None = None, reason: str = "I asked.") -> Flag:
    return decide_flag(flag_id=flag.id, decision=decision, reason=reason, by=by, now=now or datetime.now(UTC))


def appeal(flag: Flag, now: datetime | None = None, text: str = "It was a race.") -> Flag:
    return appeal_flag(flag_id=flag.id, text=text, by=flag.user, now=now or datetime.now(UTC))


def score(flag: Flag) -> int:
    return Standing.objects.get(competition_id=flag.competition_id, user_id=flag.user_id).score


def on_board(competition: Competition) -> list[str]:
    return [entry["user_id"] for entry in board_page(competition, offset=0, limit=10).entries]


@pytest.mark.parametrize(
    ("mode", "before", "decision", "after"),
    [
        ("hold", HONEST, ACCEPT, HONEST + TOO_FAST),
        ("hold", HONEST, EXCLUDE, HONEST),
        ("count", HONEST + TOO_FAST, ACCEPT, HONEST + TOO_FAST),
        ("count", HONEST + TOO_FAST, EXCLUDE, HONEST),
    ],
)
def test_a_decision_says_what_counts(
    flagged: Flagged, staff: User, mode: str, before: int, decision: Decision, after: int
) -> None:
    flag = flagged(mode=mode)
    assert score(flag) == before
    decided = decide(flag, decision, staff, reason="  Video.  ")
    assert score(flag) == after
    assert (decided.state, decided.held, decided.decided_by, decided.reason) == (
        *(decision.state, False, staff),
        "Video.",
    )
    assert [(e.kind, e.decision, e.by, e.text) for e in flag.events.all()][1:] == [
        ("decided", decision.value, staff, "Video.")
    ]


def test_the_same_decision_again_changes_nothing_and_another_is_refused(flagged: Flagged, staff: User) -> None:
    flag = flagged()
    first = decide(flag, EXCLUDE, staff)
    assert decide(flag, EXCLUDE, staff, reason="Again.").decided_at == first.decided_at
    with pytest.raises(AlreadyDecided):
        decide(flag, ACCEPT, staff)
    assert FlagEvent.objects.filter(kind="decided").count() == 1
    assert score(flag) == HONEST


def test_whoever_decides_says_why_and_not_about_themself(flagged: Flagged, staff: User, person: User) -> None:
    flag = flagged()
    with pytest.raises(Invalid):
        decide(flag, ACCEPT, staff, reason=" \n")
    with pytest.raises(Forbidden):
        decide(flag, ACCEPT, person)
    flag.id = uuid4()
    with pytest.raises(NotFound):
        decide(flag, ACCEPT, staff)


def test_an_appeal_opens_the_question_again_once(flagged: Flagged, staff: User) -> None:
    flag = flagged()
    decide(flag, EXCLUDE, staff)
    for _ in range(2):
        assert appeal(flag).appeal_waits
    with pytest.raises(AlreadyAppealed):
        appeal(flag, text="And another thing.")
    assert score(flag) == HONEST, "an appeal alone changes nothing"
    assert not decide(flag, ACCEPT, staff).appeal_waits
    assert score(flag) == HONEST + TOO_FAST
    with pytest.raises(AlreadyAppealed):
        appeal(flag, text="Thank you.")
    assert [event.kind for event in flag.events.all()] == ["opened", "decided", "appealed", "decided"]


def test_an_appeal_may_come_while_the_data_is_held(flagged: Flagged, staff: User) -> None:
    flag = flagged()
    appeal(flag)
    assert decide(flag, EXCLUDE, staff).state == "excluded"
    with pytest.raises(AlreadyAppealed):
        appeal(flag, text="Please.")


def test_nothing_is_appealed_that_counts(flagged: Flagged, staff: User, other: User) -> None:
    flag = flagged(mode="count")
    with pytest.raises(NothingToAppeal):
        appeal(flag)
    decide(flag, ACCEPT, staff)
    with pytest.raises(NothingToAppeal):
        appeal(flag)
    with pytest.raises(Forbidden):
        appeal_flag(flag_id=flag.id, text="Let her.", by=other, now=datetime.now(UTC))
    with pytest.raises(Invalid):
        appeal(flag, text=" ")


def test_what_is_found_later_is_held_again_and_what_was_accepted_stays(
    flagged: Flagged, staff: User, person: User, yesterday: datetime
) -> None:
    flag = flagged()
    decide(flag, ACCEPT, staff)
    sync(person, measured(yesterday + timedelta(hours=3), TOO_FAST, 600), now=datetime.now(UTC))
    flag.refresh_from_db()
    assert (flag.state, flag.held, score(flag)) == ("open", True, HONEST + TOO_FAST)
    decide(flag, ACCEPT, staff)
    assert score(flag) == HONEST + 2 * TOO_FAST


def test_nobody_has_decided_about_what_came_while_they_waited(
    flagged: Flagged, staff: User, person: User, yesterday: datetime, now: datetime
) -> None:
    """Both read their clocks before they wait for the person's lock."""
    flag = flagged()
    decide(flag, ACCEPT, staff, now=now + timedelta(seconds=9))
    sync(person, measured(yesterday + timedelta(hours=3), TOO_FAST, 600), now=now + timedelta(seconds=3))
    assert score(flag) == HONEST + TOO_FAST
    flag.refresh_from_db()
    assert flag.state == "open"
    assert decide(flag, EXCLUDE, staff, now=now).decided_at == FlagEvidence.objects.latest("id").found_at
    assert score(flag) == HONEST


def test_the_disqualified_leave_the_board_and_come_back_when_their_appeal_is_heard(
    flagged: Flagged, staff: User, person: User, yesterday: datetime
) -> None:
    flag = flagged()
    competition = flag.competition
    decide(flag, DISQUALIFY, staff)
    assert on_board(competition) == []
    sync(person, measured(yesterday + timedelta(hours=2), 500, 600), now=datetime.now(UTC))
    leave_competition(competition=competition, user_id=person.id, now=datetime.now(UTC))
    join_competition(competition=competition, user_id=person.id, join_code=None, now=datetime.now(UTC))
    assert on_board(competition) == [], "who leaves and comes back is disqualified all the same"
    appeal(flag)
    decide(flag, EXCLUDE, staff)
    assert on_board(competition) == [str(person.id)]
    assert score(flag) == HONEST + 500


def test_who_was_disqualified_twice_comes_back_when_both_are_taken_back(
    flagged: Flagged, staff: User, person: User, yesterday: datetime
) -> None:
    first = flagged()
    sync(person, measured(yesterday - timedelta(days=1), TOO_FAST, 600), now=datetime.now(UTC))
    second = Flag.objects.exclude(id=first.id).get()
    for flag in (first, second):
        decide(flag, DISQUALIFY, staff)
        appeal(flag)
    decide(first, ACCEPT, staff)
    assert on_board(first.competition) == []
    decide(second, ACCEPT, staff)
    assert on_board(first.competition) == [str(person.id)]


def test_who_left_stays_away_when_the_disqualification_is_taken_back(
    flagged: Flagged, staff: User, person: User
) -> None:
    flag = flagged()
    decide(flag, DISQUALIFY, staff)
    leave_competition(competition=flag.competition, user_id=person.id, now=datetime.now(UTC))
    appeal(flag)
    decide(flag, ACCEPT, staff)
    assert on_board(flag.competition) == []


# --- When the standings are final ---


@pytest.fixture
def final(flagged: Flagged, staff: User, yesterday: datetime) -> Callable[..., Flag]:
    """The same, and the competition is over since."""

    def make(*, mode: str, decision: Decision | None = None) -> Flag:
        flag = flagged(mode=mode, ends=0, grace_hours=1)
        if decision is not None:
            decide(flag, decision, staff)
        move_statuses(now=after(flag))
        flag.refresh_from_db()
        return flag

    return make


def after(flag: Flag) -> datetime:
    return flag.competition.closes_at + timedelta(hours=1)


def scores(flag: Flag) -> list[int]:
    standings = final_standings(flag.competition_id)
    assert standings is not None
    return [row.score for row in standings.rows]


def problems(flag: Flag) -> list[str]:
    return [problem for check in check_standings(flag.competition) for problem in check.problems]


@pytest.mark.parametrize("decision", [None, ACCEPT, EXCLUDE, DISQUALIFY])
@pytest.mark.parametrize("mode", ["hold", "count"])
def test_final_standings_agree_with_what_was_held_and_decided(
    final: Callable[..., Flag], mode: str, decision: Decision | None
) -> None:
    flag = final(mode=mode, decision=decision)
    counts = decision == ACCEPT or (decision is None and mode == "count")
    expected = [] if decision == DISQUALIFY else [HONEST + (TOO_FAST if counts else 0)]
    assert scores(flag) == expected
    assert problems(flag) == []


@pytest.mark.parametrize(("mode", "decision"), [("hold", ACCEPT), ("hold", EXCLUDE), ("count", ACCEPT)])
def test_a_late_decision_leaves_final_standings_alone(
    final: Callable[..., Flag], staff: User, mode: str, decision: Decision
) -> None:
    flag = final(mode=mode)
    before = scores(flag)
    assert decide(flag, decision, staff, now=after(flag)).state == decision.state
    assert scores(flag) == before
    assert problems(flag) == []


def test_what_final_standings_count_is_not_excluded_from_them(final: Callable[..., Flag], staff: User) -> None:
    flag = final(mode="count")
    with pytest.raises(CountedInFinalStandings, match="only by a correction"):
        decide(flag, EXCLUDE, staff, now=after(flag))
    flag.refresh_from_db()
    assert (flag.state, scores(flag)) == ("open", [HONEST + TOO_FAST])


def test_a_late_disqualification_is_a_correction_and_so_is_taking_it_back(
    final: Callable[..., Flag], staff: User
) -> None:
    flag = final(mode="count")
    decide(flag, DISQUALIFY, staff, now=after(flag), reason="The video shows a dog.")
    standings = final_standings(flag.competition_id)
    assert standings is not None
    assert (standings.number, standings.frozen_by, standings.reason) == (2, staff, "The video shows a dog.")
    assert standings.disqualified == {flag.user_id: "The video shows a dog."}
    appeal(flag, now=after(flag))
    decide(flag, ACCEPT, staff, now=after(flag))
    assert scores(flag) == [HONEST + TOO_FAST]
    assert problems(flag) == []


def test_who_was_disqualified_by_a_correction_already_is_not_corrected_again(
    final: Callable[..., Flag], staff: User
) -> None:
    flag = final(mode="count")
    correct_standings(
        competition_id=flag.competition_id, by=staff, reason="A dog.", disqualify=[flag.user_id], now=after(flag)
    )
    decide(flag, DISQUALIFY, staff, now=after(flag))
    standings = final_standings(flag.competition_id)
    assert standings is not None
    assert standings.number == 2


def test_who_was_disqualified_and_left_is_not_in_final_standings(flagged: Flagged, staff: User, person: User) -> None:
    flag = flagged(ends=0, grace_hours=1)
    decide(flag, DISQUALIFY, staff)
    leave_competition(competition=flag.competition, user_id=person.id, now=datetime.now(UTC))
    move_statuses(now=after(flag))
    assert problems(flag) == []


def test_holds_are_what_was_known_then(flagged: Flagged, staff: User, person: User, now: datetime) -> None:
    flag = flagged()
    pair = flag.competition_id, person.id
    decide(flag, EXCLUDE, staff, now=now + timedelta(minutes=1))
    appeal(flag, now=now + timedelta(minutes=2))
    decide(flag, ACCEPT, staff, now=now + timedelta(minutes=3))
    known = [holds_among([pair], now + timedelta(minutes=place)).get(pair, ()) for place in (0, 1, 2, 3, 4)]
    assert [[hold.decided for hold in holds] for holds in known] == [[], [False], [True], [True], []]
    assert holds_among([pair]) == {}
    [held], [excluded] = known[1], known[2]
    assert (held.reason, excluded.reason) == (flag.evidence.get().text, "I asked.")


def test_who_is_erased_leaves_no_evidence_and_no_appeal(flagged: Flagged, staff: User, person: User) -> None:
    flag = flagged(owner=staff)
    appeal(flag, text="My heart was racing.")
    erase_person(user_id=person.id, now=datetime.now(UTC))
    flag.refresh_from_db()
    assert (flag.appeal, flag.evidence.count(), flag.events.count()) == ("", 0, 2)
    assert decide(flag, ACCEPT, staff).state == "accepted"


# --- At once ---


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_is_heard_and_the_other_told(
    flagged: Flagged, staff: User, make_person: Any
) -> None:
    flag = flagged()
    judges = [staff, make_person("Judge", is_superuser=True)]
    refused: list[str] = []

    def judge(decision: Decision, by: User) -> None:
        try:
            decide(flag, decision, by)
        except Conflict as conflict:
            refused.append(conflict.message)

    run_together([partial(judge, ACCEPT, judges[0]), partial(judge, EXCLUDE, judges[1])])
    flag.refresh_from_db()
    [event] = FlagEvent.objects.filter(kind="decided")
    assert refused == [f"Somebody has decided about this flag: {flag.state}."]
    assert event.by == flag.decided_by
    assert score(flag) == HONEST + (TOO_FAST if flag.state == "accepted" else 0)


@pytest.mark.django_db(transaction=True)
def test_an_appeal_a_decision_and_syncs_at_once_all_stand(
    flagged: Flagged, staff: User, person: User, yesterday: datetime
) -> None:
    flag = flagged()

    def walk(minutes: int) -> None:
        sync(person, measured(yesterday + timedelta(minutes=minutes), 100, 60), now=datetime.now(UTC))

    walks = [partial(walk, 120 + minutes) for minutes in range(4)]
    run_together([partial(appeal, flag), partial(decide, flag, EXCLUDE, staff), *walks])
    flag.refresh_from_db()
    kinds = [event.kind for event in flag.events.all()]
    assert kinds in (["opened", "appealed", "decided"], ["opened", "decided", "appealed"])
    assert flag.appeal_waits == (kinds[-1] == "appealed")
    assert score(flag) == HONEST + 400


def test_a_flag_on_a_day_total_holds_all_of_its_metrics(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    competition = make_competition(metric="distance", stored_policy={"checks": {"daily_maximum": "hold"}})
    join(competition, person)
    whole = Reading(person.id, Source.FITBIT, yesterday.date(), Totals(steps=120_000, distance_mm=5_000_000))
    sync(person, whole, now=now)
    assert score(Flag.objects.get()) == 0
