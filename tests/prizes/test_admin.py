"""The treasurer's panel, as a treasurer, other staff and a hasty hand meet it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.models import User
from competitions.models import Competition, Seat
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import reserve_seat
from leaderboards.queries import final_standings
from leaderboards.settling import correct_standings
from prizes.actors import Actor
from prizes.models import (
    AwardList,
    Distribution,
    Entry,
    GatewayEvent,
    Payment,
    PaymentState,
    Purpose,
    SandboxFault,
    Settlement,
    Transfer,
    TransferState,
    TreasuryAction,
)
from prizes.plans import DEFAULT
from prizes.services.distribution import award_prizes, distribute_prizes
from prizes.services.fees import open_checkout
from prizes.services.funding import confirm_funding
from tests.conftest import MakeCompetition, MakePerson, open_panel
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # pages of a whole panel

REASON = "The minutes of Monday say so."
STEPS = ("settle", "calculate", "fund", "distribute", "approve", "refund", "pay-organiser")


class Desk:
    """Somebody in front of the panel."""

    def __init__(self, person: User, *, enforce_csrf_checks: bool = False) -> None:
        self.person = person
        self.client = open_panel(person, enforce_csrf_checks=enforce_csrf_checks)

    def opens(self, row: Any) -> str:
        """The text of a row's page."""
        answer = self.client.get(f"{path_of(row)}change/")
        assert answer.status_code == 200
        return text_of(answer)

    def reads(self, row: Any, step: str) -> str:
        """What a step's page announces."""
        answer = self.client.get(f"{path_of(row)}step/{step}/")
        assert answer.status_code == 200
        return text_of(answer)

    def form_of(self, row: Any, step: str, **answers: Any) -> dict[str, Any]:
        page = self.client.get(f"{path_of(row)}step/{step}/").content.decode()
        seen = re.search(r'name="seen" value="(\w+)"', page)
        return {"reason": REASON, **answers, "seen": seen.group(1) if seen else ""}

    def sends(self, row: Any, step: str, form: dict[str, Any]) -> str:
        """What the next page says."""
        answer = self.client.post(f"{path_of(row)}step/{step}/", form, follow=True)
        assert answer.status_code == 200
        return text_of(answer)

    def takes(self, row: Any, step: str, **answers: Any) -> str:
        return self.sends(row, step, self.form_of(row, step, **answers))


def path_of(row: Any) -> str:
    name = "settlement" if isinstance(row, Competition) else row._meta.model_name
    return f"/admin/prizes/{name}/{row.pk}/"


