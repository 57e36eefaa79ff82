"""Standings that stay."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import CompetitionOver, enrol_people, join_competition, leave_competition
from competitions.services.lifecycle import (
    AlreadyEnded,
    cancel_competition,
    change_competition,
    move_status,
    move_statuses,
)
from competitions.signals import competition_completed
from config.core.errors import Invalid, NotFound
from config.core.json import canonical_json
from leaderboards.models import FinalStandings, Standing
from leaderboards.queries import board_page, competitions_won, final_standings, final_standings_history
from leaderboards.services import report_totals
from leaderboards.settling import NeverFinal, StandingsNotFinal, correct_standings, settle_competition
from leaderboards.verification import check_board
from tests.conftest import open_panel
from tests.leaderboards.conftest import MakeOver
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
AS_BROWSER = {"Accept": "text/html"}


def places(final: FinalStandings) -> list[tuple[User | Any, int, int]]:
    return [(row.user_id, row.rank, row.score) for row in final.rows]


def test_the_move_to_completed_freezes_the_standings(make_over: MakeOver, person: User, other: User) -> None:
    competition = make_over({person: 500, other: 900})
    assert final_standings(competition.id) is None
    move_statuses(now=competition.closes_at)
    final = final_standings(competition.id)
    assert final is not None
    assert places(final) == [(other.id, 1, 900), (person.id, 2, 500)]
    assert (final.number, final.previous_digest, final.frozen_by, final.reason) == (1, "", None, "")
    assert final.frozen_at == competition.closes_at


def test_a_document_holds_what_decided_and_no_name(make_over: MakeOver, person: User) -> None:
    person.name = "Nobody else is called Peregrine"
    person.save()
    competition = make_over({person: 500}, name="Peregrine's walk", prize_pool_minor=5000)
    final = settle_competition(competition_id=competition.id, now=competition.closes_at)
    assert "Peregrine" not in final.document
    assert final.digest == sha256(final.document.encode()).hexdigest()
    document = json.loads(final.document)
    assert canonical_json(document) == final.document
    assert document["format"] == "pacesetter-standings/1"
    assert (document["competition"], document["number"], document["previous"]) == (str(competition.id), 1, "")
    assert (document["rules"]["prize_pool_minor"], document["rules"]["tie_rule"]) == (5000, "first_to_reach")
    [row] = document["standings"]
    standing = Standing.objects.get(competition=competition)
    assert datetime.fromisoformat(row["reached_at"]) == standing.reached_at
    assert (row["synced"]["steps"], row["reported"]["steps"], row["counted"]["steps"]) == (0, 500, 500)
    assert final.rows[0].joined_at == standing.joined_at


def test_equals_share_a_rank_where_the_rules_say_so(make_over: MakeOver, person: User, other: User) -> None:
    shared = make_over({person: 500, other: 500}, tie_rule="shared")
    first = make_over({other: 500, person: 500})
    for competition, ranks in ((shared, [1, 1]), (first, [1, 2])):
        final = settle_competition(competition_id=competition.id, now=competition.closes_at)
        assert [row.rank for row in final.rows] == ranks
        assert final.rows[0].user_id == (person if competition == shared else other).id


def test_before_the_grace_is_over_nothing_is_final_and_the_refusal_says_when(make_over: MakeOver, person: User) -> None:
    competition = make_over({person: 500})
    with pytest.raises(StandingsNotFinal) as refused:
        settle_competition(competition_id=competition.id, now=competition.closes_at - timedelta(microseconds=1))
    assert competition.closes_at.isoformat().replace("+00:00", "Z") in refused.value.message
    assert final_standings(competition.id) is None


def test_drafts_and_cancelled_ones_are_never_final(make_competition: Any, person: User, now: datetime) -> None:
    draft, cancelled = make_competition(published=False), make_competition()
    cancel_competition(competition_id=cancelled.id, by=person, now=now)
    for competition in (draft, cancelled):
        with pytest.raises(NeverFinal):
            settle_competition(competition_id=competition.id, now=competition.closes_at)
    with pytest.raises(NotFound):
        settle_competition(competition_id=uuid4(), now=now)


def test_settling_again_changes_nothing(make_over: MakeOver, person: User) -> None:
    competition = make_over({person: 500})
    first = settle_competition(competition_id=competition.id, now=competition.closes_at)
    later = settle_competition(competition_id=competition.id, now=competition.closes_at + timedelta(days=1))
    move_statuses(now=competition.closes_at + timedelta(days=2))
    assert later == first
    assert FinalStandings.objects.count() == 1


def test_one_made_about_the_past_without_a_grace_is_final_at_once(make_competition: Any) -> None:
    competition = make_competition(starts=-9, ends=-5, grace_hours=0)
    assert competition.status == "completed"
    final = final_standings(competition.id)
    assert final is not None
    assert final.rows == ()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_movers_at_once_freeze_once(make_over: MakeOver, person: User, other: User) -> None:
    made = [make_over({person: 500, other: 900}) for _ in range(3)]
    moment = max(competition.closes_at for competition in made)
    settle = [partial(settle_competition, competition_id=competition.id, now=moment) for competition in made]
    run_together([*[partial(move_statuses, now=moment)] * 5, *settle])
    for competition in made:
        assert final_standings_history(competition.id).count() == 1
        assert competition.status_moves.filter(to_status="completed").count() == 1


def test_nothing_that_comes_later_changes_it(make_over: MakeOver, person: User, other: User) -> None:
    """Even from somebody whose clock says that it is not too late."""
    competition = make_over({person: 500}, grace_hours=0)
    final = settle_competition(competition_id=competition.id, now=competition.closes_at)
    in_time = competition.closes_at - timedelta(microseconds=1)
    with pytest.raises(CompetitionOver):
        report_totals(competition=competition, user_id=person.id, reported={"steps": 999}, now=in_time)
    with pytest.raises(CompetitionOver):
        join_competition(competition=competition, user_id=other.id, join_code=None, now=in_time)
    with pytest.raises(CompetitionOver), transaction.atomic():
        enrol_people(competition=competition, user_ids=[other.id], now=in_time)
    with pytest.raises(CompetitionOver):
        leave_competition(competition=competition, user_id=person.id, now=in_time)
    with pytest.raises(AlreadyEnded):
        cancel_competition(competition_id=competition.id, by=person, now=in_time)
    change_competition(competition_id=competition.id, merge=lambda _: ({"name": "New"}, None), by=person, now=in_time)
    competition.refresh_from_db()
    assert (competition.name, competition.status, competition.participant_count) == ("New", "completed", 1)
    assert final_standings(competition.id) == final
    assert Standing.objects.get(competition=competition).score == 500


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaderboards_finalstandings SET document = '{}'",
        "DELETE FROM leaderboards_finalstandings",
        "TRUNCATE leaderboards_finalstandings CASCADE",
    ],
)
def test_postgresql_refuses_to_change_them(
    make_over: MakeOver, person: User, statement: str, truncate_refused: None
) -> None:
    competition = make_over({person: 500})
    settle_competition(competition_id=competition.id, now=competition.closes_at)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no deferred check
        with pytest.raises(IntegrityError, match="leaderboards_finalstandings is append-only"), transaction.atomic():
            cursor.execute(statement)
    assert FinalStandings.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 1, "previous_digest": "x"},
        {"number": 2, "previous_digest": ""},
        {"number": 2, "previous_digest": "x", "reason": ""},
        {"number": 2, "previous_digest": "x", "frozen_by": None},
        {"number": 1, "reason": "because"},
    ],
)
def test_a_snapshot_without_its_chain_or_author_cannot_be_stored(
    make_competition: Any, person: User, now: datetime, wrong: dict[str, Any]
) -> None:
    usual = {"previous_digest": "", "reason": "r" if wrong["number"] > 1 else "", "frozen_by": person}
    with pytest.raises(IntegrityError):
        FinalStandings.objects.create(
            competition=make_competition(),
            document="{}",
            digest="",
            scoring_version=1,
            frozen_at=now,
            **(usual | wrong),
        )


def test_a_correction_is_a_further_snapshot_with_an_author_and_a_reason(
    make_over: MakeOver, person: User, other: User, staff: User, signed_in: SignIn
) -> None:
    competition = make_over({person: 500, other: 900})
    first = settle_competition(competition_id=competition.id, now=competition.closes_at)
    later = competition.closes_at + timedelta(days=1)
    second = correct_standings(
        competition_id=competition.id, by=staff, reason=" A bicycle. ", adjust={other.id: -600}, now=later
    )
    assert places(first) == [(other.id, 1, 900), (person.id, 2, 500)]
    assert places(second) == [(person.id, 1, 500), (other.id, 2, 300)]
    assert (second.number, second.previous_digest, second.frozen_by, second.reason) == (
        2,
        first.digest,
        staff,
        "A bicycle.",
    )
    assert json.loads(second.document)["previous"] == first.digest
    assert (final_standings(competition.id), list(final_standings_history(competition.id))) == (second, [first, second])
    entries = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"]
    assert [(entry["user_name"], entry["score"], entry["rank"]) for entry in entries] == [
        ("Ada", 500, 1),
        ("Ben", 300, 2),
    ]
    assert (competitions_won(person.id, later), competitions_won(other.id, later)) == (1, 0)


def test_a_correction_taken_back_leaves_everything_as_it_was(
    make_over: MakeOver, person: User, other: User, staff: User
) -> None:
    competition = make_over({person: 500, other: 500})
    first = settle_competition(competition_id=competition.id, now=competition.closes_at)
    correct = partial(correct_standings, competition_id=competition.id, by=staff, now=competition.closes_at)
    below_zero = correct(reason="wrong", adjust={person.id: -501})
    assert places(below_zero) == [(other.id, 1, 500), (person.id, 2, 0)]
    assert correct(reason="right again", adjust={person.id: 0}).rows == first.rows
    correct(reason="wrong", disqualify=[person.id])
    assert correct(reason="right again", reinstate=[person.id]).rows == first.rows


def test_who_is_disqualified_is_off_the_board_and_off_its_copy(
    make_over: MakeOver, person: User, other: User, staff: User, django_capture_on_commit_callbacks: Any
) -> None:
    competition = make_over({person: 500, other: 900})
    settle_competition(competition_id=competition.id, now=competition.closes_at)
    board_page(competition, offset=0, limit=9)
    with django_capture_on_commit_callbacks(execute=True):
        final = correct_standings(
            competition_id=competition.id,
            by=staff,
            reason="A dog wore it.",
            disqualify=[other.id],
            now=competition.closes_at,
        )
    assert places(final) == [(person.id, 1, 500)]
    assert final.disqualified == {other.id: "A dog wore it."}
    assert [entry["user_name"] for entry in board_page(competition, offset=0, limit=9).entries] == ["Ada"]
    check = check_board(competition)
    assert (check.copied, check.participants, check.difference) == (True, 1, "")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reason": "  ", "disqualify": ["person"]}, "reason"),
        ({}, "disqualify"),
        ({"disqualify": ["nobody"]}, "disqualify"),
        ({"reinstate": ["person"]}, "reinstate"),
        ({"disqualify": ["person"], "reinstate": ["person"]}, "reinstate"),
        ({"adjust": {"nobody": 1}}, "adjust"),
        ({"adjust": {"person": 2**53}}, "adjust"),
    ],
)
def test_a_correction_that_cannot_be_names_the_field(
    make_over: MakeOver, person: User, staff: User, asked: dict[str, Any], field: str
) -> None:
    competition = make_over({person: 500})
    ids = {"person": person.id, "nobody": uuid4()}
    named: dict[str, Any] = {
        name: [ids[who] for who in asked[name]] for name in ("disqualify", "reinstate") if name in asked
    }
    named["adjust"] = {ids[who]: points for who, points in asked.get("adjust", {}).items()}
    with pytest.raises(Invalid) as refused:
        correct_standings(
            competition_id=competition.id,
            by=staff,
            reason=asked.get("reason", "because"),
            now=competition.closes_at,
            **named,
        )
    assert refused.value.details is not None
    assert field in refused.value.details
    assert final_standings(competition.id) is None


def test_only_what_is_completed_is_corrected(make_over: MakeOver, person: User, staff: User) -> None:
    competition = make_over({person: 500})
    with pytest.raises(StandingsNotFinal):
        correct_standings(
            competition_id=competition.id,
            by=staff,
            reason="because",
            disqualify=[person.id],
            now=competition.end_at,
        )


@pytest.mark.django_db(transaction=True)
def test_one_that_cannot_be_frozen_does_not_hold_up_the_others(make_over: MakeOver, person: User) -> None:
    broken, sound = make_over({person: 500}), make_over({person: 500})

    def refuse(competition: Competition, **_: Any) -> None:
        if competition.id == broken.id:
            raise RuntimeError

    competition_completed.connect(refuse)
    try:
        assert move_statuses(now=sound.closes_at) == 1
    finally:
        competition_completed.disconnect(refuse)
    assert final_standings(broken.id) is None
    assert final_standings(sound.id) is not None
    assert move_statuses(now=sound.closes_at) == 1


def test_the_board_says_how_final_it_is(
    make_competition: Any, make_over: MakeOver, person: User, signed_in: SignIn, now: datetime
) -> None:
    def said(competition: Competition) -> tuple[str, str | None]:
        data = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
        return data["standings"], data["final_at"]

    live, late = make_competition(), make_over({person: 1}, grace_hours=240)
    over, cancelled = make_over({person: 1}, grace_hours=0), make_competition()
    cancel_competition(competition_id=cancelled.id, by=person, now=now)
    moments = {
        competition: competition.closes_at.isoformat().replace("+00:00", "Z") for competition in (live, late, over)
    }
    assert said(live) == ("live", moments[live])
    assert said(late) == ("provisional", moments[late])
    assert said(over) == ("final", moments[over])
    assert said(cancelled) == ("provisional", None)


def test_the_page_says_until_when_it_is_provisional_and_since_when_final(
    make_over: MakeOver, person: User, anonymous: APIClient, settings: Any
) -> None:
    for hours, words in ((240, "Provisional until"), (0, "Final since")):
        competition = make_over({person: 1}, grace_hours=hours, visibility="public")
        text = anonymous.get(f"/boards/{competition.id}", headers=AS_BROWSER).content.decode()
        closes = competition.closes_at
        assert words in text
        assert f"{closes.day} {closes:%b %Y, %H:%M}" in text


@pytest.mark.slow
def test_the_admin_site_shows_them_and_changes_nothing(
    make_over: MakeOver, person: User, staff: User, settings: Any
) -> None:
    competition = make_over({person: 500})
    final = settle_competition(competition_id=competition.id, now=competition.closes_at)
    client = open_panel(staff)
    assert final.digest in client.get("/admin/leaderboards/finalstandings/").content.decode()
    page = client.get(f"/admin/leaderboards/finalstandings/{final.id}/change/").content.decode()
    assert "pacesetter-standings/1" in page
    assert "_save" not in page


def test_a_status_is_moved_for_one_competition_alone(make_over: MakeOver, person: User) -> None:
    one, another = make_over({person: 1}), make_over({person: 1})
    assert move_status(competition_id=one.id, now=one.closes_at).status == "completed"
    another.refresh_from_db()
    assert another.status == "upcoming"
    assert datetime.now(UTC) > another.end_at
