"""Random histories: whatever treasurers, workers, gateways and corrections do in whatever order, the ledger stays right
and nobody ever has more than the most they were awarded."""

import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import leave_competition
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import reserve_seat
from config.core.errors import Refusal
from leaderboards.settling import correct_standings
from prizes.actors import Actor
from prizes.models import Award, Payment, SandboxFault, SandboxOrder, Transfer
from prizes.queries import fees_paid_minor
from prizes.services.distribution import PoolUnfunded, distribute_prizes
from prizes.services.fees import open_checkout, record_payment, refund_competition, release_expired_seats
from prizes.services.funding import confirm_funding
from prizes.services.transfers import (
    give_up_transfer,
    look_up_transfer,
    mark_transfer_paid,
    retry_transfer,
    send_transfer,
)
from prizes.verification import CHECKS, faults_of
from tests.conftest import MakeCompetition, MakePerson
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

Step = Callable[[], object]


class History:
    """One competition that is over, and all that can happen to its money."""

    def __init__(self, seed: int, competition: Competition, treasurer: User, staff: User, settings: Any) -> None:
        self.chance, self.competition, self.settings = random.Random(seed), competition, settings
        self.by, self.staff, self.now = Actor(treasurer), staff, datetime.now(UTC)
        self.people = list(competition.participants.values_list("user_id", flat=True))
        self.log: list[str] = []

    def transfer(self) -> Transfer:
        found = list(Transfer.objects.filter(competition=self.competition))
        if not found:
            raise Refusal("Nothing was ordered yet.")
        return self.chance.choice(found)

    def reference(self) -> str:
        return f"{self.chance.random()}"

    def fault(self) -> None:
        fault = self.chance.choice(["refuse", "time_out_before", "time_out_after", "busy", "error"])
        SandboxFault.objects.create(call="transfer", fault=fault)

    def send(self) -> None:
        send_transfer(transfer_id=self.transfer().id, now=self.now)

    def look_up(self) -> None:
        look_up_transfer(transfer_id=self.transfer().id, now=self.now)

    def retry(self) -> None:
        retry_transfer(transfer_id=self.transfer().id, actor=self.by, reason="Again.", now=self.now)

    def give_up(self) -> None:
        give_up_transfer(transfer_id=self.transfer().id, actor=self.by, reason="No.", now=self.now)

    def pay_by_hand(self) -> None:
        mark_transfer_paid(
            transfer_id=self.transfer().id, reference=self.reference(), actor=self.by, reason="", now=self.now
        )

    def take_back(self) -> None:
        order = SandboxOrder.objects.filter(call="transfer", status="paid").first()
        if order is not None and self.chance.random() < 0.4:
            SandboxOrder.objects.filter(id=order.id).update(status="failed")
            look_up_transfer(transfer_id=Transfer.objects.get(key=order.key).id, now=self.now)

    def switch_gateway(self) -> None:
        self.settings.PAYMENT_GATEWAY = self.chance.choice(["sandbox", "manual"])

    def correct(self) -> None:
        person = self.chance.choice(self.people)
        how: dict[str, Any] = self.chance.choice(
            [{"disqualify": [person]}, {"reinstate": [person]}, {"adjust": {person: self.chance.randint(-5, 5)}}]
        )
        correct_standings(competition_id=self.competition.id, by=self.staff, reason="So.", now=self.now, **how)

    def distribute(self) -> None:
        distribute_prizes(competition_id=self.competition.id, actor=self.by, now=self.now)

    def fund(self) -> None:
        confirm_funding(
            competition_id=self.competition.id,
            amount_minor=3_000,
            reference=self.reference(),
            actor=self.by,
            reason="",
            now=self.now,
        )

    def take_step(self, *names: str) -> None:
        name = self.chance.choice(names)
        self.log.append(name)
        try:
            with transaction.atomic() if name in ("correct", "distribute") else nullcontext():
                getattr(self, name)()
        except PoolUnfunded:
            with suppress(Refusal):  # somebody else was faster
                self.fund()
        except Refusal:
            pass

    def check(self) -> None:
        assert [fault for check in CHECKS for fault in faults_of(check)] == [], self.log
        for person in self.people:
            awards = Award.objects.filter(award_list__competition=self.competition, user_id=person)
            most = max([0, *awards.values_list("amount_minor", flat=True)])
            orders = SandboxOrder.objects.filter(
                call="transfer", status="paid", destination=f"sandbox-account-{person}"
            )
            by_hand = Transfer.objects.filter(user_id=person, state="paid", gateway="manual")
            has = sum(orders.values_list("amount_minor", flat=True)) + sum(
                by_hand.values_list("amount_minor", flat=True)
            )
            assert has <= most, (person, has, most, self.log)


