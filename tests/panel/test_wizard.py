"""/admin/new-competition/: from the first question to the competition."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.models import User
from competitions.models import Competition
from prizes.models import PrizePlan
from prizes.plans import DEFAULT
from tests.conftest import MakePerson, open_panel

pytestmark = pytest.mark.django_db

MakeStaff = Callable[..., User]
STEPS = ["what-and-when", "what-counts", "who-takes-part", "money", "read-and-publish"]

WHAT = {
    "name": "Lake walk",
    "type": "weekly",
    "start_date": "2090-06-05",
    "end_date": "",
    "timezone": "Europe/Berlin",
    "grace_hours": "24",
}
COUNTS = {"metric": "steps", "tie_rule": "first_to_reach", "score_source": "", "rules.manual_entries": "on"}
PEOPLE = {"visibility": "open", "max_participants": ""}
FREE = {"currency": "EUR", "entry_fee": "0", "places": "none", "prize_pool": "0"}
PAID = {
    "currency": "EUR",
    "entry_fee": "10",
    "places": "percent",
    "prize_pool": "500",
    "leftover": "roll_over",
    "platform_fee_percent": "5",
    "fee_share_percent": "100",
    "places[0].first": "1",
    "places[0].worth": "70",
    "places[2].first": "2",
    "places[2].last": "3",
    "places[2].worth": "15",
}


class Walk:
    """Somebody on the way through one wizard."""

    def __init__(self, person: User) -> None:
        self.client = open_panel(person)
        begun = self.client.get(reverse("admin:new_competition"))
        self.address = begun["Location"] if begun.status_code == 302 else ""

    @property
    def id(self) -> UUID:
        return UUID(self.address.partition("of=")[2])

    def at(self, step: str, *, of: UUID | None = None) -> str:
        return f"{reverse('admin:new_competition_step', args=[step])}?of={of or self.id}"

    def read(self, step: str, **where: Any) -> str:
        answer = self.client.get(self.at(step, **where))
        assert answer.status_code == 200, answer.headers
        return unescape(answer.content.decode())

    def say(self, step: str, answers: dict[str, str], *, go: str = "next", **where: Any) -> str:
        """Where it led to."""
        answer = self.client.post(self.at(step, **where), {**answers, "go": go})
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def answer_all(self, **changes: dict[str, str]) -> None:
        told = {"what": WHAT, "counts": COUNTS, "people": PEOPLE, "money": FREE} | changes
        for step, following, answers in zip(STEPS, STEPS[1:], told.values(), strict=False):
            assert self.say(step, answers) == self.at(following)

    def press(self, button: str) -> Any:
        """The last page's, as it is shown now."""
        seen = re.search(r'name="seen" value="(\w+)"', self.read("read-and-publish"))
        assert seen
        return self.client.post(self.at("read-and-publish"), {"go": button, "seen": seen[1]})


def complaints(page: str) -> dict[str, str]:
    """What stands beside each question of a page."""
    found = re.findall(r'<ul class="errorlist" id="id_([^"]+)_error"><li>(.*?)</li>', page)
    return dict(found)


@pytest.fixture
def organiser(make_staff: MakeStaff) -> User:
    return make_staff("organiser")


@pytest.fixture
def walk(organiser: User) -> Walk:
    return Walk(organiser)


@pytest.mark.slow
def test_an_organiser_makes_a_free_competition_and_owns_it(walk: Walk, organiser: User) -> None:
    walk.answer_all(people={"visibility": "private", "max_participants": "40"})
    page = walk.read("read-and-publish")
    assert "Every step counts, from Monday 5 June to Sunday 11 June 2090, in Europe/Berlin." in page
    assert "There are 40 places." in page
    assert "There are no prizes." in page
    assert not Competition.objects.exists()

    answer = walk.press("publish")
    made = Competition.objects.get()
    assert answer["Location"] == reverse("admin:competitions_competition_change", args=[made.id])
    assert (made.id, made.owner, made.name, made.status) == (walk.id, organiser, "Lake walk", "upcoming")
    assert (made.starts_on, made.last_on, made.timezone) == (date(2090, 6, 5), date(2090, 6, 11), "Europe/Berlin")
    assert (made.max_participants, made.score_source, made.stored_policy) == (40, "either", {})
    assert not PrizePlan.objects.exists()
    shown = unescape(walk.client.get(answer["Location"]).content.decode())
    assert f"join code <strong>{made.join_code}</strong>" in shown

    trail = apps.get_model("competitions", "CompetitionAudit")  # made by the decorator
    created = trail._default_manager.filter(pgh_obj_id=made.id).order_by("pgh_id").first()
    assert created is not None
    assert (created.pgh_label, created.status) == ("insert", "draft")
    assert created.pgh_context["user"] == str(organiser.id)


