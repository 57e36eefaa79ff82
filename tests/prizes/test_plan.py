"""GET and PUT /api/v1/prizes/plan/{competition_id}"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from prizes.models import PrizePlan, TreasuryAction
from tests.conftest import MakeCompetition, MakePerson

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition) -> str:
    return f"/api/v1/prizes/plan/{competition.id}"


def place(first: int, last: int | None = None, **worth: Any) -> dict[str, Any]:
    return {"first": first, "last": first if last is None else last, **worth}


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


@pytest.fixture
def upcoming(make_competition: MakeCompetition) -> Competition:
    return make_competition(starts=2, ends=9, prize_pool_minor=10_000)


def test_without_a_choice_the_first_three_share_the_pool(me: APIClient, upcoming: Competition) -> None:
    answer = me.get(url(upcoming))
    assert (answer.status_code, answer.json()["data"]) == (
        200,
        {
            "places": [place(1, percent=60), place(2, percent=30), place(3, percent=10)],
            "target": None,
            "leftover": "redistribute",
            "platform_fee_percent": 0,
            "fee_share_percent": 100,
            "currency": "USD",
        },
    )


@pytest.mark.parametrize(
    "plan",
    [
        {"places": [place(1, percent=50), place(2, 11, percent=5)]},
        {"places": [place(1, percent=33.333333), place(2, percent=0)], "leftover": "roll_over"},
        {"places": [place(1, amount=60), place(2, 5, amount=10)], "leftover": "return"},
        {"places": [], "target": 100_000},
        {"places": [place(1, percent=100)], "platform_fee_percent": 2.5, "fee_share_percent": 80},
    ],
)
def test_what_was_put_is_what_is_there(me: APIClient, upcoming: Competition, plan: dict[str, Any]) -> None:
    defaults = {"target": None, "leftover": "redistribute", "platform_fee_percent": 0, "fee_share_percent": 100}
    answer = me.put(url(upcoming), plan)
    assert answer.status_code == 200, answer.content
    assert answer.json()["data"] == {**defaults, **plan, "currency": "USD"}
    assert me.get(url(upcoming)).json()["data"] == answer.json()["data"]


def test_what_is_read_can_be_put_back(me: APIClient, upcoming: Competition) -> None:
    shown = me.get(url(upcoming)).json()["data"]
    assert me.put(url(upcoming), shown).json()["data"] == shown


def test_places_come_in_their_order_and_one_place_needs_no_last(me: APIClient, upcoming: Competition) -> None:
    answer = me.put(url(upcoming), {"places": [{"first": 2, "percent": "30"}, {"first": 1, "percent": "70.0"}]})
    assert answer.json()["data"]["places"] == [place(1, percent=70), place(2, percent=30)]


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("JPY", 60, b'"amount":60}'), ("USD", 60, b'"amount":60.00}'), ("KWD", "0.5", b'"amount":0.500}')],
)
def test_amounts_are_numbers_with_the_decimals_of_their_currency(
    me: APIClient, make_competition: MakeCompetition, currency: str, amount: Any, written: bytes
) -> None:
    competition = make_competition(starts=2, ends=9, prize_pool_minor=10_000, currency=currency)
    assert written in me.put(url(competition), {"places": [place(1, amount=amount)]}).content
    assert written in me.get(url(competition)).content


def test_a_new_plan_replaces_the_whole_old_one(me: APIClient, upcoming: Competition) -> None:
    me.put(url(upcoming), {"places": [], "target": 5, "fee_share_percent": 1})
    data = me.put(url(upcoming), {"places": [place(1, percent=10)]}).json()["data"]
    assert (data["target"], data["fee_share_percent"], data["places"]) == (None, 100, [place(1, percent=10)])


def test_every_change_is_written_down_with_its_author(me: APIClient, upcoming: Competition, person: User) -> None:
    me.put(url(upcoming), {"places": [place(1, percent=10)]})
    action = TreasuryAction.objects.get(competition=upcoming)
    assert (action.action, action.by, action.details["plan"]["places"]) == ("plan", person, [place(1, percent="10")])


def test_a_draft_has_a_plan_too(me: APIClient, make_competition: MakeCompetition) -> None:
    draft = make_competition(published=False)
    assert me.put(url(draft), {"places": [place(1, percent=10)]}).status_code == 200


@pytest.mark.parametrize(("starts", "ends"), [(-3, 3), (-9, -5)])
def test_it_stays_as_it_is_from_the_start_on(
    me: APIClient, make_competition: MakeCompetition, starts: int, ends: int
) -> None:
    competition = make_competition(starts=starts, ends=ends)
    answer = me.put(url(competition), {"places": [place(1, percent=100)]})
    assert answer.status_code == 409
    assert "rules" in answer.json()["message"]
    assert not PrizePlan.objects.exists()


def test_everybody_who_sees_the_competition_sees_its_plan(
    upcoming: Competition, make_competition: MakeCompetition, other: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    private = make_competition(starts=2, visibility="private")
    assert signed_in(other).get(url(upcoming)).status_code == 200
    assert signed_in(other).get(url(private)).status_code == 404
    assert anonymous.get(url(upcoming)).status_code == 401


def test_only_its_owner_and_staff_change_it(
    upcoming: Competition,
    other: User,
    make_person: MakePerson,
    signed_in: SignIn,
    anonymous: APIClient,
    with_key: Callable[..., APIClient],
) -> None:
    def ask(client: APIClient) -> int:
        return int(client.put(url(upcoming), {"places": [place(1, percent=100)]}).status_code)

    clerk = make_person("Clerk", is_staff=True)
    assert ask(anonymous) == 401
    assert ask(signed_in(other)) == 403
    assert ask(signed_in(clerk)) == 403
    assert ask(with_key(Scope.PRIZES_DISTRIBUTE)) in (401, 403)
    clerk.user_permissions.add(Permission.objects.get(codename="change_competition"))
    assert ask(signed_in(clerk)) == 200


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(me: APIClient, named: str) -> None:
    assert me.get(f"/api/v1/prizes/plan/{named}").status_code == 404
    assert me.put(f"/api/v1/prizes/plan/{named}", {}).status_code == 404


def test_other_verbs_are_a_405(me: APIClient, upcoming: Competition) -> None:
    assert [me.post(url(upcoming)).status_code, me.delete(url(upcoming)).status_code] == [405, 405]


DEEP: Any = []
for _ in range(25):  # below what no body may have
    DEEP = [DEEP]


WRONG: list[tuple[Any, str]] = [
    ({}, "places"),
    ({"places": None}, "places"),
    ({"places": "all"}, "places"),
    ({"places": {"first": 1}}, "places"),
    ({"places": []}, "places"),
    ({"places": [place(1, percent=60), place(2, percent=40.000001)]}, "places"),
    ({"places": [place(1, 3, percent=34)]}, "places"),
    ({"places": [place(1, percent=101)]}, "places[0].percent"),
    ({"places": [place(1, percent=-1)]}, "places[0].percent"),
    ({"places": [place(1, percent=1.0000001)]}, "places[0].percent"),
    ({"places": [place(1, percent=True)]}, "places[0].percent"),
    ({"places": [place(1, percent=None)]}, "places[0].percent"),
    ({"places": [place(1, percent="NaN")]}, "places[0].percent"),
    ({"places": [place(1, percent="-Infinity")]}, "places[0].percent"),
    ({"places": [place(1, percent="\x00")]}, "places[0].percent"),
    ({"places": [place(1, percent=[])]}, "places[0].percent"),
    ({"places": [place(1, percent=10**400)]}, "places[0].percent"),
    ({"places": [place(1)]}, "places[0].percent"),
    ({"places": [place(1, percent=1, amount=1)]}, "places[0].percent"),
    ({"places": [place(1, amount=-1)]}, "places[0].amount"),
    ({"places": [place(1, amount=1.005)]}, "places[0].amount"),
    ({"places": [place(1, amount=True)]}, "places[0].amount"),
    ({"places": [place(1, amount="1e3")]}, "places[0].amount"),
    ({"places": [place(1, amount=10**17)]}, "places[0].amount"),
    ({"places": [place(1, amount=10**400)]}, "places[0].amount"),
    ({"places": [place(1, amount={})]}, "places[0].amount"),
    ({"places": [place(1, amount=60), place(2, amount=40.01)]}, "places"),
    ({"places": [place(1, amount=60), place(2, percent=10)]}, "places"),
    ({"places": [{"first": 0, "percent": 1}]}, "places[0].first"),
    ({"places": [{"first": True, "percent": 1}]}, "places[0].first"),
    ({"places": [place(1, percent=1), {"percent": 1}]}, "places[1].first"),
    ({"places": [{"first": 1, "last": 10**9, "percent": 0}]}, "places[0].last"),
    ({"places": [{"first": 1, "last": 1.5, "percent": 0}]}, "places[0].last"),
    ({"places": [{"first": 1, "last": None, "percent": 0}]}, "places[0].last"),
    ({"places": [place(3, 2, percent=1)]}, "places"),
    ({"places": [place(1, 3, percent=1), place(3, 4, percent=1)]}, "places"),
    ({"places": [place(1, percent=1), place(1, percent=1)]}, "places"),
    ({"places": [place(n, percent=0) for n in range(1, 1002)]}, "places"),
    ({"places": [1]}, "places[0]"),
    ({"places": DEEP}, "places[0]"),
    ({"places": [place(1, percent=1)], "target": 5}, "places"),
    ({"target": 0}, "target"),
    ({"target": 2**53}, "target"),
    ({"target": False}, "target"),
    ({"target": "NaN"}, "target"),
    ({"target": {}}, "target"),
    ({"target": 1, "leftover": "keep"}, "leftover"),
    ({"target": 1, "leftover": ["return"]}, "leftover"),
    ({"target": 1, "platform_fee_percent": 100.5}, "platform_fee_percent"),
    ({"target": 1, "platform_fee_percent": "\ud800"}, "platform_fee_percent"),
    ({"target": 1, "fee_share_percent": -0.5}, "fee_share_percent"),
    ({"target": 1, "currency": "XXX"}, "currency"),
    ({"target": 1, "currency": "EUR"}, "currency"),
    ({"target": 1, "currency": 5}, "currency"),
    ([], "non_field_errors"),
    ("plan", "non_field_errors"),
    (None, "non_field_errors"),
]


def test_a_wrong_field_is_named_and_nothing_is_stored(
    me: APIClient, upcoming: Competition, subtests: pytest.Subtests
) -> None:
    for number, (plan, field) in enumerate(WRONG):
        with subtests.test(number=number, field=field):
            answer = me.put(url(upcoming), data=json.dumps(plan), content_type="application/json")
            assert answer.status_code == 400, answer.content
            assert answer.json()["details"].keys() == {field}
    assert not PrizePlan.objects.exists()


@pytest.mark.parametrize(
    "text", ["{", '{"target": NaN}', '{"target": 1e999999999}', "\x00", '{"target": ' + "9" * 5000]
)
def test_what_is_not_json_is_a_400(me: APIClient, upcoming: Competition, text: str) -> None:
    answer = me.put(url(upcoming), data=text, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_fixed_amounts_may_rely_on_fees_that_are_still_to_come(
    me: APIClient, make_competition: MakeCompetition
) -> None:
    competition = make_competition(starts=2, entry_fee_minor=500)
    assert me.put(url(competition), {"places": [place(1, amount=50)]}).status_code == 200


FIFTY = {"places": [place(1, amount=50)]}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"currency": "KWD"}, "currency"), ({"currency": "JPY"}, "currency"), ({"prize_pool": 49.99}, "prize_pool")],
)
def test_a_change_that_the_plan_s_amounts_do_not_survive_is_refused(
    me: APIClient, upcoming: Competition, change: dict[str, Any], field: str
) -> None:
    me.put(url(upcoming), FIFTY)
    before = me.get(url(upcoming)).content
    answer = me.patch(f"/api/v1/competitions/{upcoming.id}", change)
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {field})
    upcoming.refresh_from_db()
    assert (upcoming.currency, upcoming.prize_pool_minor) == ("USD", 10_000)
    assert me.get(url(upcoming)).content == before


def test_other_changes_do_not_ask_the_plan(me: APIClient, upcoming: Competition) -> None:
    competition = f"/api/v1/competitions/{upcoming.id}"
    me.put(url(upcoming), FIFTY)
    assert me.patch(competition, {"prize_pool": 50, "metric": "distance"}).status_code == 200
    me.put(url(upcoming), {"places": [place(1, percent=50)]})
    assert me.patch(competition, {"prize_pool": 1, "currency": "EUR"}).status_code == 200
    assert me.get(url(upcoming)).json()["data"]["currency"] == "EUR"


def test_a_competition_whose_money_was_decided_about_is_cancelled_not_deleted(
    me: APIClient, upcoming: Competition
) -> None:
    me.put(url(upcoming), FIFTY)
    assert me.delete(f"/api/v1/competitions/{upcoming.id}").status_code == 409
    assert me.get(url(upcoming)).status_code == 200


def test_minus_zero_is_zero(me: APIClient, upcoming: Competition) -> None:
    body = '{"places": [{"first": 1, "percent": -0.0}], "platform_fee_percent": -0}'
    answer = me.put(url(upcoming), data=body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert b"-0" not in answer.content


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 120)
    | st.floats()
    | st.decimals(0, 100, places=2).map(str)
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "-0", "1E+3", "\x00", "redistribute", "roll_over"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
PERCENTS = st.decimals(-1, 101, places=3).map(str) | st.integers(0, 40) | JUNK
PLACES = st.fixed_dictionaries(
    {"first": st.integers(1, 20) | JUNK},
    optional={"last": st.integers(1, 25) | JUNK, "percent": PERCENTS, "amount": st.integers(0, 40) | JUNK},
)
BODIES = JUNK | st.fixed_dictionaries(
    {},
    optional={
        "places": st.lists(PLACES, max_size=4) | JUNK,
        "target": st.none() | st.integers(1, 9) | JUNK,
        "leftover": st.sampled_from(["redistribute", "roll_over", "return"]) | JUNK,
        "platform_fee_percent": PERCENTS,
        "fee_share_percent": PERCENTS,
        "currency": st.just("USD") | JUNK,
    },
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_whatever_is_put_is_refused_or_there(me: APIClient, upcoming: Competition, body: Any) -> None:
    answer = me.put(url(upcoming), data=json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 400), answer.content
    if answer.status_code == 400:
        assert answer.json()["message"]
        return
    shown = json.loads(me.get(url(upcoming)).content, parse_float=Decimal)
    assert shown["data"] == json.loads(answer.content, parse_float=Decimal)["data"]
    again = me.put(url(upcoming), data=json_text(shown["data"]), content_type="application/json")
    assert again.content == answer.content
    if body.get("target"):
        assert shown["data"]["places"] == []
    for written in body.get("places", []):
        kept = next(one for one in shown["data"]["places"] if one["first"] == int(written["first"]))
        unit = "percent" if "percent" in written else "amount"
        assert Decimal(str(kept[unit])) == Decimal(str(written[unit]))


def json_text(data: Any) -> str:
    return json.dumps(data, default=float)
