"""What if: what is shown before anything is saved is what saving then gives, and nothing else is saved."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from random import Random
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from competitions.models import Competition, RulesVersion
from competitions.services.enrolment import enrol_people, leave_competition
from competitions.services.lifecycle import cancel_competition, move_statuses
from config.core.errors import Refusal
from config.core.sql import one_moment
from config.panel.what_if.changes import Change, Judgement, NewRules, Points, Saving
from config.panel.what_if.comparison import Effect, Side, work_out
from config.panel.what_if.saving import save_change
from fitness.rules import Reading, Source
from leaderboards.models import Correction, FinalStandings, Standing
from leaderboards.queries import final_standings, placings_now
from leaderboards.scoring import Totals
from leaderboards.services import report_totals
from leaderboards.settling import add_correction, judge_participant
from prizes.actors import Actor
from prizes.calculation import PoolBelowPlan, calculate
from prizes.plans import DEFAULT
from prizes.services.plans import change_plan
from tests.conftest import MakeCompetition, MakePerson, open_panel
from tests.fitness.walking import measured, sync
from tests.panel.desk import hidden_fields, messages_of, text_of

pytestmark = pytest.mark.django_db
MakeStaff = Callable[..., User]
REASON = "The minutes of Monday say so."


@pytest.fixture
def organiser(make_staff: MakeStaff) -> User:
    return make_staff("organiser", name="Orla")


@pytest.fixture
def walkers(make_person: MakePerson) -> list[User]:
    return [make_person(name) for name in ("Ada", "Ben", "Cyd", "Dot")]


@pytest.fixture
def make_walked(make_competition: MakeCompetition, organiser: User, walkers: list[User], now: datetime) -> Any:
    """Orla's, for 100.00 USD at 60, 30 and 10 per cent; Ada walked 4,000 steps on each of two days, Ben 3,000, Cyd
    2,000 and Dot 1,000; over: its standings are frozen."""

    def make(*, over: bool = False, **fields: Any) -> Competition:
        made_at = now - timedelta(days=9)
        span = {"starts": -6, "ends": -4, "grace_hours": 0} if over else {"starts": -6, "ends": 3}
        made: Competition = make_competition(
            **{"owner": organiser, "created_at": made_at, "prize_pool_minor": 10_000, **span, **fields}
        )
        enrol_people(competition=made, user_ids=[walker.id for walker in walkers], now=made_at)
        for ago in range(2):
            day = made.starts_on + timedelta(days=ago)
            for place, walker in enumerate(walkers):
                steps = Totals(steps=1_000 * (4 - place))
                sync(walker, Reading(walker.id, Source.GARMIN, day, steps), now=made.start_at + timedelta(hours=place))
        move_statuses(now=now)
        return Competition.objects.get(pk=made.pk)

    return make


def page_of(competition: Competition) -> str:
    return f"/admin/what-if/{competition.pk}/"


def asks(desk: Client, competition: Competition, **asked: Any) -> Any:
    return desk.get(page_of(competition), {name: str(value) for name, value in asked.items()})


def saves(desk: Client, competition: Competition, asked: Any, reason: str = REASON, **other: str) -> Any:
    """Sends the form of the page that was asked for."""
    return desk.post(page_of(competition), {**hidden_fields(asked), "reason": reason, **other}, follow=True)


def board_of(competition: Competition) -> list[tuple[str, int]]:
    names = dict(User.objects.values_list("id", "name"))
    return [(names[placing.user_id], placing.score) for _, placing in placings_now(competition)]


# --- Each kind of change, from the question to the record ---


@pytest.mark.slow
def test_a_disqualification_is_shown_with_its_prizes_and_saved_as_shown(
    organiser: User, make_walked: Any, walkers: list[User]
) -> None:
    walked, desk = make_walked(), open_panel(organiser)
    found = asks(desk, walked, change="disqualify", q="cy")
    assert "Cyd" in text_of(found)
    assert "Dot" not in text_of(found)
    asked = asks(desk, walked, change="disqualify", person=walkers[1].id)
    said = text_of(asked)
    assert "Ben leaves the board, from rank 2. Of the others, 2 move up. 3 prizes change." in said
    assert "Ben 2 6,000 30.00 USD – – – × leaves the board" in said
    assert "Cyd 3 4,000 10.00 USD 2 4,000 30.00 USD ▲ moves up 1, from 3 to 2" in said
    assert "All of them 100.00 USD 100.00 USD the same" in said
    assert board_of(walked)[1] == ("Ben", 6_000)
    without = desk.post(page_of(walked), {**hidden_fields(asked), "reason": " "})
    assert "Nothing was saved." in text_of(without)
    assert board_of(walked)[1] == ("Ben", 6_000)
    assert "Done: disqualify Ben." in messages_of(saves(desk, walked, asked))
    assert board_of(walked) == [("Ada", 8_000), ("Cyd", 4_000), ("Dot", 2_000)]
    assert "it was done already" in messages_of(saves(desk, walked, asked))
    assert Standing.objects.get(user=walkers[1]).disqualified_reason == REASON
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgh_context ->> 'reason', pgh_context ->> 'user' FROM leaderboards_standingaudit")
        assert (REASON, str(organiser.id)) in cursor.fetchall()
    back = asks(desk, walked, change="reinstate", person=walkers[1].id)
    assert "Ben comes back to the board, at rank 2 with 6,000 points." in text_of(back)
    saves(desk, walked, back)
    assert board_of(walked)[1] == ("Ben", 6_000)


@pytest.mark.slow
def test_points_are_given_once_however_often_the_form_is_sent(
    organiser: User, make_walked: Any, walkers: list[User]
) -> None:
    walked, desk = make_walked(), open_panel(organiser)
    assert "Give or take some points." in text_of(asks(desk, walked, change="points", person=walkers[3].id, points=0))
    asked = asks(desk, walked, change="points", person=walkers[3].id, points=2_500)
    said = text_of(asked)
    assert "Give Dot 2,500 points: what happens" in said
    assert "Dot moves up 1, from 4 to 3, with 4,500 points instead of 2,000." in said
    for _ in range(2):
        saves(desk, walked, asked)
    assert Correction.objects.get().points == 2_500
    assert board_of(walked)[2] == ("Dot", 4_500)
    penalty = asks(desk, walked, change="points", person=walkers[0].id, points=-8_500)
    assert "Ada moves down 3, from 1 to 4, with 0 points instead of 8,000." in text_of(penalty)
    assert "Take 8,500 points from Ada" in text_of(penalty)


@pytest.mark.slow
def test_a_new_cap_moves_whom_it_moves_and_becomes_a_version_of_the_rules(
    organiser: User, make_walked: Any, walkers: list[User]
) -> None:
    walked, desk = make_walked(), open_panel(organiser)
    form = text_of(asks(desk, walked, change="rules"))
    assert "Daily cap, steps" in form
    assert "Save it" not in form
    asked = asks(desk, walked, change="rules", asked=1, steps=2_500, manual_entries="on")
    said = text_of(asked)
    assert "Daily cap, steps: none named now, 2,500 then." in said
    assert "Scores that change 2" in said
    assert re.search("Ada 1 8,000 60.00 USD [12] 5,000 [36]0.00 USD", said), "Ada and Ben are equals then"
    assert RulesVersion.objects.filter(competition=walked).count() == 1
    assert "Done: change the rules." in messages_of(saves(desk, walked, asked))
    assert [score for _, score in board_of(walked)] == [5_000, 5_000, 4_000, 2_000]
    newest = RulesVersion.objects.get(competition=walked, number=2)
    assert (newest.made_by, newest.reason) == (organiser, REASON)
    assert "it was done already" in messages_of(saves(desk, walked, asked))


@pytest.mark.slow
def test_final_standings_are_corrected_by_another_document(
    organiser: User, make_walked: Any, walkers: list[User]
) -> None:
    over, desk = make_walked(over=True), open_panel(organiser)
    asked = asks(desk, over, change="disqualify", person=walkers[0].id)
    assert "frozen anew, as number 2, with your name" in text_of(asked)
    saves(desk, over, asked)
    corrected = final_standings(over.id)
    assert corrected is not None
    assert (corrected.number, corrected.frozen_by, corrected.reason) == (2, organiser, REASON)
    assert (corrected.rows[0].user_id, corrected.rows[0].score) == (walkers[1].id, 6_000)
    saves(desk, over, asked)
    assert FinalStandings.objects.filter(competition=over).count() == 2
    bonus = asks(desk, over, change="points", person=walkers[3].id, points=9_000)
    saves(desk, over, bonus)
    back = asks(desk, over, change="reinstate", person=walkers[0].id)
    assert "Ada comes back to the board, at rank 2" in text_of(back)
    saves(desk, over, back)
    assert FinalStandings.objects.filter(competition=over).count() == 4
    call_command("verify_standings", str(over.pk))
    rules = asks(desk, over, change="rules", asked=1, steps=10)
    assert "The competition is over, so its rules stay as they are." in text_of(rules)


# --- What it refuses ---


@pytest.mark.slow
def test_what_was_shown_is_saved_or_nothing(
    organiser: User, staff: User, make_walked: Any, walkers: list[User], now: datetime
) -> None:
    walked, desk = make_walked(), open_panel(organiser)
    shown = {
        "rules": asks(desk, walked, change="rules", asked=1, steps=500),
        "dot": asks(desk, walked, change="disqualify", person=walkers[3].id),
        "cyd": asks(desk, walked, change="points", person=walkers[2].id, points=5),
        "ben": asks(desk, walked, change="points", person=walkers[1].id, points=5),
    }
    day = walked.starts_on + timedelta(days=2)
    sync(walkers[1], Reading(walkers[1].id, Source.GARMIN, day, Totals(steps=70)), now=now)
    saves(desk, walked, shown["ben"])  # the scores went on, and that is no reason to refuse it
    assert Standing.objects.get(user=walkers[1]).score == 6_075
    add_correction(competition_id=walked.id, user_id=walkers[2].id, points=1, reason="So.", by=staff, now=now)
    assert "Something else was decided about this person" in text_of(saves(desk, walked, shown["cyd"]))
    saves(desk, walked, asks(desk, walked, change="rules", asked=1, steps=900))
    assert "The rules have another version since you looked" in text_of(saves(desk, walked, shown["rules"]))
    leave_competition(competition=walked, user_id=walkers[3].id, now=timezone.now())
    assert "Nothing was saved." in text_of(saves(desk, walked, shown["dot"]))
    gone = asks(desk, walked, change="disqualify", person=walkers[3].id)
    assert "Dot does not take part any more." in text_of(gone)
    ada = asks(desk, walked, change="disqualify", person=walkers[0].id)
    cancel_competition(competition_id=walked.id, by=staff, now=timezone.now())
    refused = text_of(saves(desk, walked, ada))
    assert "The competition is not where it was in its life" in refused
    assert "It was cancelled, so nothing is decided in it any more." in refused
    assert not Standing.objects.exclude(disqualified_reason="").exists()


@pytest.mark.slow
def test_who_may_look_and_who_may_save(
    organiser: User, make_staff: MakeStaff, make_walked: Any, walkers: list[User], now: datetime
) -> None:
    walked = make_walked()
    for role in ("support", "reviewer"):
        assert asks(open_panel(make_staff(role)), walked, change="rules").status_code == 403
    assert asks(open_panel(make_staff("organiser", name="Else")), walked).status_code == 404
    treasurer = open_panel(make_staff("treasurer"))
    looked = asks(treasurer, walked, change="disqualify", person=walkers[0].id)
    assert "60.00 USD" in text_of(looked)
    assert "You may look. Saving is for the organiser and for staff who correct standings." in text_of(looked)
    allowed = hidden_fields(asks(open_panel(organiser), walked, change="disqualify", person=walkers[0].id))
    refused = treasurer.post(page_of(walked), {**allowed, "reason": REASON})
    assert "You may look." in text_of(refused)
    enrol_people(competition=walked, user_ids=[organiser.id], now=now)
    partial = open_panel(organiser)
    asked = asks(partial, walked, change="disqualify", person=walkers[0].id)
    assert "ask a colleague to decide" in text_of(asked)
    assert "ask a colleague" in text_of(partial.post(page_of(walked), {**allowed, "reason": REASON}))
    himself = asks(partial, walked, change="points", person=organiser.id, points=5)
    assert "Nobody decides about their own score; ask a colleague." in text_of(himself)
    assert board_of(walked)[0] == ("Ada", 8_000)


@pytest.mark.parametrize("phase", ["draft", "upcoming", "cancelled"])
def test_without_standings_there_is_nothing_to_suppose(
    organiser: User, make_competition: MakeCompetition, now: datetime, phase: str
) -> None:
    made = make_competition(owner=organiser, starts=2, ends=5, published=phase != "draft")
    if phase == "cancelled":
        cancel_competition(competition_id=made.id, by=organiser, now=now)
    said = text_of(asks(open_panel(organiser), made, change="rules", asked=1, steps=1))
    assert {"draft": "This is a draft", "upcoming": "has not started", "cancelled": "was cancelled"}[phase] in said
    assert "Save it" not in said


def test_nobody_judges_themselves_whoever_asks(staff: User, make_walked: Any, walkers: list[User]) -> None:
    walked = make_walked()
    enrol_people(competition=walked, user_ids=[staff.id], now=timezone.now())
    with pytest.raises(Refusal, match="Nobody judges themselves"):
        judge_participant(
            competition_id=walked.id, user_id=staff.id, disqualify=True, reason="Me.", by=staff, now=timezone.now()
        )


@pytest.mark.slow
def test_a_page_of_many_shows_whom_it_concerns_with_as_many_statements(
    staff: User, make_competition: MakeCompetition, make_person: MakePerson, now: datetime
) -> None:
    def asked_of(people: int) -> tuple[int, str]:
        made, start = make_competition(prize_pool_minor=100), now - timedelta(days=1)
        walkers = [make_person(f"Walker {number}") for number in range(people)]
        enrol_people(competition=made, user_ids=[walker.id for walker in walkers], now=start)
        for number, walker in enumerate(walkers):
            report_totals(competition=made, user_id=walker.id, reported={"steps": number + 1}, now=now)
        desk, subject = open_panel(staff), walkers[people // 2]
        with CaptureQueriesContext(connection) as queries:
            answer = asks(desk, made, change="disqualify", person=subject.id)
        return len(queries), text_of(answer)

    few, _ = asked_of(8)
    many, said = asked_of(80)
    assert few == many
    assert said.count("moves up 1") < 20  # of the forty who do: the neighbour, and gaps that say how many
    assert "Walker 39 41 40 40 40 ▲ moves up 1, from 41 to 40" in said


# --- For random histories: what is shown is what saving gives ---


class World:
    """A competition with a random past, and random changes to it."""

    def __init__(self, chance: Random, make_competition: MakeCompetition, make_person: MakePerson) -> None:
        self.chance, self.now = chance, datetime.now(UTC)
        self.over = chance.random() < 0.4
        self.people = [make_person(f"Walker {number}") for number in range(chance.randint(2, 7))]
        self.made_at = self.now - timedelta(days=12)
        self.competition = make_competition(
            starts=-7,
            ends=-3 if self.over else 2,
            grace_hours=24,
            created_at=self.made_at,
            prize_pool_minor=chance.choice([0, 0, 1, 777, 10_000]),
            tie_rule=chance.choice(["shared", "first_to_reach"]),
            score_source=chance.choice(["synced", "synced", "either", "reported"]),
            metric=chance.choice(["steps", "steps", "distance", "weighted"]),
            weights={"steps": "0.7", "distance": "0.001"},
            stored_policy=self.policy() if chance.random() < 0.5 else {},
        )

    def policy(self) -> dict[str, Any]:
        chance = self.chance
        stored: dict[str, Any] = {}
        if chance.random() < 0.7:
            stored["daily_cap"] = {chance.choice(["steps", "distance_mm"]): chance.randint(1, 4) * 1000}
        if chance.random() < 0.4:
            stored["manual_entries"] = False
        if chance.random() < 0.4:
            stored["since_joining"] = True
        if chance.random() < 0.3:
            stored["allowed_sources"] = chance.sample(["apple_health", "garmin", "manual"], 2)
        return stored

    def plan(self, by: User) -> None:
        """Of amounts, for some of those that can pay them."""
        if self.competition.prize_pool_minor < 700 or self.chance.random() < 0.5:
            return
        places = [{"first": 1, "last": 1, "amount_minor": 500}, {"first": 2, "last": 3, "amount_minor": 100}]
        document = {**DEFAULT, "leftover": self.chance.choice(["redistribute", "return"]), "places": places}
        change_plan(competition_id=self.competition.id, document=document, actor=Actor(by), now=self.made_at)

    def live(self, staff: User) -> None:
        """Joining, walking, reporting, being corrected, leaving; in the order of time."""
        chance, competition = self.chance, self.competition
        for person in self.people:
            joined_at = competition.start_at + timedelta(hours=chance.choice([-24, -24, 0, 30]))
            enrol_people(competition=competition, user_ids=[person.id], now=joined_at)
        for hours in sorted(chance.choices(range(31, 96), k=chance.randint(4, 18))):
            self.walk(competition.start_at + timedelta(hours=hours))
        for _ in range(chance.randint(0, 3)):
            self.judge(staff)
        if not self.over and chance.random() < 0.3:
            leave_competition(competition=competition, user_id=chance.choice(self.people).id, now=self.now)
        if self.over:
            move_statuses(now=self.now)
        self.competition = Competition.objects.get(pk=competition.pk)

    def walk(self, at: datetime) -> None:
        """Few amounts and moments, so that equals are common."""
        chance, person = self.chance, self.chance.choice(self.people)
        amount = chance.randint(1, 6) * 1000
        day = (at - timedelta(days=chance.randint(0, 2))).date()
        kind = chance.random()
        if kind < 0.6:
            source = chance.choice([Source.GARMIN, Source.MANUAL])
            totals = Totals(steps=amount, distance_mm=amount * chance.randint(1, 3))
            sync(person, Reading(person.id, source, day, totals), now=at)
        elif kind < 0.8:
            morning = datetime.combine(day, time(8), UTC)
            sync(person, measured(morning, min(amount, 2000), 3600), now=max(at, morning + timedelta(hours=2)))
        elif self.competition.score_source != "synced":
            report_totals(competition=self.competition, user_id=person.id, reported={"steps": amount}, now=at)

    def judge(self, staff: User) -> None:
        at, person = self.competition.start_at + timedelta(hours=97), self.chance.choice(self.people)
        known: dict[str, Any] = {
            "competition_id": self.competition.id,
            "user_id": person.id,
            "reason": "So.",
            "by": staff,
            "now": at,
        }
        off = Standing.objects.filter(competition=self.competition, user=person).exclude(disqualified_reason="")
        if self.chance.random() < 0.5 or off.exists():
            judge_participant(disqualify=self.chance.random() < 0.7, **known)
        else:
            add_correction(points=self.chance.choice([-9000, -1000, 1000, 2000]), **known)

    def change(self) -> Change:
        person, draw = self.chance.choice(self.people), self.chance.random()
        if draw < 0.25:
            return Judgement(person, disqualify=True)
        if draw < 0.4:
            return Judgement(person, disqualify=False)
        if draw < 0.65:
            return Points(person, self.chance.choice([-20_000, -1000, 1000, 3000]))
        return NewRules(self.policy())


def standing_now(competition: Competition) -> list[tuple[UUID, int, int]]:
    """As a reader of the board, or of the final standings, has them."""
    if final := final_standings(competition.id):
        return [(row.user_id, row.rank, row.score) for row in final.rows]
    return [(placing.user_id, rank, placing.score) for rank, placing in placings_now(competition)]


def prizes_now(competition: Competition) -> tuple[dict[UUID, int], int] | str:
    try:
        found = calculate(competition)
    except PoolBelowPlan as refusal:
        return refusal.message
    return {award.user_id: award.amount_minor for award in found.awards}, found.allocation.kept_minor


def shown(side: Side) -> tuple[Any, Any]:
    standings = [(finisher.user_id, finisher.rank, finisher.score) for finisher in side.finishers]
    return standings, side.refusal or (side.prizes_minor, side.kept_minor)


def refuse_false_lines(effect: Effect, before: Any, after: Any) -> None:
    """What the rows say of each person is what the two boards say."""
    old = {user_id: (rank, score) for user_id, rank, score in before}
    new = {user_id: (rank, score) for user_id, rank, score in after}
    assert {line.user_id for line in effect.lines} == old.keys() | new.keys()
    for line in effect.lines:
        assert (line.before and (line.before.rank, line.before.score)) == old.get(line.user_id)
        assert (line.after and (line.after.rank, line.after.score)) == new.get(line.user_id)
    stayed = old.keys() & new.keys()
    assert effect.scores_changed == sum(old[one][1] != new[one][1] for one in stayed)


@pytest.mark.slow
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_what_is_shown_is_what_saving_gives(
    chance: Random, staff: User, make_competition: MakeCompetition, make_person: MakePerson
) -> None:
    world = World(chance, make_competition, make_person)
    world.plan(staff)
    world.live(staff)
    for _ in range(3):
        competition = Competition.objects.get(pk=world.competition.pk)
        change = world.change()
        if change.hindrance(competition, staff):
            continue
        moment = timezone.now()
        effect = work_out(competition.id, change, moment)
        before = standing_now(competition)
        assert shown(effect.before) == (before, prizes_now(competition))
        saving = Saving(uuid4(), staff, REASON, timezone.now())
        assert save_change(competition_id=competition.id, change=change, seen=effect.basis, saving=saving)
        saved = Competition.objects.get(pk=competition.pk)
        after = standing_now(saved)
        assert shown(effect.after) == (after, prizes_now(saved))
        refuse_false_lines(effect, before, after)
        assert not save_change(competition_id=competition.id, change=change, seen=effect.basis, saving=saving)
        assert standing_now(saved) == after


@pytest.mark.django_db(transaction=True)
def test_what_is_read_together_is_of_one_moment_and_nobody_waits_for_it(
    make_competition: MakeCompetition, make_person: MakePerson
) -> None:
    """Another connection writes while this one reads."""
    made = make_competition()

    def rename() -> None:
        Competition.objects.filter(pk=made.pk).update(name="Renamed")
        connection.close()

    with one_moment():
        assert Competition.objects.get(pk=made.pk).name == "Lake walk"
        writer = Thread(target=rename)
        writer.start()
        writer.join(timeout=10)
        assert not writer.is_alive()
        assert Competition.objects.get(pk=made.pk).name == "Lake walk"
    assert Competition.objects.get(pk=made.pk).name == "Renamed"