@pytest.mark.slow
def test_a_paid_competition_has_its_rules_and_its_plan(walk: Walk) -> None:
    counts: dict[str, Any] = COUNTS | {
        "metric": "weighted",
        "weights.steps": "1",
        "weights.active_minutes": "12.5",
        "tie_rule": "shared",
        "rules.since_joining": "on",
        "rules.daily_cap.distance": "15000",
        "rules.allowed_sources": ["watch", "ring"],
        "apps": "com.example.walk\r\n",
        "rules.backfill_days": "3",
        "rules.merge": "preferred",
        "rules.preference[0]": "phone",
        "rules.checks.outlier": "off",
    }
    del counts["rules.manual_entries"]
    walk.answer_all(counts=counts, money=PAID)
    page = walk.read("read-and-publish")
    assert "Prizes: 1st place 70 % of the pool, 2nd to 3rd place each 15 % of the pool." in page
    assert "595.00 EUR" in page  # 500 and what of ten fees goes into the pool
    assert "416.50 EUR" in page

    answer = walk.press("publish")
    made, plan = Competition.objects.get(), PrizePlan.objects.get()
    assert (made.entry_fee_minor, made.prize_pool_minor, made.currency, made.score_source) == (
        1000,
        50_000,
        "EUR",
        "synced",
    )
    assert (made.metric, made.weights, made.tie_rule) == (
        "weighted",
        {"steps": "1", "active_minutes": "12.5"},
        "shared",
    )
    assert made.stored_policy == {
        "merge": "preferred",
        "preference": ["phone"],
        "since_joining": True,
        "daily_cap": {"distance_mm": 15_000_000},
        "allowed_sources": ["com.example.walk", "ring", "watch"],
        "manual_entries": False,
        "backfill_days": 3,
        "checks": {"outlier": "off"},
    }
    assert plan.document == {
        "places": [{"first": 1, "last": 1, "percent": "70"}, {"first": 2, "last": 3, "percent": "15"}],
        "target": None,
        "leftover": "roll_over",
        "platform_fee_percent": "5",
        "fee_share_percent": "100",
    }
    assert "It promises 500.00 EUR for the prizes." in walk.client.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("money", "places", "share"),
    [
        ({"places": "winner"}, [{"first": 1, "last": 1, "percent": "100"}], "100"),
        ({"places": "first_three"}, DEFAULT["places"], "100"),
        ({"places": "none"}, DEFAULT["places"], "0"),
        (
            {"places": "amount", "places[0].first": "1", "places[0].worth": "9.99"},
            [{"first": 1, "last": 1, "amount_minor": 999}],
            "100",
        ),
        ({"places": "target", "target": "100000"}, [], "100"),
    ],
)
def test_each_way_to_divide_a_pool(walk: Walk, money: dict[str, str], places: list[Any], share: str) -> None:
    walk.answer_all(money=FREE | {"entry_fee": "5", "prize_pool": "20"} | money)
    walk.press("draft")
    made, plan = Competition.objects.get(), PrizePlan.objects.get().document
    assert (made.status, made.prize_pool_minor) == ("draft", 0 if money["places"] == "none" else 2000)
    assert (plan["places"], plan["fee_share_percent"]) == (places, share)
    assert plan["target"] == (100_000 if money["places"] == "target" else None)


