"""The proof that is asked for before money moves."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Scope, ServiceKey, User
from competitions.models import Competition
from prizes.admin.steps import WithSteps
from prizes.models import Settlement, TreasuryAction
from tests.conftest import open_panel
from tests.panel.door import CONFIRM, ENROL, PASSWORD, Visitor, code_of, let_pass, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def over(make_competition: Any) -> Competition:
    """With a pool of 100 EUR that nobody has confirmed yet."""
    long_ago = datetime.now(UTC) - timedelta(days=12)
    competition: Competition = make_competition(
        starts=-10, ends=-5, created_at=long_ago, grace_hours=0, prize_pool_minor=10_000, currency="EUR"
    )
    return competition


def step_of(competition: Competition, step: str) -> str:
    return f"/admin/prizes/settlement/{competition.id}/step/{step}/"


@pytest.mark.slow
def test_every_step_asks_for_the_proof_first(tess: Visitor, over: Competition) -> None:
    inside = open_panel(tess.person)
    (settlement,) = (admin for model, admin in site._registry.items() if model is Settlement)
    assert isinstance(settlement, WithSteps)
    steps = [step.name for step in settlement.steps]
    assert {"distribute", "approve", "refund", "fund", "pay-organiser"} <= set(steps)
    assert {inside.get(step_of(over, step)).status_code for step in steps} == {200}, "a moment ago"
    let_pass(inside, "password_at", "code_at")
    for step in steps:
        answer = inside.get(step_of(over, step))
        assert answer["Location"] == f"{CONFIRM}?next={quote(step_of(over, step), safe='')}"
        assert inside.post(step_of(over, step), {"reason": "x"})["Location"] == answer["Location"]
    assert not TreasuryAction.objects.exists()


def test_a_service_key_takes_the_proof(staff: User) -> None:
    """It may distribute prizes, and asks nobody for a code."""
    inside, form = open_panel(staff), {"name": "bank", "scopes": [Scope.PRIZES_DISTRIBUTE.value]}
    let_pass(inside, "code_at")
    assert inside.post("/admin/accounts/servicekey/add/", form)["Location"].startswith(CONFIRM)
    assert not ServiceKey.objects.exists()
    let_pass(inside, "code_at", minutes=-11)
    inside.post("/admin/accounts/servicekey/add/", form)
    assert ServiceKey.objects.get().name == "bank"


@pytest.mark.slow
def test_whoever_hands_out_power_proves_who_they_are(staff: User, other: User) -> None:
    inside = open_panel(staff)
    person, role = f"/admin/accounts/user/{other.pk}/change/", f"/admin/auth/group/{Group.objects.all()[0].pk}/change/"
    let_pass(inside, "code_at", minutes=11)
    for address in (person, role):
        assert inside.get(address).status_code == 200
        assert inside.post(address, {"is_superuser": "on", "name": "all"})["Location"].startswith(CONFIRM)
    assert not User.objects.filter(pk=other.pk, is_superuser=True).exists()


@pytest.mark.parametrize("older", ["password_at", "code_at"])
def test_both_have_to_be_fresh(tess: Visitor, over: Competition, older: str) -> None:
    inside = open_panel(tess.person)
    let_pass(inside, older, minutes=9)
    assert inside.get(step_of(over, "fund")).status_code == 200
    let_pass(inside, older, minutes=2)
    assert inside.get(step_of(over, "fund"))["Location"].startswith(CONFIRM)


@pytest.mark.slow
def test_what_was_written_is_still_there_after_the_proof(tess: Visitor, app: TOTPDevice, over: Competition) -> None:
    inside = open_panel(tess.person)
    fund = step_of(over, "fund")
    seen = re.search(r'name="seen" value="(\w+)"', inside.get(fund).content.decode())
    assert seen
    written = {"amount": "100", "reference": "bank 4711", "reason": "It is on our account.", "seen": seen.group(1)}
    let_pass(inside, "password_at", "code_at")
    asked = inside.post(fund, written, follow=True)
    assert "Nothing was done: more than ten minutes" in text_of(asked)
    proof = {"password": PASSWORD, "code": code_of(app), "next": fund}
    back = inside.post(CONFIRM, proof, follow=True)
    assert back.redirect_chain == [(fund, 302)]
    assert not TreasuryAction.objects.exists(), "it is read again before it is done"
    for answer in ("bank 4711", "It is on our account."):
        assert answer in back.content.decode()
    assert "bank 4711" not in inside.get(fund).content.decode(), "kept once"
    assert inside.post(fund, written).status_code == 302
    assert TreasuryAction.objects.get().by == tess.person


@pytest.mark.parametrize("wrong", ["password", "code"])
def test_a_proof_is_both_the_password_and_a_fresh_code(tess: Visitor, app: TOTPDevice, wrong: str) -> None:
    inside = open_panel(tess.person)
    let_pass(inside, "password_at", "code_at")
    used = code_of(app)
    assert inside.post(CONFIRM, {"password": PASSWORD, "code": used}).status_code == 302
    let_pass(inside, "password_at", "code_at")
    proof = {"password": PASSWORD, "code": code_of(app)} | (
        {"password": "x"} if wrong == "password" else {"code": used}
    )
    answer = inside.post(CONFIRM, proof)
    assert answer.status_code == 200
    assert ("not your password" if wrong == "password" else "used before") in text_of(answer)
    assert inside.get(ENROL)["Location"].startswith(CONFIRM), "still unproven"


def test_somebody_elses_password_proves_nothing(tess: Visitor, app: TOTPDevice, make_visitor: Any) -> None:
    other = make_visitor("support")
    inside = open_panel(tess.person)
    form = {"username": other.person.email, "password": "not-hers", "code": code_of(app)}
    other.person.set_password("not-hers")
    other.person.save()
    assert "not your password" in text_of(inside.post(CONFIRM, form))


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_the_proof_leads_nowhere_else(tess: Visitor, app: TOTPDevice, elsewhere: str) -> None:
    inside = open_panel(tess.person)
    answer = inside.post(CONFIRM, {"password": PASSWORD, "code": code_of(app), "next": elsewhere})
    assert answer["Location"] == "/admin/"
    assert "evil" not in inside.get(CONFIRM, {"next": elsewhere}).content.decode()


def test_the_log_in_itself_is_a_proof(tess: Visitor, app: TOTPDevice, over: Competition) -> None:
    tess.logs_in()
    tess.gives(code_of(app))
    assert tess.client.get(step_of(over, "fund")).status_code == 200


def test_old_passwords_are_not_guessed_where_a_new_one_is_set(tess: Visitor) -> None:
    inside = open_panel(tess.person)
    let_pass(inside, "password_at", "code_at")
    assert inside.post("/admin/password_change/", {"old_password": "x"})["Location"].startswith(CONFIRM)