def text_of(answer: Any) -> str:
    """As somebody reads it: without tags, in one line."""
    page = re.sub(r"<(head|style|script|header|nav)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    plain = strip_tags(re.sub(r"<", " <", page)).replace("&#x27;", "'").replace("&quot;", '"')
    return " ".join(plain.split())


def actions(competition: Competition, action: str) -> list[tuple[User | None, str]]:
    found = TreasuryAction.objects.filter(competition=competition, action=action).select_related("by")
    return [(done.by, done.reason) for done in found]


def prizes_of(competition: Competition) -> list[Transfer]:
    return list(Transfer.objects.filter(competition=competition, purpose=Purpose.PRIZE))


@pytest.fixture
def make_desk(make_person: MakePerson) -> Callable[..., Desk]:
    """Staff who may look at the treasury; a treasurer, unless told otherwise."""

    def make(name: str = "Theo", *, treasurer: bool = True, **options: Any) -> Desk:
        person = make_person(name, is_staff=True)
        may = Permission.objects.filter(content_type__app_label="prizes", codename__startswith="view_")
        person.user_permissions.set(may)
        if treasurer:
            person.user_permissions.add(Permission.objects.get(codename="distribute_prizes"))
        return Desk(User.objects.get(id=person.id), **options)

    return make


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
def second(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk("Zoe")


@pytest.fixture
def clerk(make_desk: Callable[..., Desk]) -> Desk:
    """May look, and no more."""
    return make_desk("Clerk", treasurer=False)


@pytest.fixture
def make_fee(make_competition: MakeCompetition, make_person: MakePerson, settings: Any) -> Callable[..., Payment]:
    """Somebody's entry fee to a competition that is still to start; paid unless it is taken by hand."""

    def make(gateway: str = "sandbox", *, competition: Competition | None = None) -> Payment:
        settings.PAYMENT_GATEWAY = gateway
        entered = competition or make_competition(starts=2, ends=5, entry_fee_minor=1500)
        walker = make_person("Walker")
        now = datetime.now(UTC)
        seat = reserve_seat(competition=entered, user_id=walker.id, join_code=entered.join_code, now=now)
        open_checkout(seat=seat, now=now)
        run_jobs()
        return Payment.objects.get(competition=entered, user=walker)

    return make


def fail(transfer: Transfer) -> Transfer:
    Transfer.objects.filter(id=transfer.id).update(state=TransferState.FAILED, reason="The account is closed.")
    transfer.refresh_from_db()
    return transfer


# --- Every page opens ---


@pytest.fixture
def full_of_everything(
    make_finished: MakeFinished, make_fee: Callable[..., Payment], treasurer: User, second: Desk, settings: Any
) -> list[Competition]:
    """A competition in every state that a treasurer can meet."""
    now, boss = datetime.now(UTC), Actor(treasurer)
    unfunded = make_finished(3, 2, 1, name="Unfunded", funded=False)
    calculated = make_finished(3, 2, 1, name="Calculated")
    award_prizes(competition_id=calculated.id, now=now)
    asked = make_finished(3, 2, 1, name="Asked", pool=900_000)
    distribute_prizes(competition_id=asked.id, actor=boss, now=now)
    waiting = make_finished(3, 2, 1, name="Waiting for accounts")
    distribute_prizes(competition_id=waiting.id, actor=boss, now=now)
    by_key = make_finished(3, 2, 1, name="By a key")
    distribute_prizes(competition_id=by_key.id, actor=Actor(service_key="nightly"), now=now)
    paid = make_finished(3, 2, 1, name="Paid")
    connect_accounts(paid)
    distribute_prizes(competition_id=paid.id, actor=boss, now=now)
    run_jobs()
    corrected = make_finished(3, 2, 1, name="Corrected")
    distribute_prizes(competition_id=corrected.id, actor=boss, now=now)
    correct(corrected, treasurer)
    nothing = make_finished(3, 2, name="No pool", pool=0)
    distribute_prizes(competition_id=nothing.id, actor=boss, now=now)
    yen = make_finished(3, 2, name="Yen", pool=12_345, currency="JPY")
    dinar = make_finished(3, 2, name="Dinar", pool=12_345, currency="KWD")
    GatewayEvent.objects.create(gateway="sandbox", event_id="e1", kind="ignored", received_at=now)
    entered = make_fee().competition
    make_fee("manual")
    settings.PAYMENT_GATEWAY = "sandbox"
    cancelled = make_fee().competition
    cancel_competition(competition_id=cancelled.id, by=treasurer, now=now)
    mixed = make_finished(4, 3, 2, 1, name="Mixed")
    distribute_prizes(competition_id=mixed.id, actor=boss, now=now)
    for transfer, state in zip(prizes_of(mixed), ("failed", "unknown", "cancelled"), strict=True):
        Transfer.objects.filter(id=transfer.id).update(state=state, reason="Something happened.")
    SandboxFault.objects.create(call="transfer", fault="refuse")
    everywhere = [unfunded, calculated, asked, waiting, by_key, paid, corrected, mixed, nothing, yen, dinar]
    return [*everywhere, entered, cancelled]


def correct(competition: Competition, by: User) -> None:
    """The winner is disqualified."""
    final = final_standings(competition.id)
    assert final is not None
    correct_standings(
        competition_id=competition.id,
        by=by,
        reason="A bicycle.",
        disqualify=[final.rows[0].user_id],
        now=datetime.now(UTC),
    )


@pytest.mark.slow
def test_every_page_of_every_model_opens(full_of_everything: list[Competition], desk: Desk, staff: User) -> None:
    for viewer in (desk.client, Desk(staff).client):
        for model, panel in site._registry.items():
            if model._meta.app_label != "prizes":
                continue
            base = f"/admin/prizes/{model._meta.model_name}/"
            for query in ("", "?q=walker", "?q=%00", "?p=999", "?e=1", "?o=1.2.3"):
                assert viewer.get(base + query).status_code in (200, 302), base + query
            rows = list(model._default_manager.all())
            assert rows, f"the world has no {model._meta.model_name}"
            for row in rows:
                assert viewer.get(f"{base}{row.pk}/change/").status_code == 200, row
                for step in getattr(panel, "steps", ()):
                    assert viewer.get(f"{base}{row.pk}/step/{step.name}/").status_code == 200, (row, step.name)


@pytest.mark.slow
def test_opening_pages_changes_nothing(full_of_everything: list[Competition], desk: Desk) -> None:
    tables = (AwardList, Distribution, Entry, Transfer, TreasuryAction)
    before = [table.objects.count() for table in tables]
    for competition in full_of_everything:
        for step in STEPS:
            desk.reads(competition, step)
    assert [table.objects.count() for table in tables] == before
    assert run_jobs() == []


def test_money_is_shown_with_the_decimals_of_its_currency(full_of_everything: list[Competition], desk: Desk) -> None:
    pages = {competition.name: desk.opens(competition) for competition in full_of_everything}
    assert "Promised pool 12,345 JPY" in pages["Yen"]
    assert "Promised pool 12.345 KWD" in pages["Dinar"]
    assert "Promised pool 9,000.00 USD" in pages["Asked"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waits_for", "expected"),
    [
        ("funding", {"Unfunded"}),
        ("distribution", {"Unfunded", "Calculated", "Corrected", "Yen", "Dinar"}),
        ("approval", {"Asked"}),
        ("failed", {"Mixed"}),
    ],
)
def test_the_list_says_what_waits_for_a_treasurer(
    full_of_everything: list[Competition], desk: Desk, waits_for: str, expected: set[str]
) -> None:
    page = desk.client.get(f"/admin/prizes/settlement/?waits_for={waits_for}").content.decode()
    assert set(re.findall(r'<th class="field-name[^>]*>\s*<a [^>]*>([^<]*)</a>', page)) == expected


def test_the_list_says_how_far_every_competition_is(full_of_everything: list[Competition], desk: Desk) -> None:
    page = desk.client.get("/admin/prizes/settlement/").content.decode()
    row = re.compile(r"field-name[^>]*>\s*<a [^>]*>([^<]*)</a>.*?field-prizes[^>]*>\s*([^<]*?)\s*<", re.DOTALL)
    told = dict(row.findall(page))
    assert told["Unfunded"] == "not calculated"
    assert told["Calculated"] == "calculated"
    assert told["Asked"] == "waits for approval"
    assert told["Waiting for accounts"] == "3 on the way"
    assert told["Paid"] == "3 paid"
    assert told["Corrected"] == "corrected, to be calculated again"
    assert told["Mixed"] == "1 on the way, 1 failed"
    assert told["No pool"] == "nothing to transfer"
    assert told["Lake walk"] == "–"


@pytest.mark.parametrize("model", ["settlement", "transfer", "entry", "account", "treasuryaction"])
def test_a_list_takes_as_many_statements_for_many_rows_as_for_few(
    make_finished: MakeFinished, treasurer: User, desk: Desk, model: str
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert desk.client.get(f"/admin/prizes/{model}/").status_code == 200
        return len(caught)

    distribute_prizes(competition_id=make_finished(2, 1).id, actor=Actor(treasurer), now=datetime.now(UTC))
    statements()  # the first page fills caches
    few = statements()
    for _ in range(4):
        distribute_prizes(competition_id=make_finished(3, 2, 1).id, actor=Actor(treasurer), now=datetime.now(UTC))
    assert statements() == few


def test_a_competition_page_takes_as_many_statements_for_many_people_as_for_few(
    make_finished: MakeFinished, treasurer: User, desk: Desk
) -> None:
    def statements(competition: Competition) -> int:
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=datetime.now(UTC))
        with CaptureQueriesContext(connection) as caught:
            desk.opens(competition)
        return len(caught)

    statements(make_finished(1))
    assert statements(make_finished(*range(30, 0, -1))) == statements(make_finished(2, 1))


# --- Who may what ---


@pytest.mark.parametrize("step", STEPS)
def test_who_is_no_treasurer_gets_neither_buttons_nor_steps(
    make_finished: MakeFinished, clerk: Desk, step: str
) -> None:
    competition = make_finished(3, 2, 1)
    assert "Distribute" not in clerk.opens(competition)
    address = f"{path_of(competition)}step/{step}/"
    assert clerk.client.get(address).status_code == 403
    assert clerk.client.post(address, {"reason": REASON, "seen": ""}).status_code == 403
    assert not TreasuryAction.objects.filter(by=clerk.person).exists()


def test_a_treasurer_who_may_not_look_takes_no_step(make_finished: MakeFinished, make_person: MakePerson) -> None:
    person = make_person("Blind", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="distribute_prizes"))
    address = f"{path_of(make_finished(2, 1))}step/calculate/"
    assert Desk(person).client.get(address).status_code == 403


def test_who_is_not_staff_is_sent_to_the_log_in(make_finished: MakeFinished, treasurer: User) -> None:
    answer = Desk(treasurer).client.get(f"{path_of(make_finished(2, 1))}step/distribute/")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")


def test_a_step_from_another_page_is_refused(make_finished: MakeFinished, make_desk: Callable[..., Desk]) -> None:
    careful = make_desk("Careful", enforce_csrf_checks=True)
    competition = make_finished(2, 1)
    form = careful.form_of(competition, "calculate")
    assert careful.client.post(f"{path_of(competition)}step/calculate/", form).status_code == 403
    assert not AwardList.objects.exists()


def test_a_step_or_row_that_does_not_exist_says_so(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(2, 1)
    for address in (f"{path_of(competition)}step/burn/", "/admin/prizes/settlement/7/step/settle/"):
        assert "Perhaps it was deleted?" in text_of(desk.client.get(address, follow=True))


def test_nothing_is_deleted_added_or_written_in_the_books(full_of_everything: list[Competition], staff: User) -> None:
    client = Desk(staff).client
    for model in (model for model in site._registry if model._meta.app_label == "prizes"):
        base, row = f"/admin/prizes/{model._meta.model_name}/", model._default_manager.all()[0]
        before = model._default_manager.count()
        assert client.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        assert "delete_selected" not in client.get(base).content.decode()
        chosen = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
        answers = [client.post(base, chosen), client.put(base)]
        if model is not SandboxFault:
            answers += [client.post(f"{base}{row.pk}/change/", {"note": "mine"}), client.post(f"{base}add/", {})]
            assert {answer.status_code for answer in answers} == {403}, base
        assert model._default_manager.count() == before


def test_the_sandbox_is_told_to_go_wrong_only_where_there_is_one(staff: User, settings: Any) -> None:
    client, base = Desk(staff).client, "/admin/prizes/sandboxfault/"
    form = {"call": "transfer", "fault": "refuse", "times_left": "2"}
    assert client.post(f"{base}add/", form).status_code == 302
    fault = SandboxFault.objects.get()
    assert client.post(f"{base}{fault.pk}/change/", form | {"times_left": "0"}).status_code == 302
    settings.GATEWAYS = {"stripe"}
    assert client.get(base).status_code == 403
    assert client.get(f"{base}{fault.pk}/change/").status_code == 403
    assert client.post(f"{base}add/", form).status_code == 403
    assert f'href="{base}"' not in client.get("/admin/").content.decode()


def test_the_buttons_are_those_that_work_now(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1, funded=False)
    page = desk.client.get(f"{path_of(competition)}change/").content.decode()
    buttons = re.findall(r'class="button" href="([^"]*)"', page)
    assert buttons == [f"{path_of(competition)}step/{step}/" for step in ("settle", "calculate", "fund")]


# --- From the end of a competition to its money ---


def test_settle_says_who_stands_where_and_makes_it_final(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(300, 200, 100)
    told = desk.reads(competition, "settle")
    assert "The standings of 3 participants become final" in told
    assert "1 Walker 1 300 2 Walker 2 200 3 Walker 3 100" in told
    assert final_standings(competition.id) is None, "reading is not doing"
    assert "The standings are final, number 1." in desk.takes(competition, "settle")
    assert actions(competition, "settle") == [(desk.person, REASON)]
    final = final_standings(competition.id)
    assert final is not None
    assert final.digest in desk.opens(competition)


def test_settle_says_from_when_it_can_be_done(make_competition: MakeCompetition, desk: Desk) -> None:
    running = make_competition()
    for step in ("settle", "calculate", "distribute"):
        told = desk.reads(running, step)
        assert f"The standings become final on {running.closes_at:%-d %b %Y}" in told
        assert "Reason" not in told, "there is nothing to fill in"
    assert "never become final" in desk.reads(make_competition(published=False), "settle")


def test_calculate_shows_the_prizes_before_and_writes_them_down_after(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(300, 200, 100)
    told = desk.reads(competition, "calculate")
    assert "3 prizes, 100.00 USD in all" in told
    assert "1 Walker 1 60.00 USD 2 Walker 2 30.00 USD 3 Walker 3 10.00 USD" in told
    assert "No money moves." in told
    told = desk.takes(competition, "calculate")
    assert "Written down as version 1: 3 prizes, 100.00 USD in all." in told
    assert "1 Walker 1 60.00 USD calculated" in told
    assert actions(competition, "calculate") == [(desk.person, REASON)]
    assert AwardList.objects.get().created_by == desk.person


def test_fund_says_what_is_missing_and_what_is_there_then(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1, funded=False)
    told = desk.reads(competition, "fund")
    assert "Promised: 100.00 USD. Confirmed so far: 0.00 USD. Missing: 100.00 USD." in told
    told = desk.takes(competition, "fund", amount="40.50", reference="bank 7")
    assert "40.50 USD confirmed; that makes 40.50 USD of the promised 100.00 USD." in told
    assert actions(competition, "fund") == [(desk.person, REASON)]
    told = desk.reads(competition, "fund")
    assert "Missing: 59.50 USD" in told
    assert f"40.50 USD bank 7 Theo {REASON}" in told
    desk.takes(competition, "fund", amount="59.50", reference="bank 8")
    told = desk.takes(competition, "fund", amount="5", reference="bank 9")
    assert "Nothing has changed. All of the promised 100.00 USD is confirmed." in told


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"amount": "0", "reference": "b"}, "Write an amount above zero."),
        ({"amount": "1.005", "reference": "b"}, "USD has 2 decimals."),
        ({"amount": "-1", "reference": "b"}, "greater than or equal to 0"),
        ({"amount": "1e30", "reference": "b"}, "no more than 18 digits"),
        ({"amount": "NaN", "reference": "b"}, "Enter a number."),
        ({"amount": "200000", "reference": "b"}, "above the cap that PAYOUT_CAP sets"),
        ({"amount": "1", "reference": " "}, "This field is required."),
        ({"amount": "1", "reference": "b", "reason": " "}, "This field is required."),
        ({"amount": "1", "reference": "b", "from_reserve": "on"}, "The organiser has not that much left over"),
        ({"amount": "1", "reference": "bank 1"}, "Under this reference 40.00 USD was confirmed on"),
    ],
)
def test_a_refusal_is_told_in_the_form_and_nothing_typed_is_lost(
    make_finished: MakeFinished, desk: Desk, answers: dict[str, str], complaint: str
) -> None:
    competition = make_finished(3, 2, 1, funded=False)
    desk.takes(competition, "fund", amount="40", reference="bank 1")
    form = desk.form_of(competition, "fund", **answers)
    answer = desk.client.post(f"{path_of(competition)}step/fund/", form)
    page = answer.content.decode()
    assert complaint in page
    assert "Nothing was done." in page
    assert form["reason"].strip() in page
    assert f'value="{answers["amount"]}"' in page
    assert len(actions(competition, "fund")) == 1, "only the funding before"