WRONG: list[tuple[str, dict[str, str], str, dict[str, Any]]] = [
    ("what", {"name": ""}, "name", {"name": ""}),
    ("what", {"name": "x" * 121}, "name", {"name": "x" * 121}),
    ("what", {"type": "custom"}, "end_date", {"type": "custom"}),
    ("what", {"end_date": "2090-06-01"}, "end_date", {"end_date": "2090-06-01"}),
    ("what", {"start_date": "soon"}, "start_date", {"start_date": "soon"}),
    ("what", {"timezone": "Berlin"}, "timezone", {"timezone": "Berlin"}),
    ("what", {"grace_hours": "721"}, "grace_hours", {"grace_hours": "721"}),
    ("counts", {"metric": "weighted"}, "weights.steps", {"metric": "weighted"}),
    (
        "counts",
        {"metric": "weighted", "weights.distance": "-1"},
        "weights.distance",
        {"metric": "weighted", "weights": {"distance": "-1"}},
    ),
    ("counts", {"rules.daily_cap.steps": "0"}, "rules.daily_cap.steps", {"rules": {"daily_cap": {"steps": "0"}}}),
    ("counts", {"rules.backfill_days": "x"}, "rules.backfill_days", {"rules": {"backfill_days": "x"}}),
    (
        "counts",
        {"rules.merge": "preferred", "rules.preference[0]": "ring", "rules.preference[3]": "ring"},
        "rules.preference[0]",
        {"rules": {"preference": ["ring", "ring"]}},
    ),
    ("people", {"max_participants": "0"}, "max_participants", {"max_participants": "0"}),
    ("money", {"entry_fee": "1,50"}, "entry_fee", {"entry_fee": "1,50"}),
    (
        "money",
        {"places": "winner", "currency": "JPY", "prize_pool": "0.5"},
        "prize_pool",
        {"currency": "JPY", "prize_pool": "0.5"},
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "answers", "question", "body"), WRONG)
def test_what_is_wrong_is_said_beside_its_question_in_the_words_of_the_api(
    walk: Walk,
    signed_in: Callable[[User], Any],
    organiser: User,
    part: str,
    answers: dict[str, str],
    question: str,
    body: dict[str, Any],
) -> None:
    parts = {"what": WHAT, "counts": COUNTS, "people": PEOPLE, "money": FREE}
    for step, (name, usual) in zip(STEPS, parts.items(), strict=False):
        if name == part:
            assert walk.say(step, usual | answers) == walk.at(step)
            break
        walk.say(step, usual)
    page = walk.read(step)
    whole = {"name": "Lake walk", "type": "weekly", "start_date": "2090-06-05", "timezone": "Europe/Berlin"} | body
    refused = signed_in(organiser).post("/api/v1/competitions", whole, format="json")
    ((_, (sentence,)),) = refused.json()["details"].items()
    assert complaints(page) == {question: sentence}
    assert f'href="#id_{question}"' in page
    for value in answers.values():
        assert value in page
    assert walk.client.get(walk.at("read-and-publish"))["Location"] == walk.at(step)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "question", "plan"),
    [
        ({}, "places", {}),
        ({"places[0].worth": "101"}, "places[0].worth", {"places": [{"first": 1, "percent": "101"}]}),
        (
            {"places[0].worth": "60", "places[3].worth": "60"},
            "places[3].first",
            {"places": [{"first": 1, "percent": "60"}, {"percent": "60"}]},
        ),
        (
            {"places[0].worth": "60", "places[3].first": "2"},
            "places[3].worth",
            {"places": [{"first": 1, "percent": "60"}, {"first": 2}]},
        ),
        (
            {"places[0].worth": "60", "places[1].first": "1", "places[1].worth": "1"},
            "places",
            {"places": [{"first": 1, "percent": "60"}, {"first": 1, "percent": "1"}]},
        ),
        (
            {"places": "amount", "places[0].worth": "0.001"},
            "places[0].worth",
            {"places": [{"first": 1, "amount": "0.001"}]},
        ),
        (
            {"places": "amount", "places[0].worth": "60"},
            "places",
            {"places": [{"first": 1, "amount": "60"}]},
        ),
        ({"places": "target", "target": "0"}, "target", {"target": "0"}),
        ({"platform_fee_percent": "x"}, "platform_fee_percent", {"platform_fee_percent": "x"}),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_as_the_plans_own_api_says_it(
    walk: Walk,
    signed_in: Callable[[User], Any],
    organiser: User,
    make_competition: Callable[..., Competition],
    answers: dict[str, str],
    question: str,
    plan: dict[str, Any],
) -> None:
    for step, usual in zip(STEPS, (WHAT, COUNTS, PEOPLE), strict=False):
        walk.say(step, usual)
    money = FREE | {"places": "percent", "places[0].first": "1"} | answers
    if question == "platform_fee_percent":
        money["places[0].worth"] = "60"
    walk.say("money", money)
    upcoming = make_competition(starts=2, ends=9, owner=organiser, currency="EUR")
    refused = signed_in(organiser).put(f"/api/v1/prizes/plan/{upcoming.id}", plan, format="json")
    ((_, (sentence,)),) = refused.json()["details"].items()
    assert complaints(walk.read("money")) == {question: sentence}


def test_one_goes_back_and_forth_and_loses_nothing(walk: Walk) -> None:
    walk.say("what-and-when", WHAT)
    assert walk.say("what-counts", {"metric": "distance", "rules.daily_cap.steps": "many"}, go="back") == walk.at(
        STEPS[0]
    )
    assert 'value="Lake walk"' in walk.read("what-and-when")
    assert walk.say("what-and-when", WHAT | {"name": "Sea walk"}, go="what-counts") == walk.at("what-counts")
    page = walk.read("what-counts")
    assert 'value="many"' in page
    assert re.search(r'value="distance"[^>]*checked', page)
    assert 'aria-current="step">What counts' in page
    # Another page is nowhere to be had before this one is answered.
    assert walk.client.get(walk.at("money"))["Location"] == walk.at("what-counts")
    assert walk.say("what-counts", COUNTS, go="money") == walk.at("money")
    assert walk.client.get(walk.at("money"))["Location"] == walk.at("who-takes-part")


@pytest.mark.slow
def test_there_is_room_for_as_many_prizes_as_one_likes(walk: Walk) -> None:
    for step, usual in zip(STEPS, (WHAT, COUNTS, PEOPLE), strict=False):
        walk.say(step, usual)
    assert 'name="places[5].first"' not in walk.read("money")
    assert walk.say("money", PAID, go="again") == walk.at("money")
    page = walk.read("money")
    assert 'name="places[9].first"' in page
    assert re.search(r'name="places\[2\].worth" value="15"', page)
    walk.say("money", PAID | {"places[9].first": "9"})
    assert complaints(walk.read("money")).keys() == {"places[9].worth"}


def test_what_was_left_half_way_is_gone_on_with_and_two_do_not_mix(walk: Walk) -> None:
    walk.say("what-and-when", WHAT)
    begun = unescape(walk.client.get(reverse("admin:new_competition")).content.decode())
    other = UUID(re.findall(r'class="button[^"]*" href="[^"]*of=([\w-]+)"', begun)[0])
    assert "Lake walk" in begun
    assert other != walk.id
    walk.say("what-and-when", WHAT | {"name": "Sea walk"}, of=other)
    assert 'value="Lake walk"' in walk.read("what-and-when")
    assert 'value="Sea walk"' in walk.read("what-and-when", of=other)
    goes_on = walk.client.get(walk.at("read-and-publish", of=other))
    assert goes_on["Location"] == walk.at("what-counts", of=other)

    walk.client.post(f"{reverse('admin:new_competition')}?of={other}")
    begun = walk.client.get(reverse("admin:new_competition")).content.decode()
    assert ("Lake walk" in begun, "Sea walk" in begun) == (True, False)


def test_what_is_published_is_what_was_read(walk: Walk) -> None:
    walk.answer_all()
    read = re.search(r'name="seen" value="(\w+)"', walk.read("read-and-publish"))
    assert read
    walk.say("what-and-when", WHAT | {"name": "Sea walk"})
    answer = walk.client.post(walk.at("read-and-publish"), {"go": "publish", "seen": read[1]})
    assert "The answers have changed since you opened this page." in answer.content.decode()
    assert not Competition.objects.exists()


def test_what_has_begun_already_can_be_made_with_its_plan(walk: Walk) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    walk.answer_all(what=WHAT | {"start_date": yesterday}, money=PAID)
    walk.press("publish")
    made = Competition.objects.get()
    assert (made.status, made.rules_version) == ("active", 1)
    assert PrizePlan.objects.get().competition_id == made.id


@pytest.mark.slow
def test_a_second_click_makes_nothing_and_shows_what_was_made(walk: Walk) -> None:
    walk.answer_all()
    seen = re.search(r'name="seen" value="(\w+)"', walk.read("read-and-publish"))
    assert seen
    clicks = [walk.client.post(walk.at("read-and-publish"), {"go": "publish", "seen": seen[1]}) for _ in range(2)]
    assert {click["Location"] for click in clicks} == {reverse("admin:competitions_competition_change", args=[walk.id])}
    assert Competition.objects.count() == 1
    assert walk.client.get(walk.at("money")).status_code == 302  # nor does the way back


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one(make_staff: MakeStaff) -> None:
    walk = Walk(make_staff("organiser"))
    walk.answer_all()
    seen = re.search(r'name="seen" value="(\w+)"', walk.read("read-and-publish"))
    assert seen

    def click(_: int) -> int:
        client = Client()
        client.cookies = walk.client.cookies
        try:
            return client.post(walk.at("read-and-publish"), {"go": "publish", "seen": seen[1]}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(click, range(4))) == {302}
    assert Competition.objects.count() == 1


@pytest.mark.parametrize("role", ["support", "reviewer", "treasurer"])
def test_only_who_may_make_competitions_comes_in(make_staff: MakeStaff, role: str) -> None:
    client = open_panel(make_staff(role))
    assert client.get(reverse("admin:new_competition")).status_code == 403
    assert client.post(reverse("admin:new_competition_step", args=["money"])).status_code == 403
    assert b"New competition" not in client.get(reverse("admin:competitions_competition_changelist")).content


def test_whoever_may_add_competitions_comes_in_too_and_the_list_leads_there(
    walk: Walk, make_person: MakePerson
) -> None:
    adder = make_person("Adder", is_staff=True)
    adder.user_permissions.add(Permission.objects.get(codename="add_competition"))
    assert Walk(adder).address
    listed = walk.client.get(reverse("admin:competitions_competition_changelist")).content.decode()
    assert "New competition" in listed
    led = walk.client.get(reverse("admin:competitions_competition_new_competition"))
    assert led["Location"] == reverse("admin:new_competition")


@pytest.mark.slow
def test_nobody_makes_anything_under_the_id_of_somebody_elses(walk: Walk, make_staff: MakeStaff) -> None:
    walk.answer_all()
    walk.press("publish")
    stranger = Walk(make_staff("organiser", name="Stranger"))
    assert stranger.client.get(walk.at("money")).status_code == 404
    assert stranger.client.post(walk.at("what-and-when"), WHAT).status_code == 404


@pytest.mark.parametrize("where", ["nowhere/?of={id}", "money/", "money/?of=x", "money/?of=\x00"])
def test_an_address_that_leads_nowhere_is_no_error_of_the_server(walk: Walk, where: str) -> None:
    answer = walk.client.get(reverse("admin:new_competition") + where.format(id=walk.id))
    assert answer.status_code in (302, 404)


@pytest.mark.slow
def test_the_preview_calls_nothing_left_over_where_the_pool_is_too_small(walk: Walk) -> None:
    money = {"places": "amount", "places[0].first": "1", "places[0].worth": "3000", "currency": "JPY"}
    people = {"visibility": "open", "max_participants": "1"}
    walk.answer_all(people=people, money=money | {"entry_fee": "500", "prize_pool": "1000", "fee_share_percent": "50"})
    said = " ".join(re.sub("<[^>]*>", " ", walk.read("read-and-publish")).split())
    assert "Prize pool 1,250 JPY Too little for the prizes by 1,750 JPY The organiser's part 250 JPY" in said
