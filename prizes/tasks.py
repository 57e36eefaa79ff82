from datetime import UTC, datetime
from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from prizes.gateways.base import GatewayBusy, OutcomeUnknown
from prizes.gateways.sandbox import pay_checkout
from prizes.models import TransferState
from prizes.services.fees import release_expired_seats
from prizes.services.payouts import forget_payout_accounts, refresh_payout_account
from prizes.services.transfers import enqueue_transfers, look_up_transfer, send_transfer, unfinished_transfers
from prizes.services.webhooks import receive_webhook


class NotSettled(Exception):
    """The gateway has not given a clear answer yet."""


@app.task(retry=RetryStrategy(max_attempts=8, exponential_wait=3, retry_exceptions={NotSettled}))
def send_one_transfer(transfer_id: str) -> None:
    transfer = send_transfer(transfer_id=UUID(transfer_id), now=datetime.now(UTC))
    busy = transfer.state == TransferState.PENDING and not transfer.waits_for
    if busy or transfer.state == TransferState.UNKNOWN:
        raise NotSettled(transfer.reason)


@app.task(
    retry=RetryStrategy(max_attempts=8, exponential_wait=3, retry_exceptions={GatewayBusy, OutcomeUnknown, NotSettled})
)
def look_up_one_transfer(transfer_id: str) -> None:
    if look_up_transfer(transfer_id=UUID(transfer_id), now=datetime.now(UTC)) is None:
        raise NotSettled("Somebody else is at it.")


@app.task(retry=RetryStrategy(max_attempts=8, exponential_wait=3, retry_exceptions={GatewayBusy, OutcomeUnknown}))
def refresh_one_account(gateway_name: str, reference: str) -> None:
    refresh_payout_account(gateway_name=gateway_name, reference=reference, now=datetime.now(UTC))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="push_transfers", pass_context=False)
def push_transfers(timestamp: int) -> None:
    """Every minute: goes on with what a worker that died, or a gateway that was silent, has left behind."""
    enqueue_transfers(unfinished_transfers(datetime.now(UTC)).values_list("id", flat=True)[:1000])


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="release_seats", pass_context=False)
def release_unpaid_seats(timestamp: int) -> None:
    release_expired_seats(now=datetime.now(UTC))


@app.periodic(cron="53 3 * * *")
@app.task(queueing_lock="forget_payout_accounts", pass_context=False)
def forget_accounts_of_nobody(timestamp: int) -> None:
    """Every night: of people who were erased while a prize was on its way to them."""
    forget_payout_accounts(now=datetime.now(UTC))


@app.task()
def pay_sandbox_checkout(reference: str) -> None:
    """Somebody pays at the sandbox, which reports it as any gateway does."""
    webhook = pay_checkout(reference)
    if webhook is not None:
        body, headers = webhook
        receive_webhook(gateway_name="sandbox", body=body, headers=headers, now=datetime.now(UTC))