def test_distribute_shows_who_gets_what_and_then_it_happens(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1)
    connect_accounts(competition)
    told = desk.reads(competition, "distribute")
    assert "3 transfers go out, 100.00 USD in all, by the gateway sandbox." in told
    assert "No second treasurer needs to approve." in told
    assert "The pool holds 100.00 USD now." in told
    assert "1 Walker 1 60.00 USD 2 Walker 2 30.00 USD 3 Walker 3 10.00 USD" in told
    told = desk.takes(competition, "distribute")
    assert "3 transfers are on the way" in told
    assert "60.00 USD pending" in told
    assert run_jobs() == []
    told = desk.opens(competition)
    assert "Transfers: 3 paid." in told
    assert "60.00 USD paid" in told
    assert f"Theo distribute {REASON}" in told
    assert actions(competition, "distribute") == [(desk.person, REASON)]


def test_distribute_says_who_cannot_be_paid_yet(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1)
    assert "3 winners have no payout account yet" in desk.reads(competition, "distribute")
    desk.takes(competition, "distribute")
    run_jobs()
    told = desk.opens(competition)
    assert "Transfers: 3 waiting for the winner's account." in told
    assert "The winner has not connected a payout account." in told


def test_distribute_without_the_money_says_what_is_missing(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1, funded=False)
    told = desk.opens(competition)
    assert "The pool holds 0.00 USD of 100.00 USD; confirm the rest first." in told
    assert f"{path_of(competition)}step/distribute/" not in told
    assert "confirm the rest first" in desk.takes(competition, "distribute")
    assert not Transfer.objects.exists()


