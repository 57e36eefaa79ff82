"""The seeded demo's money: fees over the sandbox gateway, pools, prizes in every state. Every step is a service's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from competitions.models import Competition
from competitions.services.seats import reserve_seat
from config.demo.programme import Money, Planned
from config.demo.staff import Staff
from prizes.actors import Actor
from prizes.gateways.sandbox import pay_checkout
from prizes.models import PayoutAccount, SandboxFault, Transfer
from prizes.models.sandbox import SandboxCall
from prizes.services.distribution import approve_distribution, award_prizes, distribute_prizes
from prizes.services.fees import open_checkout
from prizes.services.funding import confirm_funding
from prizes.services.transfers import send_transfer
from prizes.services.webhooks import receive_webhook

_FAULTS = {Money.FAILED: SandboxFault.Fault.REFUSE, Money.UNKNOWN: SandboxFault.Fault.TIME_OUT_BEFORE}
_FAILED_JOBS = (
    ("prizes.tasks.look_up_one_transfer", '{"transfer_id": "00000000-0000-4000-8000-000000000001"}'),
    ("prizes.tasks.refresh_one_account", '{"gateway_name": "sandbox", "reference": "demo-account"}'),
    ("fitness.tasks.read_import", '{"import_id": "00000000-0000-4000-8000-000000000002"}'),
)


def sell_places(*, competition: Competition, people: Sequence[UUID], unpaid: bool) -> None:
    """Everybody pays the entry fee, one after the other; of ``unpaid`` the last one has only the page open."""
    at = competition.created_at
    for place, user_id in enumerate(people, start=1):
        at += timedelta(minutes=7)
        seat = reserve_seat(competition=competition, user_id=user_id, join_code=competition.join_code, now=at)
        open_checkout(seat=seat, now=at)
        if unpaid and place == len(people):
            return
        seat.refresh_from_db()
        paid = pay_checkout(seat.payment.checkout_reference)
        assert paid is not None
        body, headers = paid
        receive_webhook(gateway_name="sandbox", body=body, headers=headers, now=at + timedelta(minutes=1))


def handle_prizes(*, planned: Planned, competition: Competition, staff: Staff, now: datetime) -> None:
    """As far as the programme says that the money has come."""
    if planned.money is Money.NONE:
        return
    treasurer = Actor(staff.treasurer)
    pool = competition.prize_pool_minor
    confirm_funding(
        competition_id=competition.id,
        amount_minor=pool // 2 if planned.money is Money.PROMISED else pool,
        reference=f"bank {planned.number + 1}",
        actor=treasurer,
        reason="It is on our account.",
        now=min(now, competition.start_at),
    )
    settled_at = min(now, competition.closes_at + timedelta(hours=5))
    if planned.money is Money.CALCULATED:
        award_prizes(competition_id=competition.id, now=settled_at, actor=treasurer)
    elif planned.money not in (Money.PROMISED, Money.FUNDED):
        _distribute(planned, competition, staff, settled_at)


def _distribute(planned: Planned, competition: Competition, staff: Staff, at: datetime) -> None:
    if planned.money is not Money.PENDING:
        award_list = award_prizes(competition_id=competition.id, now=at, actor=Actor(staff.treasurer))
        _connect([award.user_id for award in award_list.awards.all()], at)
    asked = distribute_prizes(
        competition_id=competition.id, actor=Actor(staff.treasurer), reason="The standings are final.", now=at
    )
    left_waiting = planned.money is Money.WAITING and planned.number % 2 == 1
    if asked.waits_for_approval and not left_waiting:
        reason = "Looked at the list and at the bank."
        second = Actor(staff.second_treasurer)
        approve_distribution(competition_id=competition.id, actor=second, reason=reason, now=at + timedelta(minutes=20))
    if fault := _FAULTS.get(planned.money):
        SandboxFault.objects.create(call=SandboxCall.TRANSFER, fault=fault, times_left=1)
    send_what_is_owed(competition_id=competition.id, now=at + timedelta(minutes=30))


def _connect(people: Sequence[UUID], at: datetime) -> None:
    """Payout accounts for these, unless they have one from an earlier competition."""
    PayoutAccount.objects.bulk_create(
        [
            PayoutAccount(
                user_id=user_id,
                gateway="sandbox",
                reference=f"sandbox-account-{user_id}",
                ready=True,
                created_at=at,
                updated_at=at,
            )
            for user_id in people
        ],
        ignore_conflicts=True,
    )


def send_what_is_owed(*, competition_id: UUID, now: datetime) -> None:
    for transfer_id in Transfer.objects.filter(competition=competition_id).values_list("id", flat=True):
        send_transfer(transfer_id=transfer_id, now=now)


def last_job() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM procrastinate_jobs")
        [(number,)] = cursor.fetchall()
    return int(number)


def finish_jobs(*, since: int, now: datetime) -> None:
    """What was enqueued meanwhile is done already; and a few jobs have failed, as they do."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id > %s AND status = 'todo'", [since])
        for task, arguments in _FAILED_JOBS:
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts, scheduled_at)"
                " VALUES ('default', %s, %s, 'todo', 7, %s) RETURNING id",
                [task, arguments, now.astimezone(UTC) - timedelta(hours=2)],
            )
            [job] = cursor.fetchone()
            for status in ("doing", "failed"):
                cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job])
