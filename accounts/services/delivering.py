"""Emptying the outbox: what is due is claimed, sent, and marked as the channel's verdict says.

Nothing is sent inside a transaction. A claim is a lease: what was “being sent” when a process died, and what a provider
gave no answer about, may have been sent, and is looked into when the lease is over, before it is sent again.

* A text message is looked for at the provider.
* A letter waits for the provider's word about it (`outcomes.record_events`); repeated, it carries the same Message-ID.
* A push message is repeated: under the same key it takes the place of the first on the device.
"""

import random
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Q

from accounts.channels.base import (
    AddressDead,
    ChannelError,
    Letter,
    MessageRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderUnavailable,
    Push,
    Text,
)
from accounts.channels.sending import send, sent_already
from accounts.messages import digest_of, letter_of, push_of, text_of
from accounts.models import Delivery, DeliveryState, Device
from accounts.notices import NOTICES, Channel, Event
from accounts.services.notifying import wake_deliverer
from accounts.services.suppressing import is_suppressed, suppress_address
from config.core.metrics import DELIVERIES

log = structlog.get_logger(__name__)

BATCH = 100
AT_ONCE = 8
LEASE = timedelta(minutes=5)
WORD_COMES_WITHIN = timedelta(minutes=15)
"""A provider that took a letter says so by webhook, usually within seconds."""
GIVE_UP_AFTER = timedelta(days=3)
_FIRST_WAIT_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 3600.0

_PUT_INTO_LETTERS = """
    UPDATE accounts_delivery d SET letter_id = together.head
      FROM (SELECT w.id, first_value(w.id) OVER (PARTITION BY n.user_id ORDER BY n.created_at, w.id) AS head
              FROM accounts_delivery w JOIN accounts_notification n ON n.id = w.notification_id
             WHERE w.state = 'waiting' AND w.digest AND w.due_at <= %(now)s
               AND NOT EXISTS (SELECT FROM accounts_delivery h
                                WHERE h.id = w.letter_id AND h.state IN ('waiting', 'sending', 'unknown'))) together
     WHERE d.id = together.id
"""
"""Into a new one, too, where the first of a letter is not wanted any more."""
_CLAIM = """
    WITH due AS (
         SELECT id FROM accounts_delivery
          WHERE state IN ('waiting', 'sending', 'unknown') AND due_at <= %(now)s AND (NOT digest OR letter_id = id)
          ORDER BY due_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED),
    claimed AS (
         SELECT id FROM due
          UNION
         SELECT w.id FROM accounts_delivery w JOIN due ON w.letter_id = due.id
          WHERE w.state IN ('waiting', 'sending', 'unknown'))
    UPDATE accounts_delivery d
       SET state = CASE WHEN d.state = 'waiting' THEN 'sending' ELSE 'unknown' END,
           attempts = d.attempts + (d.state = 'waiting')::int, due_at = %(look_again_at)s
      FROM claimed WHERE d.id = claimed.id AND d.state IN ('waiting', 'sending', 'unknown')
    RETURNING d.id
"""
"""A digest is claimed by the first of its deliveries, and the others with it."""


def deliver_due(*, clock: Callable[[], datetime]) -> int:
    """Sends whatever is due, and says how much that was. Safe to run at any time, from several processes at once."""
    done = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver") as threads:
        while claimed := _claimed(clock()):
            list(threads.map(lambda bundle: _deliver_alone(bundle, clock), claimed))
            done += len(claimed)
    return done


@transaction.atomic
def retry_deliveries(*, delivery_ids: Collection[UUID], by: str, now: datetime) -> int:
    """Puts those of them that failed, and are still of use, back to where they wait; says how many. ``by``: whose
    decision it was. Those of a digest go into a letter of their own, as the rest of theirs may have arrived."""
    useful = Q(notification__expires_at=None) | Q(notification__expires_at__gt=now)
    failed = Delivery.objects.filter(useful, id__in=delivery_ids, state=DeliveryState.FAILED).values("id")
    count = Delivery.objects.filter(id__in=failed, state=DeliveryState.FAILED).update(
        state=DeliveryState.WAITING, due_at=now, done_at=None, letter_id=None, reason="Tried again by hand."
    )
    if count:
        log.warning("deliveries_retried", by=by, count=count)
        wake_deliverer()
    return count