def test_a_plan_of_fixed_amounts_may_ask_for_more_than_was_promised(make_finished: MakeFinished, desk: Desk) -> None:
    """Fees were to fill the gap, and nobody paid one."""
    plan = DEFAULT | {"places": [{"first": 1, "last": 1, "amount_minor": 15_000}]}
    competition = make_finished(3, 2, 1, plan=plan, entry_fee_minor=500)
    told = "The fixed amounts of the prize plan come to more than the pool"
    for step in ("calculate", "distribute"):
        assert told in desk.reads(competition, step)
    assert told in desk.opens(competition)
    desk.takes(competition, "fund", amount="50", reference="bank 2")
    assert "1 transfer goes out, 150.00 USD in all" in desk.reads(competition, "distribute")


def test_distribute_above_the_cap_says_so(make_finished: MakeFinished, desk: Desk, settings: Any) -> None:
    competition = make_finished(3, 2, 1)
    settings.PAYOUT_CAP = {"*": Decimal(99)}
    assert "100.00 USD is more than PAYOUT_CAP allows" in desk.reads(competition, "distribute")


def test_by_hand_every_transfer_is_the_treasurers(make_finished: MakeFinished, desk: Desk, settings: Any) -> None:
    settings.PAYMENT_GATEWAY = "manual"
    competition = make_finished(3)
    assert "you pay each by hand" in desk.reads(competition, "distribute")
    desk.takes(competition, "distribute")
    run_jobs()
    (transfer,) = prizes_of(competition)
    told = desk.reads(transfer, "mark-paid")
    assert "You say that you have paid 100.00 USD to Walker 1 yourself." in told
    assert "counts as paid, reference bank 12" in desk.takes(transfer, "mark-paid", reference="bank 12")
    transfer.refresh_from_db()
    assert (transfer.state, transfer.reference) == ("paid", "bank 12")
    assert actions(competition, "mark_paid") == [(desk.person, REASON)]


