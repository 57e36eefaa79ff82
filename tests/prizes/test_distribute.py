"""POST /api/v1/prizes/distribute/{competition_id}"""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from competitions.services.lifecycle import cancel_competition
from leaderboards.settling import correct_standings
from prizes.models import AwardList, Distribution, PayoutAccount, Transfer, TreasuryAction
from tests.conftest import MakeCompetition, MakePerson
from tests.prizes.conftest import MakeFinished, connect_accounts, forget_jobs, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition) -> str:
    return f"/api/v1/prizes/distribute/{competition.id}"


@pytest.fixture
def tess(treasurer: User, signed_in: SignIn) -> APIClient:
    return signed_in(treasurer)


def statuses(answer: Any) -> list[str]:
    return [prize["status"] for prize in answer.json()["data"]["prizes"]]


def test_the_winners_are_paid(tess: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    answer = tess.post(url(competition), {"reason": "It is over."})
    assert (answer.status_code, answer.json()["message"]) == (200, "The prizes are on their way.")
    data = answer.json()["data"]
    assert (data["final"], data["version"], data["status"], data["remainder"]) == (True, 1, "distributed", 0)
    assert [prize["amount"] for prize in data["prizes"]] == [60, 30, 10]
    assert b'"amount":60.00,' in answer.content
    assert statuses(answer) == ["pending"] * 3
    assert run_jobs() == []
    assert statuses(tess.post(url(competition))) == ["paid"] * 3


def test_again_it_changes_nothing(tess: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    tess.post(url(competition))
    run_jobs()
    before = list(Transfer.objects.values())
    answers = [tess.post(url(competition)) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert run_jobs() == []
    assert list(Transfer.objects.values()) == before
    assert TreasuryAction.objects.filter(action="distribute").count() == 1


def test_it_is_written_down_with_its_author_and_reason(
    tess: APIClient, treasurer: User, make_finished: MakeFinished
) -> None:
    tess.post(url(make_finished(9)), {"reason": "It is over."})
    action = TreasuryAction.objects.get(action="distribute")
    assert (action.by, action.reason, action.details["total_minor"]) == (treasurer, "It is over.", 10_000)


def test_a_service_key_with_the_scope_may_too(with_key: Callable[..., APIClient], make_finished: MakeFinished) -> None:
    competition = make_finished(9)
    assert with_key(Scope.SCORES_WRITE).post(url(competition)).status_code == 403
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(url(competition)).status_code == 200
    action = TreasuryAction.objects.get(action="distribute")
    assert (action.by, bool(action.service_key)) == (None, True)


def test_a_winner_without_an_account_waits_and_the_others_are_paid(
    tess: APIClient, make_finished: MakeFinished
) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    PayoutAccount.objects.filter(user__name="Walker 2").delete()
    tess.post(url(competition))
    assert run_jobs() == []
    answer = tess.post(url(competition))
    assert statuses(answer) == ["paid", "pending", "paid"]
    waits = [prize["waits_for"] for prize in answer.json()["data"]["prizes"]]
    assert waits == [None, "The winner has not connected a payout account.", None]


@pytest.mark.parametrize("days", [(2, 5), (-2, 5)])
def test_before_the_standings_are_final_it_is_a_409_that_says_when(
    tess: APIClient, make_competition: MakeCompetition, days: tuple[int, int]
) -> None:
    competition = make_competition(starts=days[0], ends=days[1], prize_pool_minor=100)
    answer = tess.post(url(competition))
    assert answer.status_code == 409
    assert competition.closes_at.isoformat().replace("+00:00", "Z") in answer.json()["message"]
    assert not AwardList.objects.exists()


def test_during_the_grace_it_is_a_409_too(tess: APIClient, make_competition: MakeCompetition, now: datetime) -> None:
    ended = make_competition(starts=-5, ends=-1, grace_hours=100, prize_pool_minor=100)
    assert "final from" in tess.post(url(ended)).json()["message"]


def test_a_cancelled_competition_and_a_draft_never_pay(
    tess: APIClient, person: User, make_competition: MakeCompetition, now: datetime
) -> None:
    cancelled, draft = make_competition(), make_competition(published=False)
    cancel_competition(competition_id=cancelled.id, by=person, now=now)
    assert [tess.post(url(one)).status_code for one in (cancelled, draft)] == [409, 409]


def test_a_pool_that_nobody_confirmed_is_a_409(tess: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(9, funded=False)
    answer = tess.post(url(competition))
    assert answer.status_code == 409
    assert "0.00 of 100.00 USD" in answer.json()["message"]
    assert not Transfer.objects.exists()
    assert not Distribution.objects.exists()


def test_above_the_cap_nothing_is_paid(tess: APIClient, make_finished: MakeFinished, settings: Any) -> None:
    competition = make_finished(9)
    settings.PAYOUT_CAP = {"*": Decimal("99.99")}
    answer = tess.post(url(competition))
    assert (answer.status_code, "PAYOUT_CAP" in answer.json()["message"]) == (409, True)
    settings.PAYOUT_CAP = {"*": Decimal("99.99"), "USD": Decimal(100)}
    assert tess.post(url(competition)).status_code == 200


def test_above_the_limit_it_is_a_202_until_somebody_approves(
    tess: APIClient, make_finished: MakeFinished, settings: Any
) -> None:
    settings.APPROVAL_OVER = {"*": Decimal("99.99")}
    competition = make_finished(9, 8)
    answers = [tess.post(url(competition)), tess.post(url(competition))]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["message"] == "Another treasurer must approve this."
    assert answers[1].json()["data"]["status"] == "awaiting_approval"
    assert statuses(answers[1]) == ["awaiting_approval"] * 2
    assert not Transfer.objects.exists()


def test_exactly_the_limit_needs_no_approval(tess: APIClient, make_finished: MakeFinished, settings: Any) -> None:
    settings.APPROVAL_OVER = {"*": Decimal(100)}
    assert tess.post(url(make_finished(9))).status_code == 200


def test_nobody_won_and_nothing_is_to_be_paid(tess: APIClient, make_finished: MakeFinished) -> None:
    answer = tess.post(url(make_finished(0, 0)))
    assert (answer.status_code, answer.json()["data"]["prizes"]) == (200, [])
    assert b'"remainder":100.00' in answer.content
    assert tess.post(url(make_finished(pool=0))).status_code == 200


@pytest.mark.slow
def test_a_correction_that_leaves_an_award_alone_shows_how_it_stands(
    tess: APIClient, treasurer: User, make_finished: MakeFinished, now: datetime
) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    PayoutAccount.objects.filter(user__name="Walker 1").delete()
    tess.post(url(competition))
    assert run_jobs() == []
    last = competition.participants.get(user__name="Walker 2").user_id
    correct_standings(competition_id=competition.id, by=treasurer, reason="A bicycle.", adjust={last: -1}, now=now)
    answer = tess.post(url(competition))
    assert (answer.status_code, answer.json()["data"]["version"]) == (200, 2)
    assert run_jobs() == []
    assert statuses(tess.post(url(competition))) == ["pending", "paid", "paid"]


def test_it_is_for_treasurers_only(
    make_finished: MakeFinished,
    person: User,
    other: User,
    make_person: MakePerson,
    signed_in: SignIn,
    anonymous: APIClient,
) -> None:
    competition = make_finished(9)
    assert anonymous.post(url(competition)).status_code == 401
    for someone in (person, other, make_person("Clerk", is_staff=True)):
        answer = signed_in(someone).post(url(competition))
        assert (answer.status_code, "treasurer" in answer.json()["message"]) == (403, True)
    assert not AwardList.objects.exists()


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(tess: APIClient, named: str) -> None:
    assert tess.post(f"/api/v1/prizes/distribute/{named}").status_code == 404


def test_other_verbs_are_a_405(tess: APIClient, make_finished: MakeFinished) -> None:
    assert tess.get(url(make_finished(9))).status_code == 405


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": None}, "reason"),
        ({"reason": True}, "reason"),
        ({"reason": {"why": []}}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"reason": "a\u202eb"}, "reason"),
        ({"reason": "\ud800"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ([1], "non_field_errors"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_paid(
    tess: APIClient, make_finished: MakeFinished, body: Any, field: str
) -> None:
    answer = tess.post(url(make_finished(9)), data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}
    assert not AwardList.objects.exists()


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_winners(tess: APIClient, make_finished: MakeFinished) -> None:
    def statements(competition: Competition) -> int:
        forget_jobs()
        with CaptureQueriesContext(connection) as asked:
            assert tess.post(url(competition)).status_code == 200
        return len(asked.captured_queries)

    plan = {"places": [{"first": 1, "last": 20, "percent": "5"}]}
    many, few = make_finished(*range(20, 0, -1), plan=plan), make_finished(2, 1, plan=plan)
    assert statements(many) == statements(few)
    assert statements(many) == statements(few)
