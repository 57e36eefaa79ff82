"""Entry fees: a seat is reserved, paid, taken, and given back; whatever the gateway says, and how often."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import reserve_seat
from config.core.errors import Conflict, Unavailable
from prizes import pots
from prizes.actors import Actor
from prizes.gateways.sandbox import SIGNATURE, pay_checkout, sign
from prizes.models import (
    EntryKind,
    GatewayEvent,
    Payment,
    PaymentState,
    Posting,
    SandboxFault,
    SandboxOrder,
    Transfer,
)
from prizes.queries import balance_minor, fees_paid_minor
from prizes.services.fees import (
    CheckoutRefused,
    NotRefundable,
    mark_payment_paid,
    open_checkout,
    record_payment,
    refund_competition,
    release_expired_seats,
)
from prizes.services.funding import confirm_funding
from prizes.services.transfers import send_transfer
from tests.conftest import MakeCompetition, MakePerson
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.usefixtures("sound_ledger")

Fault = SandboxFault.Fault


@pytest.fixture
def competition(make_competition: MakeCompetition, settings: Any) -> Competition:
    settings.PUBLIC_URL = "https://steps.example.org"
    return make_competition(starts=2, ends=5, entry_fee_minor=1_000, max_participants=2)


def joined(client: APIClient, competition: Competition) -> Any:
    return client.post(f"/api/v1/competitions/{competition.id}/join")


def go_wrong(call: str, fault: str, times: int = 1) -> None:
    SandboxFault.objects.create(call=call, fault=fault, times_left=times)


def reported(payment: Payment, times: int = 1) -> None:
    """Somebody pays, and the gateway says so."""
    webhook = pay_checkout(payment.checkout_reference)
    assert webhook is not None
    body, headers = webhook
    for _ in range(times):
        answer = Client().post(
            "/webhooks/sandbox", body, content_type="application/json", headers={SIGNATURE: headers[SIGNATURE]}
        )
        assert answer.status_code == 204


def counts(competition: Competition) -> tuple[int, int, int]:
    """Participants, people here by their rows, and seats held unpaid."""
    competition.refresh_from_db()
    here = Participant.objects.filter(competition=competition, left_at=None).count()
    return competition.participant_count, here, competition.reserved_count


class TestJoining:
    def test_the_answer_is_where_to_pay_and_the_gateway_makes_it_a_participation(
        self, signed_in: Callable[[User], APIClient], competition: Competition, other: User
    ) -> None:
        answer = joined(signed_in(other), competition)
        assert answer.status_code == 202
        data = answer.json()["data"]
        assert (data["status"], data["amount"], data["currency"]) == ("reserved", 10.0, "USD")
        assert data["checkout_url"].startswith("https://steps.example.org/sandbox/")
        assert counts(competition) == (0, 0, 1)
        assert run_jobs() == []
        assert counts(competition) == (1, 1, 0)
        assert balance_minor(pots.fees(competition.id, "USD")) == 1_000
        assert joined(signed_in(other), competition).status_code == 409

    def test_a_retry_is_the_same_seat_the_same_page_and_one_charge(
        self, signed_in: Callable[[User], APIClient], competition: Competition, other: User
    ) -> None:
        first, second = (joined(signed_in(other), competition).json()["data"] for _ in range(2))
        assert first == second
        assert run_jobs() == []
        assert SandboxOrder.objects.filter(call="checkout").count() == Payment.objects.count() == 1

    @pytest.mark.parametrize("fault", [Fault.WEBHOOK_TWICE, Fault.WEBHOOK_LATE])
    def test_a_gateway_that_reports_twice_or_late_makes_one_participation(
        self, fault: str, signed_in: Callable[[User], APIClient], competition: Competition, other: User
    ) -> None:
        go_wrong("checkout", fault)
        assert joined(signed_in(other), competition).status_code == 202
        due = ProcrastinateJob.objects.filter(task_name="prizes.tasks.pay_sandbox_checkout")
        assert due.count() == (2 if fault == Fault.WEBHOOK_TWICE else 1)
        assert all(job.scheduled_at for job in due)
        assert run_jobs() == []
        assert counts(competition) == (1, 1, 0)
        assert fees_paid_minor(competition.id) == 1_000

    def test_a_time_out_after_the_gateway_did_it_charges_nobody_twice(
        self, signed_in: Callable[[User], APIClient], competition: Competition, other: User
    ) -> None:
        go_wrong("checkout", Fault.TIME_OUT_AFTER)
        refused = joined(signed_in(other), competition)
        assert refused.status_code == 503
        assert refused["Retry-After"]
        assert joined(signed_in(other), competition).status_code == 202
        assert SandboxOrder.objects.filter(call="checkout").count() == 1

    @pytest.mark.parametrize(("fault", "error"), [(Fault.BUSY, Unavailable), (Fault.REFUSE, CheckoutRefused)])
    def test_a_gateway_that_will_not_leaves_the_seat_held_for_the_next_try(
        self, fault: str, error: type[Exception], competition: Competition, other: User, now: datetime
    ) -> None:
        seat = reserve_seat(competition=competition, user_id=other.id, join_code=None, now=now)
        go_wrong("checkout", fault)
        with pytest.raises(error):
            open_checkout(seat=seat, now=now)
        assert open_checkout(seat=seat, now=now).url
        assert counts(competition) == (0, 0, 1)

    def test_somebody_paying_by_hand_is_let_in_by_a_treasurer(
        self,
        signed_in: Callable[[User], APIClient],
        competition: Competition,
        other: User,
        treasurer: User,
        now: datetime,
        settings: Any,
    ) -> None:
        settings.PAYMENT_GATEWAY = "manual"
        assert joined(signed_in(other), competition).json()["data"]["checkout_url"] is None
        payment = Payment.objects.get()
        assert release_expired_seats(now=now + timedelta(hours=3)) == 0, "cash may take until the start"
        for _ in range(2):
            mark_payment_paid(
                payment_id=payment.id, reference="Receipt 1", actor=Actor(treasurer), reason="Cash.", now=now
            )
        assert counts(competition) == (1, 1, 0)

    def test_a_fee_of_the_gateway_is_for_the_gateway_to_confirm(
        self, competition: Competition, other: User, treasurer: User, now: datetime
    ) -> None:
        payment = self.paying(competition, other, now)
        with pytest.raises(Conflict):
            mark_payment_paid(payment_id=payment.id, reference="R", actor=Actor(treasurer), reason="", now=now)

    def paying(self, competition: Competition, who: User, now: datetime) -> Payment:
        seat = reserve_seat(competition=competition, user_id=who.id, join_code=None, now=now)
        open_checkout(seat=seat, now=now)
        return Payment.objects.get(seat=seat)


@pytest.fixture
def pay_for(competition: Competition, now: datetime) -> Callable[[User], Payment]:
    """Holds a seat and opens its page; nobody has paid yet."""

    def hold(who: User) -> Payment:
        go_wrong("checkout", Fault.ABANDON)
        seat = reserve_seat(competition=competition, user_id=who.id, join_code=None, now=now)
        open_checkout(seat=seat, now=now)
        return Payment.objects.get(seat=seat)

    return hold


PayFor = Callable[[User], Payment]


class TestWebhooks:
    def test_reported_twice_counts_once(self, pay_for: PayFor, competition: Competition, other: User) -> None:
        reported(pay_for(other), times=3)
        assert counts(competition) == (1, 1, 0)
        assert fees_paid_minor(competition.id) == 1_000
        assert GatewayEvent.objects.count() == 1

    def test_another_event_about_the_same_payment_changes_nothing_either(
        self, pay_for: PayFor, competition: Competition, other: User, now: datetime
    ) -> None:
        payment = pay_for(other)
        reported(payment)
        body = orjson.dumps(
            {
                "id": "another",
                "kind": "checkout_paid",
                "key": str(payment.id),
                "payment_reference": "x",
                "amount_minor": 1_000,
                "currency": "USD",
            }
        )
        assert self.post(body) == 204
        assert fees_paid_minor(competition.id) == 1_000

    def test_closed_after_paid_and_paid_after_closed_both_end_as_paid(
        self, pay_for: PayFor, competition: Competition, other: User, person: User
    ) -> None:
        for who, order in (
            (other, ["checkout_paid", "checkout_closed"]),
            (person, ["checkout_closed", "checkout_paid"]),
        ):
            payment = pay_for(who)
            for kind in order:
                event = {"id": f"{kind} {who.name}", "kind": kind, "key": str(payment.id)}
                money = {"payment_reference": "x", "amount_minor": 1_000, "currency": "USD"}
                assert self.post(orjson.dumps(event | (money if kind == "checkout_paid" else {}))) == 204
            payment.refresh_from_db()
            assert payment.state == PaymentState.PAID
        assert counts(competition) == (2, 2, 0)

    def test_another_amount_than_was_asked_for_takes_no_seat(
        self, pay_for: PayFor, competition: Competition, other: User
    ) -> None:
        event = {"id": "1", "kind": "checkout_paid", "key": str(pay_for(other).id), "payment_reference": "x"}
        assert self.post(orjson.dumps(event | {"amount_minor": 1, "currency": "USD"})) == 204
        assert counts(competition) == (0, 0, 1)

    def test_a_payment_that_nobody_knows_is_noted_and_harmless(self, db: None) -> None:
        for number, key in enumerate(["no uuid", "00000000-0000-0000-0000-000000000000"]):
            assert self.post(orjson.dumps({"id": str(number), "kind": "checkout_paid", "key": key})) == 204

    def test_a_forged_one_is_refused(self, pay_for: PayFor, competition: Competition, other: User) -> None:
        pay_for(other)
        answer = Client().post(
            "/webhooks/sandbox", b"{}", content_type="application/json", headers={SIGNATURE: "0" * 64}
        )
        assert answer.status_code == 400
        assert counts(competition) == (0, 0, 1)

    @pytest.mark.django_db(transaction=True)
    def test_eight_deliveries_at_once_take_one_seat(
        self, pay_for: PayFor, competition: Competition, other: User
    ) -> None:
        payment = pay_for(other)
        run_together([lambda: reported(payment)] * 8)
        assert counts(competition) == (1, 1, 0)
        assert fees_paid_minor(competition.id) == 1_000

    def post(self, body: bytes) -> int:
        headers = {SIGNATURE: sign(body)}
        return Client().post("/webhooks/sandbox", body, content_type="application/json", headers=headers).status_code


class TestExpiry:
    def test_an_unpaid_seat_is_free_again_after_a_while_and_its_page_is_closed(
        self, pay_for: PayFor, competition: Competition, other: User, now: datetime
    ) -> None:
        payment = pay_for(other)
        assert release_expired_seats(now=now + timedelta(minutes=59)) == 0
        assert release_expired_seats(now=now + timedelta(hours=1, seconds=1)) == 1
        assert counts(competition) == (0, 0, 0)
        assert pay_checkout(payment.checkout_reference) is None
        assert release_expired_seats(now=now + timedelta(hours=2)) == 0

    def test_one_that_was_paid_in_the_last_moment_counts_although_the_webhook_was_lost(
        self, pay_for: PayFor, competition: Competition, other: User, now: datetime
    ) -> None:
        assert pay_checkout(pay_for(other).checkout_reference), "and nobody delivers it"
        assert release_expired_seats(now=now + timedelta(hours=2)) == 0
        assert counts(competition) == (1, 1, 0)

    def test_money_that_comes_when_no_seat_is_left_goes_back_at_once(
        self, pay_for: PayFor, competition: Competition, other: User, make_person: MakePerson, now: datetime
    ) -> None:
        late = pay_for(other)
        SandboxOrder.objects.update(status="paid")
        Seat.objects.update(state="released", released_at=now)
        Competition.objects.update(reserved_count=0)
        for name in ("Cem", "Dua"):
            reported(pay_for(make_person(name)))
        reported(late)
        assert run_jobs() == []
        refund = Transfer.objects.get()
        assert (refund.purpose, refund.state, refund.user, refund.amount_minor) == ("refund", "paid", other, 1_000)
        assert counts(competition) == (2, 2, 0)
        assert fees_paid_minor(competition.id) == 2_000


class TestRefunds:
    def test_leaving_before_the_start_gives_the_fee_back_once(
        self, signed_in: Callable[[User], APIClient], pay_for: PayFor, competition: Competition, other: User
    ) -> None:
        reported(pay_for(other))
        assert signed_in(other).post(f"/api/v1/competitions/{competition.id}/leave").status_code == 200
        go_wrong("refund", Fault.TIME_OUT_AFTER)
        assert len(run_jobs()) == 1, "unknown, so the worker would try again"
        send_transfer(transfer_id=Transfer.objects.get().id, now=datetime.now(UTC))
        assert list(SandboxOrder.objects.filter(call="refund").values_list("amount_minor", flat=True)) == [1_000]
        assert fees_paid_minor(competition.id) == 0
        kinds = Posting.objects.values_list("entry__kind", flat=True)
        assert set(kinds) == {EntryKind.ENTRY_FEE, EntryKind.REFUND_OWED, EntryKind.REFUND_PAID}

    def test_cancelling_gives_everybody_their_fee_back(
        self, pay_for: PayFor, competition: Competition, other: User, person: User, now: datetime
    ) -> None:
        for who in (other, person):
            reported(pay_for(who))
        cancel_competition(competition_id=competition.id, by=person, now=now)
        assert run_jobs() == []
        assert sorted(Transfer.objects.values_list("state", "amount_minor")) == [("paid", 1_000)] * 2
        assert fees_paid_minor(competition.id) == 0

    def test_money_that_comes_after_the_cancellation_goes_back_too(
        self, pay_for: PayFor, competition: Competition, other: User, person: User, now: datetime
    ) -> None:
        payment = pay_for(other)
        cancel_competition(competition_id=competition.id, by=person, now=now)
        reported(payment)
        assert run_jobs() == []
        assert Transfer.objects.get().state == "paid"

    @pytest.mark.django_db(transaction=True)
    def test_leaving_cancelling_and_refunding_at_once_give_it_back_once(
        self,
        signed_in: Callable[[User], APIClient],
        pay_for: PayFor,
        competition: Competition,
        other: User,
        person: User,
        treasurer: User,
        now: datetime,
    ) -> None:
        payment = pay_for(other)
        reported(payment)
        cancel_competition(competition_id=competition.id, by=person, now=now)

        def refund() -> None:
            refund_competition(competition_id=competition.id, actor=Actor(treasurer), reason="Rain.", now=now)

        def report_again() -> None:
            record_payment(payment_id=payment.id, payment_reference="x", amount_minor=1_000, currency="USD", now=now)

        run_together([refund, report_again] * 4)
        assert Transfer.objects.count() == 1

    def test_a_running_competition_keeps_its_fees(
        self, make_competition: MakeCompetition, treasurer: User, now: datetime
    ) -> None:
        with pytest.raises(NotRefundable):
            refund_competition(competition_id=make_competition().id, actor=Actor(treasurer), reason="", now=now)

    def test_a_refund_of_a_cancelled_competition_returns_its_funding_to_the_organiser(
        self, make_competition: MakeCompetition, treasurer: User, person: User, now: datetime
    ) -> None:
        competition = make_competition(starts=2, ends=5, prize_pool_minor=500)
        confirm_funding(
            competition_id=competition.id, amount_minor=500, reference="b", actor=Actor(treasurer), reason="", now=now
        )
        cancel_competition(competition_id=competition.id, by=person, now=now)
        for _ in range(2):
            refund_competition(competition_id=competition.id, actor=Actor(treasurer), reason="Rain.", now=now)
        assert balance_minor(pots.organiser(person.id, "USD")) == 500


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_twelve_people_pay_for_two_seats_and_two_get_them(
    competition: Competition, make_person: MakePerson, now: datetime, signed_in: Callable[[User], APIClient]
) -> None:
    people = [make_person(f"Runner {number}") for number in range(12)]
    answers: list[int] = []
    run_together([lambda who=who: answers.append(joined(signed_in(who), competition).status_code) for who in people])  # type: ignore[misc]  # mypy infers no lambda with a default
    assert sorted(answers) == [202] * 2 + [409] * 10
    assert run_jobs() == []
    assert counts(competition) == (2, 2, 0)
    assert fees_paid_minor(competition.id) == 2_000
