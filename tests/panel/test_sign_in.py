"""One-time codes: nothing of the panel opens before one was given."""

from typing import Any

import pytest
from django.contrib.admin import site
from django.core.management import CommandError, call_command
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.services.people import erase_person
from config.core.audit import acting
from config.panel.policy import CONTENT_SECURITY_POLICY
from tests.conftest import open_panel
from tests.panel.conftest import MakeVisitor
from tests.panel.door import CODE, CONFIRM, ENROL, LOG_IN, Visitor, code_of, text_of, wrong_code_for

pytestmark = pytest.mark.django_db

EVERYWHERE = [
    "/admin/",
    "/admin/jsi18n/",
    "/admin/autocomplete/?app_label=accounts&model_name=user&field_name=groups&term=a",
    "/admin/search/?s=a",
    "/admin/password_change/",
    "/admin/insights/",
    "/admin/insights/x.csv",
    "/admin/new-competition/",
    "/admin/sign-in/codes/",
    "/admin/nothing/",
    *(f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in site._registry),
    *(f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/" for model in site._registry),
]


def test_nothing_opens_with_a_password_alone(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(is_superuser=True, enrolled=True)
    assert "One-time code" in text_of(visitor.logs_in())
    for address in EVERYWHERE:
        for answer in (visitor.client.get(address), visitor.client.post(address, {"action": "revoke"})):
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOG_IN), address
            assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert open_panel(visitor.person).get("/admin/accounts/user/").status_code == 200, "the same person, with a code"


def test_a_code_opens_the_panel_once_and_the_session_gets_a_new_key(tess: Visitor, app: TOTPDevice) -> None:
    tess.logs_in()
    before, code = tess.client.session.session_key, code_of(app)
    assert tess.gives(code)["Location"] == "/admin/"
    assert tess.may_enter()
    assert tess.client.session.session_key != before
    twin = Visitor(tess.person)
    twin.logs_in()
    assert "was used before" in text_of(twin.gives(code))
    assert not twin.may_enter()


def test_a_wrong_code_opens_nothing_and_the_next_has_to_wait(tess: Visitor, app: TOTPDevice) -> None:
    tess.logs_in()
    answer = tess.gives(wrong_code_for(app))
    assert 'role="alert"' in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert 'aria-describedby="id_code_helptext id_code_error"' in answer.content.decode()
    assert "has to wait: 1 seconds" in text_of(tess.gives(code_of(app))), "even the right one"
    TOTPDevice.objects.update(throttling_failure_timestamp=None)
    assert tess.gives(code_of(app)).status_code == 302


@pytest.mark.slow
def test_who_has_no_authenticator_sets_one_up_before_anything_opens(make_visitor: MakeVisitor) -> None:
    newcomer = make_visitor("support")
    page = newcomer.logs_in()
    assert "Set up one-time codes" in text_of(page)
    assert 'autocomplete="one-time-code"' in page.content.decode()
    assert 'inputmode="numeric"' in page.content.decode()
    assert not TOTPDevice.objects.exists(), "nothing is kept before a code came back"
    assert not newcomer.may_enter()
    codes = newcomer.enrols()
    assert len(set(codes)) == 10
    assert newcomer.may_enter()
    trail = open_panel(make_visitor(is_superuser=True).person).get(f"/admin/audit/accounts/user/{newcomer.person.id}/")
    assert f"{newcomer.person.name} made the authenticator." in text_of(trail)
    assert not any(code in newcomer.client.get("/admin/sign-in/codes/").content.decode() for code in codes)
    lost = Visitor(newcomer.person)
    lost.logs_in()
    assert lost.gives(f" {codes[0].upper()} ").status_code == 302
    assert lost.may_enter()
    again = Visitor(newcomer.person)
    again.logs_in()
    assert again.gives(codes[0]).status_code == 200, "each works once"
    assert StaticToken.objects.count() == 9


def test_a_code_that_does_not_fit_enrols_nobody(make_visitor: MakeVisitor) -> None:
    newcomer = make_visitor("support")
    newcomer.logs_in()
    form = {"key": newcomer.client.get(ENROL).context["key"], "code": "000000"}
    wrong = newcomer.client.post(ENROL, form)
    assert wrong.context["key"] == form["key"], "the same picture stays"
    newcomer.client.post(ENROL, {"key": "forged", "code": "000000"})
    assert not TOTPDevice.objects.exists()
    other = make_visitor("support")
    other.logs_in()
    assert other.client.post(ENROL, form).context["key"] != form["key"], "a key is for whom it was shown to"


def test_a_stolen_password_replaces_no_authenticator(tess: Visitor, app: TOTPDevice) -> None:
    tess.logs_in()
    for page in (ENROL, CONFIRM):
        assert tess.client.get(page)["Location"].startswith(CODE)
        assert tess.client.post(page, {"code": "1"})["Location"].startswith(CODE)
    assert TOTPDevice.objects.get() == app


def test_one_replaces_ones_authenticator_and_recovery_codes(tess: Visitor, app: TOTPDevice) -> None:
    tess.client = open_panel(tess.person)
    elsewhere = open_panel(tess.person)
    old = tess.enrols()
    assert TOTPDevice.objects.get() != app
    assert elsewhere.get("/admin/").status_code == 302, "what the old one opened is closed"
    new = tess.client.post("/admin/sign-in/codes/").context["codes"]
    assert set(StaticToken.objects.values_list("token", flat=True)) == set(new)
    assert not set(new) & set(old)


def test_a_lost_phone_is_reset_by_an_operator_with_a_reason_on_record(tess: Visitor, app: TOTPDevice) -> None:
    inside = open_panel(tess.person)
    with acting(command="reset_staff_codes"):  # as manage.py does around its own commands
        call_command("reset_staff_codes", "tess@example.org", reason="She rang from the number that we know.")
    assert not TOTPDevice.objects.exists()
    assert inside.get("/admin/").status_code == 302
    (event,) = _events("delete")
    assert event.pgh_context["reason"] == "She rang from the number that we know."
    assert "Set up one-time codes" in text_of(tess.logs_in())
    with pytest.raises(CommandError, match="Nobody has"):
        call_command("reset_staff_codes", "nobody@example.org", reason="x")


def test_a_superuser_resets_somebody_elses_codes(tess: Visitor, app: TOTPDevice, staff: User) -> None:
    page = f"/admin/sign-in/reset/{tess.person.id}/"
    assert open_panel(tess.person).post(page, {"reason": "x"}).status_code == 403
    boss = open_panel(staff)
    assert page in boss.get(f"/admin/accounts/user/{tess.person.id}/change/").content.decode()
    assert boss.post(page, {"reason": ""}).status_code == 200
    assert TOTPDevice.objects.filter(user=tess.person).exists()
    assert boss.post(page, {"reason": "We met."}).status_code == 302
    assert not TOTPDevice.objects.filter(user=tess.person).exists()
    (event,) = _events("delete")
    assert (event.pgh_context["reason"], event.pgh_context["user"]) == ("We met.", str(staff.id))


def test_after_a_reset_a_session_alone_sets_up_nothing(tess: Visitor, app: TOTPDevice) -> None:
    thief = open_panel(tess.person)
    session = thief.session
    session["password_at"] -= 3600
    session.save()
    call_command("reset_staff_codes", "tess@example.org", reason="Stolen with the laptop.")
    assert thief.get(ENROL)["Location"].startswith(CONFIRM), "it takes the password"


def test_the_trail_and_the_panel_hold_no_secrets(app: TOTPDevice) -> None:
    (event,) = _events("insert")
    assert {field.name for field in event._meta.get_fields()} >= {"user", "confirmed", "pgh_context"}
    assert not {field.name for field in event._meta.get_fields()} & {"key", "last_t"}
    assert not any(issubclass(model, TOTPDevice | StaticDevice | StaticToken) for model in site._registry)


def test_with_debug_only_those_are_asked_who_have_an_authenticator(
    tess: Visitor, make_visitor: MakeVisitor, settings: Any
) -> None:
    settings.STAFF_CODES_REQUIRED = False  # what DEBUG makes of it
    demo = make_visitor("support")
    demo.logs_in()
    assert demo.may_enter()
    tess.logs_in()
    assert not tess.may_enter()


def test_one_may_leave_before_the_code(tess: Visitor) -> None:
    tess.logs_in()
    assert tess.client.get("/admin/sign-in/leave/").status_code == 405
    assert tess.client.post("/admin/sign-in/leave/")["Location"] == LOG_IN
    assert "_auth_user_id" not in tess.client.session


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"])
def test_the_way_back_stays_on_this_site(tess: Visitor, app: TOTPDevice, elsewhere: str) -> None:
    tess.logs_in()
    answer = tess.client.post(CODE, {"code": code_of(app), "next": elsewhere})
    assert answer["Location"] == "/admin/"


def test_strangers_find_only_the_log_in(client: Any, person: User) -> None:
    client.force_login(person)
    for page in (CODE, ENROL, CONFIRM, "/admin/sign-in/codes/"):
        assert client.get(page)["Location"].startswith(LOG_IN)


def test_refusals_of_the_panel_carry_its_policy(tess: Visitor) -> None:
    inside = open_panel(tess.person, enforce_csrf_checks=True)
    gone, forbidden = inside.get("/admin/nothing/"), inside.get(f"/admin/sign-in/reset/{tess.person.id}/")
    unasked = inside.post("/admin/sign-in/codes/")
    assert [answer.status_code for answer in (gone, forbidden, unasked)] == [404, 403, 403]
    for answer in (gone, forbidden, unasked):
        assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_an_erased_persons_codes_are_forgotten(tess: Visitor, app: TOTPDevice, now: Any) -> None:
    erase_person(user_id=tess.person.id, now=now)
    assert not TOTPDevice.objects.exists()


def _events(label: str) -> Any:
    from accounts.models import AuthenticatorAudit  # type: ignore[attr-defined]  # pghistory makes it

    return AuthenticatorAudit.objects.filter(pgh_label=label)