def test_a_payment_by_hand_is_given_up(make_finished: MakeFinished, desk: Desk, settings: Any) -> None:
    settings.PAYMENT_GATEWAY = "manual"
    competition = make_finished(3)
    desk.takes(competition, "distribute")
    run_jobs()
    (transfer,) = prizes_of(competition)
    assert "It stays owed" in desk.reads(transfer, "give-up")
    form = desk.form_of(transfer, "give-up")
    assert "is given up; it is still owed." in desk.sends(transfer, "give-up", form)
    assert "Nothing has changed." in desk.sends(transfer, "give-up", form)
    assert actions(competition, "give_up") == [(desk.person, REASON)]
    assert REASON in desk.opens(competition), "the prizes say why it failed"


def test_a_pool_that_nobody_wins_is_told_before_it_goes(make_finished: MakeFinished, desk: Desk) -> None:
    told = desk.reads(make_finished(0, 0), "distribute")
    assert "0 transfers go out, 0.00 USD in all" in told
    assert "100.00 USD of the pool is nobody's prize and goes back to the organiser." in told


# --- The second treasurer ---


@pytest.fixture
def large(make_finished: MakeFinished) -> Competition:
    return make_finished(3, 2, 1, pool=200_000)


def test_large_prizes_wait_for_somebody_else(large: Competition, desk: Desk, second: Desk) -> None:
    told = desk.reads(large, "distribute")
    assert "3 prizes, 2,000.00 USD in all: that is more than 1,000 USD, so another treasurer must approve." in told
    assert "Asked for. Nothing goes out before another treasurer approves." in desk.takes(large, "distribute")
    assert prizes_of(large) == []
    assert "Theo asks for your approval: 3 prizes, 2,000.00 USD in all." in second.opens(large)
    assert "1 Walker 1 1,200.00 USD waits for approval" in second.opens(large)
    told = second.reads(large, "approve")
    assert f"“{REASON}”" in told
    assert "3 transfers go out, 2,000.00 USD in all" in told
    assert "Approved. 3 transfers are on the way" in second.takes(large, "approve", reason="So it is.")
    assert actions(large, "approve") == [(second.person, "So it is.")]
    assert len(prizes_of(large)) == 3
    assert "Zoe approved on" in desk.opens(large)


