"""GET and POST /api/v1/leaderboard/{id}/corrections: bonuses and penalties by staff."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import leave_competition
from competitions.services.lifecycle import cancel_competition, move_statuses
from config.core.errors import Refusal
from leaderboards.models import Correction, FinalStandings, Standing
from leaderboards.queries import board_page, corrections_of, final_standings
from leaderboards.scoring import MAX_SCORE
from leaderboards.services import report_totals
from leaderboards.settling import OtherCorrection, add_correction, correct_standings, settle_competition
from leaderboards.verification import check_board
from tests.conftest import open_panel
from tests.leaderboards.conftest import MakeOver
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


def url(competition: Competition, query: str = "") -> str:
    return f"/api/v1/leaderboard/{competition.id}/corrections{query}"


def bonus(person: User, points: int = 100, **more: Any) -> dict[str, Any]:
    return {"user_id": str(person.id), "points": points, "reason": "Carried the banner.", **more}


def standing_of(competition: Competition, person: User) -> Standing:
    return Standing.objects.get(competition=competition, user=person)


def sum_of(competition: Competition, person: User) -> int:
    return corrections_of(competition.id, person.id).aggregate(sum=Sum("points"))["sum"] or 0


def report(competition: Competition, person: User, steps: int, at: datetime | None = None) -> None:
    at = at or datetime.now(UTC)
    report_totals(competition=competition, user_id=person.id, reported={"steps": steps}, now=at)


@pytest.fixture
def running(make_competition: Any, person: User, other: User, join: Any) -> Competition:
    """Of Ada, who is on the board with Ben."""
    competition: Competition = make_competition(score_source="reported")
    join(competition, person, other)
    report(competition, person, 500)
    report(competition, other, 450)
    return competition


@pytest.fixture
def desk(staff: User, signed_in: SignIn) -> APIClient:
    return signed_in(staff)


def test_a_bonus_moves_the_board_and_its_copy_at_once(
    desk: APIClient, running: Competition, other: User, staff: User, django_capture_on_commit_callbacks: Any
) -> None:
    board_page(running, offset=0, limit=9)
    before = standing_of(running, other)
    with django_capture_on_commit_callbacks(execute=True):
        answer = desk.post(url(running), bonus(other))
    assert answer.status_code == 201, answer.content
    correction = Correction.objects.get()
    assert answer.json()["data"] == {
        "id": str(correction.id),
        "user_id": str(other.id),
        "points": 100,
        "reason": "Carried the banner.",
        "made_by": str(staff.id),
        "made_at": correction.made_at.isoformat().replace("+00:00", "Z"),
    }
    after = standing_of(running, other)
    assert (after.score, after.adjustment_points, after.reached_at) == (550, 100, before.reached_at)
    assert after.version > before.version
    entries = board_page(running, offset=0, limit=9).entries
    assert [(entry["user_name"], entry["score"], entry["rank"]) for entry in entries] == [
        ("Ben", 550, 1),
        ("Ada", 500, 2),
    ]
    assert check_board(running).difference == ""


def test_corrections_add_up_beside_what_the_person_does(desk: APIClient, running: Competition, other: User) -> None:
    for points in (100, -30):
        assert desk.post(url(running), bonus(other, points)).status_code == 201
    report(running, other, 1000)
    assert standing_of(running, other).score == 1070


def test_a_penalty_never_makes_a_score_negative_and_is_not_forgotten(
    desk: APIClient, running: Competition, other: User
) -> None:
    assert desk.post(url(running), bonus(other, -1000)).status_code == 201
    assert standing_of(running, other).score == 0
    report(running, other, 1500)
    assert standing_of(running, other).score == 500


def test_nobody_corrects_their_own_score(desk: APIClient, running: Competition, staff: User, join: Any) -> None:
    join(running, staff)
    assert desk.post(url(running), bonus(staff), format="json").status_code == 403
    assert not Correction.objects.exists()


def test_the_same_id_again_changes_nothing(desk: APIClient, running: Competition, other: User) -> None:
    asked = bonus(other, id=str(uuid4()))
    answers = [desk.post(url(running), asked) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert answers[0].json()["data"]["id"] == asked["id"]
    assert standing_of(running, other).score == 550


@pytest.mark.parametrize("difference", [{"points": 99}, {"reason": "Another."}])
def test_another_correction_under_a_known_id_is_a_conflict(
    desk: APIClient, running: Competition, other: User, difference: dict[str, Any]
) -> None:
    asked = bonus(other, id=str(uuid4()))
    desk.post(url(running), asked)
    assert desk.post(url(running), asked | difference).status_code == 409
    assert standing_of(running, other).score == 550


def test_in_the_grace_the_standings_are_provisional_and_none_are_frozen(
    make_over: MakeOver, desk: APIClient, other: User
) -> None:
    ended = make_over({other: 900}, grace_hours=240)
    assert desk.post(url(ended), bonus(other)).status_code == 201
    assert standing_of(ended, other).score == 1000
    assert final_standings(ended.id) is None
    final = settle_competition(competition_id=ended.id, now=ended.closes_at)
    assert [(row.score, row.adjustment_points) for row in final.rows] == [(1000, 100)]


def test_after_the_freeze_a_correction_is_a_further_document(
    make_over: MakeOver, desk: APIClient, person: User, other: User, staff: User
) -> None:
    over = make_over({person: 950, other: 900}, grace_hours=0)
    first = settle_competition(competition_id=over.id, now=over.closes_at)
    asked = bonus(other, id=str(uuid4()))
    assert [desk.post(url(over), asked).status_code for _ in range(2)] == [201, 200]
    second = final_standings(over.id)
    assert second is not None
    assert (second.number, second.previous_digest) == (2, first.digest)
    assert (second.frozen_by, second.reason) == (staff, "Carried the banner.")
    assert [(row.user_id, row.score) for row in second.rows] == [(other.id, 1000), (person.id, 950)]


def test_whoever_corrects_what_should_be_frozen_freezes_it_first(
    make_over: MakeOver, desk: APIClient, other: User
) -> None:
    over = make_over({other: 900}, grace_hours=0)
    assert desk.post(url(over), bonus(other)).status_code == 201
    documents = [json.loads(final.document) for final in FinalStandings.objects.order_by("number")]
    assert [document["standings"][0]["score"] for document in documents] == [900, 1000]


def test_an_absolute_adjustment_is_kept_as_the_difference(make_over: MakeOver, other: User, staff: User) -> None:
    over = make_over({other: 900})
    correct = partial(correct_standings, competition_id=over.id, by=staff, reason="why")
    for days, points in enumerate((100, 30, 30, 0, MAX_SCORE, -MAX_SCORE)):
        correct(adjust={other.id: points}, now=over.closes_at + timedelta(days=days))
        assert sum_of(over, other) == standing_of(over, other).adjustment_points == points
    assert list(corrections_of(over.id, other.id).values_list("points", flat=True)) == [
        *(100, -70, -30, MAX_SCORE, -2 * MAX_SCORE)
    ]


_moves = st.one_of(
    st.tuples(st.just("correct"), st.integers(0, 1), st.integers(-300, 300)),
    st.tuples(st.just("adjust"), st.integers(0, 1), st.integers(-300, 300)),
    st.tuples(st.just("report"), st.integers(0, 1), st.integers(0, 300)),
    st.tuples(st.just("disqualify"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("reinstate"), st.integers(0, 1), st.just(0)),
)


@pytest.mark.slow
@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(running=st.lists(_moves, max_size=6), frozen=st.lists(_moves, max_size=6))
def test_whatever_happens_the_corrections_of_a_person_are_their_adjustment(
    make_over: MakeOver, make_person: Any, staff: User, running: list[Any], frozen: list[Any]
) -> None:
    """Refused moves included, such as correcting somebody who is disqualified."""
    people = [make_person(f"P{number}") for number in range(2)]
    walk = make_over(dict.fromkeys(people, 200))
    for moment, moves in ((walk.closes_at - timedelta(seconds=1), running), (walk.closes_at, frozen)):
        move_statuses(now=moment)
        for move, who, points in moves:
            _make(move, walk, people[who], points, staff, moment)
            for person in people:
                standing = standing_of(walk, person)
                assert sum_of(walk, person) == standing.adjustment_points
                assert standing.score == max(0, standing.steps + standing.adjustment_points)
    final = settle_competition(competition_id=walk.id, now=walk.closes_at)
    assert {row.user_id: row.adjustment_points for row in final.rows} == {
        standing.user_id: standing.adjustment_points
        for standing in Standing.objects.filter(competition=walk, on_board=True)
    }


def _make(move: str, walk: Competition, person: User, points: int, by: User, now: datetime) -> None:
    freely = partial(correct_standings, competition_id=walk.id, by=by, reason="why", now=now)
    moves: dict[str, Callable[[], Any]] = {
        "correct": lambda: add_correction(
            competition_id=walk.id, user_id=person.id, points=points, reason="why", by=by, now=now
        ),
        "adjust": lambda: freely(adjust={person.id: points}),
        "report": lambda: report(walk, person, points, now),
        "disqualify": lambda: freely(disqualify=[person.id]),
        "reinstate": lambda: freely(reinstate=[person.id]),
    }
    with suppress(Refusal):
        moves[move]()


@pytest.mark.django_db(transaction=True)
def test_one_id_at_once_in_two_competitions_is_one_correction(
    running: Competition, make_competition: Any, join: Any, other: User, staff: User
) -> None:
    another = make_competition()
    join(another, other)
    correction_id, refused = uuid4(), []

    def correct(competition: Competition) -> None:
        try:
            add_correction(
                competition_id=competition.id,
                user_id=other.id,
                points=5,
                reason="why",
                by=staff,
                correction_id=correction_id,
                now=datetime.now(UTC),
            )
        except OtherCorrection:
            refused.append(competition)

    run_together([partial(correct, running), partial(correct, another)])
    [competition] = refused
    assert Correction.objects.get().competition != competition
    assert standing_of(competition, other).adjustment_points == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_corrections_and_reports_at_once_are_all_counted(running: Competition, other: User, staff: User) -> None:
    def correct(points: int, correction_id: UUID) -> None:
        add_correction(
            competition_id=running.id,
            user_id=other.id,
            points=points,
            reason="why",
            by=staff,
            correction_id=correction_id,
            now=datetime.now(UTC),
        )

    ids = [uuid4() for _ in range(6)]
    twice = [partial(correct, 10**place, ids[place]) for place in range(6)] * 2
    reports = [partial(report, running, other, 1000 + number) for number in range(4)]
    run_together([*twice, *reports])
    report(running, other, 2_000_000)
    assert Correction.objects.count() == 6
    assert standing_of(running, other).score == 2_111_111


def test_only_staff_with_the_permission_correct_and_the_owner_may_not(
    running: Competition, person: User, other: User, make_person: Any, signed_in: SignIn, anonymous: APIClient
) -> None:
    clerk = make_person("Clerk", is_staff=True)
    for nobody in (person, other, clerk):
        assert signed_in(nobody).post(url(running), bonus(person)).status_code == 403
    assert anonymous.post(url(running), bonus(person)).status_code == 401
    assert not Correction.objects.exists()
    clerk.user_permissions.add(Permission.objects.get(codename="add_correction"))
    assert signed_in(clerk).post(url(running), bonus(person)).status_code == 201


@pytest.mark.slow
def test_a_participant_sees_their_own_and_the_owner_and_staff_see_all(
    running: Competition, desk: APIClient, person: User, other: User, make_person: Any, signed_in: SignIn
) -> None:
    owner, walker, stranger = signed_in(person), signed_in(other), signed_in(make_person("Cyd"))
    for someone, points in ((person, 1), (other, 2), (other, 3)):
        desk.post(url(running), bonus(someone, points))

    def seen(client: APIClient, query: str = "") -> list[int]:
        return [row["points"] for row in client.get(url(running, query)).json()["data"]]

    assert seen(walker) == seen(walker, "?user_id=me") == seen(walker, f"?user_id={other.id}") == [2, 3]
    assert seen(owner) == seen(desk) == [1, 2, 3]
    assert seen(owner, f"?user_id={other.id}") == [2, 3]
    assert seen(owner, "?user_id=me") == [1]
    assert seen(stranger) == []
    assert walker.get(url(running, f"?user_id={person.id}")).status_code == 403
    assert owner.get(url(running, "?user_id=x")).status_code == 404
    assert owner.get(url(running, "?user_id=%00")).status_code == 400


def test_they_come_in_pages(running: Competition, desk: APIClient, other: User) -> None:
    for points in range(1, 4):
        desk.post(url(running), bonus(other, points))
    page = desk.get(url(running, "?limit=2&offset=1")).json()
    assert [row["points"] for row in page["data"]] == [2, 3]
    assert (page["pagination"]["total"], page["pagination"]["next"]) == (3, None)


def test_what_is_hidden_is_hidden_here_too(
    make_competition: Any, other: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    private = make_competition(visibility="private")
    for client, code in ((signed_in(other), 404), (anonymous, 401)):
        assert client.get(url(private)).status_code == code
        assert client.post(url(private), bonus(other)).status_code == code
    assert signed_in(other).get("/api/v1/leaderboard/x/corrections").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"points": 0}, "points"),
        ({"points": 2**53}, "points"),
        ({"points": -(2**63)}, "points"),
        ({"points": 1.5}, "points"),
        ({"points": True}, "points"),
        ({"points": None}, "points"),
        ({"reason": ""}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": "\x00"}, "reason"),
        ({"reason": "a" * 1001}, "reason"),
        ({"reason": {}}, "reason"),
        ({"user_id": "me"}, "user_id"),
        ({"user_id": "a" * 10_000}, "user_id"),
        ({"user_id": str(uuid4())}, "user_id"),
        ({"id": "x"}, "id"),
        ({"id": None}, "id"),
    ],
)
def test_a_wrong_field_is_named(
    running: Competition, desk: APIClient, other: User, change: dict[str, Any], field: str
) -> None:
    answer = desk.post(url(running), bonus(other) | change)
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}


@pytest.mark.parametrize("body", [[], "x", None, 5])
def test_a_body_that_is_no_object_is_refused(running: Competition, desk: APIClient, body: Any) -> None:
    assert desk.post(url(running), body).status_code == 400


def test_no_sum_of_corrections_is_more_than_a_score_can_be(running: Competition, desk: APIClient, other: User) -> None:
    assert desk.post(url(running), bonus(other, MAX_SCORE)).status_code == 201
    answer = desk.post(url(running), bonus(other, 1))
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"points"})
    assert standing_of(running, other).score == MAX_SCORE
    assert desk.post(url(running), bonus(other, -1)).status_code == 201


def test_who_has_left_is_not_put_back_on_the_board_by_a_correction(
    running: Competition, desk: APIClient, other: User, now: datetime
) -> None:
    leave_competition(competition=running, user_id=other.id, now=now)
    assert desk.post(url(running), bonus(other)).status_code == 400
    assert not standing_of(running, other).on_board


def test_before_the_start_and_in_a_cancelled_one_nothing_is_corrected(
    make_competition: Any, running: Competition, desk: APIClient, person: User, join: Any, now: datetime
) -> None:
    upcoming = make_competition(starts=2)
    join(upcoming, person)
    cancel_competition(competition_id=running.id, by=person, now=now)
    for competition in (upcoming, running):
        assert desk.post(url(competition), bonus(person)).status_code == 409
    assert not Correction.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaderboards_correction SET points = 1",
        "DELETE FROM leaderboards_correction",
        "TRUNCATE leaderboards_correction CASCADE",
    ],
)
def test_postgresql_refuses_to_change_them(running: Competition, desk: APIClient, other: User, statement: str) -> None:
    desk.post(url(running), bonus(other))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no deferred check
        cursor.execute(
            "ALTER TABLE leaderboards_correction ENABLE TRIGGER leaderboards_correction_no_truncate"
        )  # as in production
        with pytest.raises(IntegrityError, match="leaderboards_correction is append-only"), transaction.atomic():
            cursor.execute(statement)
    assert Correction.objects.get().points == 100


@pytest.mark.parametrize("wrong", [{"points": 0}, {"reason": ""}])
def test_one_without_points_or_a_reason_cannot_be_stored(
    running: Competition, other: User, staff: User, now: datetime, wrong: dict[str, Any]
) -> None:
    usual = {"points": 1, "reason": "why"}
    with pytest.raises(IntegrityError):
        Correction.objects.create(competition=running, user=other, made_by=staff, made_at=now, **(usual | wrong))


def test_adjustments_from_before_corrections_were_kept_become_one(
    make_over: MakeOver, person: User, other: User, staff: User
) -> None:
    over = make_over({person: 500, other: 900})
    correct_standings(competition_id=over.id, by=staff, reason="A bicycle.", disqualify=[person.id], now=over.closes_at)
    Standing.objects.filter(competition=over, user=other).update(adjustment_points=-70)
    migration = import_module("leaderboards.migrations.0005_corrections")
    with connection.cursor() as cursor:
        cursor.execute(migration.WHAT_WAS_ADJUSTED)
    kept = Correction.objects.get()
    assert (kept.user, kept.points, kept.reason, kept.made_by) == (other, -70, "A bicycle.", staff)
    assert kept.made_at == over.closes_at


class AdminDesk:
    """Somebody in front of the admin site."""

    path = "/admin/leaderboards/correction/"

    def __init__(self, person: User) -> None:
        self.client = open_panel(person)

    def form(self, query: str = "") -> dict[str, str]:
        page = self.client.get(f"{self.path}add/{query}")
        assert page.status_code == 200
        return {name: str(value) for name, value in page.context["adminform"].form.initial.items()} | {
            "correction_id": str(page.context["adminform"].form["correction_id"].value())
        }

    def send(self, form: dict[str, Any]) -> Any:
        return self.client.post(f"{self.path}add/", form)


@pytest.mark.slow
def test_the_admin_site_takes_a_correction_once_however_often_the_form_is_sent(
    running: Competition, other: User, staff: User
) -> None:
    admin = AdminDesk(staff)
    filled = admin.form() | {"competition": running.id, "user": other.id, "points": 100, "reason": "A banner."}
    assert [admin.send(filled).status_code for _ in range(2)] == [302, 302]
    correction = Correction.objects.get()
    assert (correction.points, correction.reason, correction.made_by) == (100, "A banner.", staff)
    assert standing_of(running, other).score == 550
    assert "A banner." in admin.client.get(admin.path).content.decode()
    page = admin.client.get(f"{admin.path}{correction.id}/change/")
    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert admin.client.post(f"{admin.path}{correction.id}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.slow
def test_the_admin_site_says_why_not_and_keeps_what_was_written(
    running: Competition, staff: User, make_person: Any
) -> None:
    admin, stranger = AdminDesk(staff), make_person("Cyd")
    first = admin.form()
    filled = first | {"competition": running.id, "user": stranger.id, "points": 100, "reason": "A banner."}
    answer = admin.send(filled)
    assert answer.status_code == 302
    again = admin.client.get(answer["Location"])
    assert "This person is not on the board." in again.content.decode()
    _, _, query = answer["Location"].partition("?")
    assert admin.form(f"?{query}") == {name: str(value) for name, value in filled.items()}
    for wrong in ({"points": 0}, {"reason": ""}, {"user": "x"}, {"correction_id": "x"}, {"competition": uuid4()}):
        shown = admin.send(filled | wrong)
        assert shown.status_code == 200, "the form is shown again, with its complaint"
    assert not Correction.objects.exists()


def test_who_may_only_look_adds_none_in_the_admin_site(running: Competition, other: User, make_person: Any) -> None:
    clerk = make_person("Clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_correction"))
    admin = AdminDesk(clerk)
    assert admin.client.get(admin.path).status_code == 200
    assert admin.client.get(f"{admin.path}add/").status_code == 403
    assert admin.send(bonus(other)).status_code == 403