STEPS = [
    *("fault", "send", "send", "correct", "distribute", "distribute", "look_up", "retry", "give_up", "pay_by_hand"),
    *("take_back", "switch_gateway"),
]


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 150))])
def test_one_step_after_the_other(
    seed: int, make_finished: MakeFinished, treasurer: User, staff: User, settings: Any
) -> None:
    chance = random.Random(seed)
    scores = sorted((chance.randint(0, 9) for _ in range(chance.randint(1, 5))), reverse=True)
    leftover = chance.choice(["redistribute", "roll_over", "return"])
    tie_rule = chance.choice(["shared", "first_to_reach"])
    competition = make_finished(*scores, plan={"leftover": leftover}, tie_rule=tie_rule)
    connect_accounts(competition)
    history = History(seed, competition, treasurer, staff, settings)
    for _ in range(25):
        history.take_step(*STEPS)
        history.check()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_many_at_once(seed: int, make_finished: MakeFinished, treasurer: User, staff: User, settings: Any) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    histories = [History(seed * 100 + number, competition, treasurer, staff, settings) for number in range(8)]
    histories[0].distribute()
    for _ in range(6):
        histories[0].fault()

    def live(history: History) -> None:
        for _ in range(8):
            history.take_step(*(step for step in STEPS if step not in ("fault", "switch_gateway", "take_back")))

    run_together([partial(live, history) for history in histories])
    histories[0].check()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_people_who_join_pay_leave_and_come_too_late_all_at_once(
    seed: int,
    make_competition: MakeCompetition,
    make_person: MakePerson,
    person: User,
    treasurer: User,
) -> None:
    chance, now = random.Random(seed), datetime.now(UTC)
    competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000, max_participants=3)
    people = [make_person(f"Walker {number}") for number in range(6)]

    def steps(who: User) -> dict[str, Step]:
        return {
            "join": lambda: join(competition, who, now),
            "pay": lambda: pay(who, now),
            "leave": lambda: leave_competition(competition=competition, user_id=who.id, now=now),
            "expire": lambda: release_expired_seats(now=now.replace(year=now.year + 1)),
        }

    def live(names: list[str], who: User) -> None:
        for name in names:
            with suppress(Refusal):
                steps(who)[name]()

    names = ["join", "join", "pay", "leave", "expire"]
    lives: list[Callable[[], None]] = [partial(live, chance.choices(names, k=10), who) for who in people * 2]
    if seed % 2:
        lives.append(lambda: give_all_back(competition, person, treasurer, now))
    run_together(lives)
    assert run_jobs() == []

    competition.refresh_from_db()
    here = Participant.objects.filter(competition=competition, left_at=None).count()
    states = list(Seat.objects.filter(competition=competition).values_list("state", flat=True))
    assert (competition.participant_count, competition.reserved_count) == (here, states.count("reserved"))
    assert fees_paid_minor(competition.id) == 1_000 * states.count("taken")
    assert [fault for check in CHECKS for fault in faults_of(check)] == []


def join(competition: Competition, who: User, now: datetime) -> None:
    SandboxFault.objects.create(call="checkout", fault="abandon")
    seat = reserve_seat(competition=competition, user_id=who.id, join_code=None, now=now)
    open_checkout(seat=seat, now=now)


def pay(who: User, now: datetime) -> None:
    for payment in Payment.objects.filter(user=who):
        record_payment(
            payment_id=payment.id, payment_reference=f"of {payment.id}", amount_minor=1_000, currency="USD", now=now
        )


def give_all_back(competition: Competition, owner: User, treasurer: User, now: datetime) -> None:
    cancel_competition(competition_id=competition.id, by=owner, now=now)
    for _ in range(2):
        refund_competition(competition_id=competition.id, actor=Actor(treasurer), reason="Rain.", now=now)