def test_who_asked_cannot_approve(large: Competition, desk: Desk, second: Desk) -> None:
    desk.takes(large, "distribute")
    told = desk.opens(large)
    assert "You asked for it, so somebody else must approve." in told
    assert 'step/approve/"' not in desk.client.get(f"{path_of(large)}change/").content.decode()
    seen = second.form_of(large, "approve")["seen"]
    told = desk.sends(large, "approve", {"reason": REASON, "seen": seen})
    assert "You asked for it, so somebody else must approve." in told
    assert actions(large, "approve") == []
    assert prizes_of(large) == []


def test_nothing_to_approve_is_told(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1)
    assert "Nothing waits for an approval." in desk.takes(competition, "approve")
    desk.takes(competition, "distribute")
    assert "No approval was needed." in desk.takes(competition, "approve")


# --- Hasty hands, and the world in between ---


@pytest.mark.parametrize("step", ["settle", "calculate", "fund", "distribute"])
def test_a_double_click_does_no_harm(make_finished: MakeFinished, desk: Desk, step: str) -> None:
    competition = make_finished(3, 2, 1, funded=step != "fund")
    form = desk.form_of(competition, step, amount="5", reference="bank 2")
    desk.sends(competition, step, form)
    before = (Entry.objects.count(), Transfer.objects.count(), TreasuryAction.objects.count())
    assert "Nothing has changed." in desk.sends(competition, step, form)
    assert (Entry.objects.count(), Transfer.objects.count(), TreasuryAction.objects.count()) == before