def _claimed(now: datetime) -> list[list[Delivery]]:
    """Each alone, but for those of a digest, which go together, the oldest first."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Or one letter would be put together twice.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('digests', 0))")
        cursor.execute(_PUT_INTO_LETTERS, {"now": now})
        cursor.execute(_CLAIM, {"now": now, "look_again_at": now + LEASE, "batch": BATCH})
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
    bundles: dict[UUID, list[Delivery]] = {}
    found = Delivery.objects.filter(id__in=ids).select_related("notification__user__phone", "device")
    for delivery in found.order_by("notification__created_at", "id"):
        bundles.setdefault(delivery.letter_id or delivery.id, []).append(delivery)
    return list(bundles.values())


def _deliver_alone(bundle: Sequence[Delivery], clock: Callable[[], datetime]) -> None:
    """In a thread of its own, with a connection of its own."""
    try:
        _deliver(bundle, clock)
    except Exception as error:  # of our own making: it must not keep the others
        log.exception("delivery_went_wrong", deliveries=[str(delivery.id) for delivery in bundle])
        reason = f"{type(error).__name__} while it was made."  # or right after it was sent
        _wait_or_give_up(bundle, reason, clock(), after=WORD_COMES_WITHIN, state=DeliveryState.UNKNOWN)
    finally:
        connection.close()


def _deliver(bundle: Sequence[Delivery], clock: Callable[[], datetime]) -> None:
    now = clock()
    if now >= bundle[0].due_at:
        return  # the lease is over: somebody else may be at it
    useful = [delivery for delivery in bundle if _is_of_use(delivery, now)]
    if not useful:
        _finish(bundle, DeliveryState.DROPPED, now, reason="It came too late to be of use.")
        return
    message = _message_of(useful)
    channel = Channel(bundle[0].channel)
    about_account = NOTICES[Event(bundle[0].notification.event)].account
    if message is None:
        _finish(bundle, DeliveryState.DROPPED, now, reason="There is no address for it any more.")
    elif bundle[0].state == DeliveryState.UNKNOWN and not _certainly_unsent(bundle, message, now):
        pass  # it has been sent, or nobody can say yet
    elif is_suppressed(channel, _address_of(message), about_account=about_account):
        _finish(bundle, DeliveryState.DROPPED, now, reason="The address is not written to any more.")
    else:
        _send(bundle, message, clock)


def _send(bundle: Sequence[Delivery], message: Letter | Push | Text, clock: Callable[[], datetime]) -> None:
    try:
        provider_id = send(message)
    except ChannelError as error:
        _judge(bundle, error, _address_of(message), clock())
    else:
        _finish(bundle, DeliveryState.SENT, clock(), provider_id=provider_id)


def _is_of_use(delivery: Delivery, now: datetime) -> bool:
    expires_at = delivery.notification.expires_at
    return expires_at is None or now < expires_at


def _certainly_unsent(bundle: Sequence[Delivery], message: Letter | Push | Text, now: datetime) -> bool:
    """Of one whose outcome is unknown: whether it may be sent again. If the provider has it, it is done."""
    if not isinstance(message, Text):
        return True  # a letter was waited for, a push message repeats itself harmlessly
    try:
        provider_id = sent_already(message, since=bundle[0].notification.created_at)
    except ChannelError as error:
        _wait_or_give_up(bundle, str(error), now, after=None, state=DeliveryState.UNKNOWN)
        return False
    if provider_id:
        _finish(bundle, DeliveryState.SENT, now, provider_id=provider_id)
    return not provider_id


def _message_of(bundle: Sequence[Delivery]) -> Letter | Push | Text | None:
    """None where the address, or its owner, has gone since."""
    first, notifications = bundle[0], [delivery.notification for delivery in bundle]
    person, reference = first.notification.user, str(first.letter_id or first.id)
    about_account = NOTICES[Event(first.notification.event)].account
    if not person.is_active:
        return None
    match Channel(first.channel):
        case Channel.EMAIL if person.email and (about_account or person.has_verified_email):
            if first.digest:
                return digest_of(notifications, person, reference=reference)
            return letter_of(first.notification, person, reference=reference)
        case Channel.PUSH if first.device is not None:
            return push_of(first.notification, person, token=first.device.token, reference=reference)
        case Channel.SMS if (phone := getattr(person, "phone", None)) and (about_account or phone.verified_at):
            return text_of(first.notification, person, number=phone.number, reference=reference)
    return None


def _address_of(message: Letter | Push | Text) -> str:
    return message.token if isinstance(message, Push) else message.to


def _judge(bundle: Sequence[Delivery], error: ChannelError, address: str, now: datetime) -> None:
    """As the channel says: over for good, perhaps sent, or later."""
    channel = Channel(bundle[0].channel)
    match error:
        case AddressDead():
            with transaction.atomic():
                if channel == Channel.PUSH:
                    Device.objects.filter(token=address).delete()
                else:
                    suppress_address(channel=channel, address=address, reason=str(error), now=now)
                _finish(bundle, DeliveryState.FAILED, now, reason=str(error))
        case MessageRefused():
            log.error("message_refused", channel=channel.value, reason=str(error))
            _finish(bundle, DeliveryState.FAILED, now, reason=str(error))
        case OutcomeUnknown():
            wait = WORD_COMES_WITHIN if channel == Channel.EMAIL else timedelta(seconds=_FIRST_WAIT_SECONDS)
            _wait_or_give_up(bundle, str(error), now, after=wait, state=DeliveryState.UNKNOWN)
        case ProviderBusy() | ProviderUnavailable() if error.retry_after:
            _wait_or_give_up(bundle, str(error), now, after=timedelta(seconds=error.retry_after))
        case _:
            _wait_or_give_up(bundle, str(error), now, after=None)


def _wait_or_give_up(
    bundle: Sequence[Delivery],
    reason: str,
    now: datetime,
    *,
    after: timedelta | None,
    state: DeliveryState = DeliveryState.WAITING,
) -> None:
    """``after``: when to go on; None: a little later each time. What is in one letter waits, and ends, together."""
    wait = after or _back_off(bundle[0].attempts)
    if now + wait > max(delivery.notification.created_at for delivery in bundle) + GIVE_UP_AFTER:
        _finish(bundle, DeliveryState.FAILED, now, reason=f"Given up: {reason}")
        return
    _mark([delivery.id for delivery in bundle], state=state, due_at=now + wait, reason=reason[:300])
    DELIVERIES.labels(channel=bundle[0].channel, outcome="later").inc(len(bundle))


def _back_off(attempts: int) -> timedelta:
    """Twice as long each time, give or take a fifth, so that many that failed together do not come back together."""
    seconds = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** max(0, attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - nothing secret


def _finish(
    bundle: Sequence[Delivery], state: DeliveryState, now: datetime, *, reason: str = "", provider_id: str = ""
) -> None:
    _mark(
        [delivery.id for delivery in bundle],
        state=state,
        done_at=now,
        reason=reason[:300],
        provider_id=provider_id[:200],
    )
    DELIVERIES.labels(channel=bundle[0].channel, outcome=state.value).inc(len(bundle))


def _mark(delivery_ids: Collection[UUID], **changes: object) -> None:
    """Unless somebody has decided meanwhile: a provider's word about it may be faster than its answer."""
    in_flight = [DeliveryState.SENDING, DeliveryState.UNKNOWN]
    Delivery.objects.filter(id__in=list(delivery_ids), state__in=in_flight).update(**changes)