def test_what_has_changed_since_it_was_read_is_not_carried_out(
    make_finished: MakeFinished, desk: Desk, treasurer: User
) -> None:
    competition = make_finished(3, 2, 1)
    desk.takes(competition, "settle")
    form = desk.form_of(competition, "distribute")
    correct(competition, treasurer)
    told = desk.sends(competition, "distribute", form)
    assert "Something has changed since you opened this page." in told
    assert "1 Walker 2" in told, "the page shows what would happen now"
    assert REASON in told
    assert prizes_of(competition) == []
    assert "2 transfers are on the way" in desk.takes(competition, "distribute")


def test_corrected_prizes_send_only_what_is_not_on_its_way(
    make_finished: MakeFinished, desk: Desk, treasurer: User
) -> None:
    competition = make_finished(3, 2, 1)
    desk.takes(competition, "distribute")
    correct(competition, treasurer)
    told = desk.reads(competition, "distribute")
    assert "The standings were corrected: only what is not on its way already goes out." in told
    assert "Withdrawn, because not sent yet: 3 transfers." in told
    assert "2 transfers go out, 100.00 USD in all" in told
    assert "It comes to 2 prizes" in desk.opens(competition)
    desk.takes(competition, "distribute")
    told = desk.opens(competition)
    assert "Version 2, from the standings below." in told
    assert "The standings were corrected." in told, "the withdrawn transfers say why"
    assert [t.state for t in prizes_of(competition)].count("pending") == 2


# --- Giving fees back ---


@pytest.fixture
def over(make_fee: Callable[..., Payment]) -> Competition:
    """It is over, and two have paid 15 USD."""
    competition = make_fee().competition
    make_fee(competition=competition)
    past = datetime.now(UTC) - timedelta(days=9)
    days = past.date()
    Competition.objects.filter(id=competition.id).update(
        start_at=past, end_at=past + timedelta(days=1), closes_at=past + timedelta(days=2), starts_on=days, last_on=days
    )
    competition.refresh_from_db()
    return competition


def test_refund_says_how_many_fees_and_how_much(over: Competition, desk: Desk) -> None:
    told = desk.reads(over, "refund")
    assert "2 entry fees go back to whoever paid, 30.00 USD in all." in told
    assert "Walker 15.00 USD sandbox Walker 15.00 USD sandbox" in told
    assert "2 refunds are on the way." in desk.takes(over, "refund")
    assert actions(over, "refund") == [(desk.person, REASON)]
    assert "Nothing has changed. There is nothing to give back." in desk.takes(over, "refund")
    run_jobs()
    assert "refund Walker 15.00 USD paid" in desk.opens(over)


def test_prizes_that_counted_on_fees_fall_with_them(over: Competition, desk: Desk) -> None:
    desk.takes(over, "calculate")
    assert "The prizes were calculated with these fees" in desk.reads(over, "refund")
    desk.takes(over, "refund")
    assert "Entry fees were given back after the awards were calculated" in desk.opens(over)


def test_fees_stay_while_it_runs_and_once_prizes_are_out(
    make_competition: MakeCompetition, make_finished: MakeFinished, desk: Desk
) -> None:
    assert "cancelling it gives the fees back" in desk.takes(make_competition(), "refund")
    competition = make_finished(3, 2, 1)
    desk.takes(competition, "distribute")
    assert "The prizes are on their way, so the fees stay." in desk.takes(competition, "refund")


def test_the_pool_of_a_cancelled_competition_goes_back_to_its_organiser(
    make_competition: MakeCompetition, desk: Desk, treasurer: User
) -> None:
    competition = make_competition(prize_pool_minor=5000)
    now = datetime.now(UTC)
    confirm_funding(
        competition_id=competition.id, amount_minor=5000, reference="b", actor=Actor(treasurer), reason="r", now=now
    )
    cancel_competition(competition_id=competition.id, by=treasurer, now=now)
    assert "Of what the pool holds, 50.00 USD is owed to Ada from then on." in desk.reads(competition, "refund")
    desk.takes(competition, "refund")
    assert actions(competition, "refund") == [(desk.person, REASON)]
    assert "There is nothing to give back." in desk.reads(competition, "refund")
    assert "Ada is owed 50.00 USD, from all competitions in USD." in desk.reads(competition, "pay-organiser")
    form = desk.form_of(competition, "pay-organiser", amount="20", reference="bank 30")
    assert "20.00 USD to Ada counts as paid." in desk.sends(competition, "pay-organiser", form)
    assert "Nothing has changed. A payment with this reference" in desk.sends(competition, "pay-organiser", form)
    assert actions(competition, "pay_organiser") == [(desk.person, REASON)]
    told = desk.takes(competition, "pay-organiser", amount="31", reference="bank 31")
    assert "That is more than the organiser is owed." in told
    desk.takes(competition, "pay-organiser", amount="30", reference="bank 31")
    assert "Ada is owed nothing." in desk.opens(competition)


def test_a_pool_given_back_can_be_funded_again(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1)
    assert "Nobody wins anything unless the pool is funded again." in desk.reads(competition, "refund")
    desk.takes(competition, "refund")
    assert "100.00 USD missing" in desk.opens(competition)
    desk.takes(competition, "fund", amount="100", reference="bank 2", from_reserve="on")
    assert "3 transfers go out" in desk.reads(competition, "distribute")


# --- Transfers and fees, one by one ---


@pytest.fixture
def transfer(make_finished: MakeFinished, desk: Desk) -> Transfer:
    competition = make_finished(3)
    connect_accounts(competition)
    desk.takes(competition, "distribute")
    return prizes_of(competition)[0]


def test_a_failed_transfer_is_sent_again(transfer: Transfer, desk: Desk) -> None:
    assert "There is nothing to try again: it is pending, attempt 1." in desk.reads(transfer, "retry")
    fail(transfer)
    told = desk.reads(transfer, "retry")
    assert "100.00 USD is sent to Walker 1 again, as attempt 2" in told
    assert "The account is closed." in told
    assert "new → pending" in told
    form = desk.form_of(transfer, "retry")
    assert "100.00 USD for Walker 1 will be sent again." in desk.sends(transfer, "retry", form)
    assert "Nothing has changed." in desk.sends(transfer, "retry", form)
    assert actions(transfer.competition, "retry") == [(desk.person, REASON)]
    run_jobs()
    transfer.refresh_from_db()
    assert (transfer.state, transfer.attempt) == ("paid", 2)
    assert "it was paid on" in desk.reads(transfer, "retry")
    assert "failed pending" in desk.opens(transfer)


def test_a_failed_transfer_is_paid_by_hand(transfer: Transfer, desk: Desk) -> None:
    assert "says itself when it fails" in desk.takes(transfer, "give-up")
    assert "by hand only what has failed there" in desk.takes(transfer, "mark-paid", reference="bank 9")
    fail(transfer)
    assert "Make sure that it did not arrive there after all." in desk.reads(transfer, "mark-paid")
    form = desk.form_of(transfer, "mark-paid", reference="bank 9")
    assert "counts as paid, reference bank 9" in desk.sends(transfer, "mark-paid", form)
    assert "Nothing has changed. There is nothing to pay: it was paid on" in desk.sends(transfer, "mark-paid", form)
    assert actions(transfer.competition, "mark_paid") == [(desk.person, REASON)]


def test_a_withdrawn_transfer_is_left_alone(transfer: Transfer, desk: Desk) -> None:
    Transfer.objects.filter(id=transfer.id).update(state=TransferState.CANCELLED)
    assert "it was withdrawn" in desk.takes(transfer, "mark-paid", reference="bank 9")
    assert "it was withdrawn" in desk.takes(transfer, "retry")


def test_a_fee_is_taken_by_hand(make_fee: Callable[..., Payment], desk: Desk) -> None:
    fee = make_fee("manual")
    told = desk.reads(fee, "mark-paid")
    assert "You say that you have 15.00 USD from Walker in hand." in told
    form = desk.form_of(fee, "mark-paid", reference="receipt 3")
    assert "15.00 USD from Walker counts as paid, reference receipt 3." in desk.sends(fee, "mark-paid", form)
    assert "Nothing has changed. It was paid on" in desk.sends(fee, "mark-paid", form)
    assert actions(fee.competition, "mark_fee_paid") == [(desk.person, REASON)]
    assert Seat.objects.get().state == "taken"


def test_a_late_fee_says_that_its_seat_is_gone(make_fee: Callable[..., Payment], desk: Desk) -> None:
    fee = make_fee("manual")
    Payment.objects.filter(id=fee.id).update(state=PaymentState.CLOSED)
    assert "The seat was given up meanwhile." in desk.reads(fee, "mark-paid")


def test_a_gateways_fee_is_not_marked_by_hand(make_fee: Callable[..., Payment], desk: Desk) -> None:
    fee = make_fee()
    Payment.objects.filter(id=fee.id).update(state=PaymentState.OPEN, paid_at=None)
    assert "which tells us by itself" in desk.takes(fee, "mark-paid", reference="receipt 3")
    assert actions(fee.competition, "mark_fee_paid") == []


def test_the_panel_says_where_standings_are_corrected(make_finished: MakeFinished, desk: Desk) -> None:
    competition = make_finished(3, 2, 1)
    desk.takes(competition, "settle")
    assert "see “What if” on the competition’s page" in desk.opens(Settlement.objects.get())
