"""What providers say of messages and addresses, brought to the outbox. Any of it may come late, twice or never."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction

from accounts.channels.events import (
    Accepted,
    Bounced,
    Complained,
    Delivered,
    Failed,
    MessageEvent,
    Resumed,
    Stopped,
)
from accounts.notices import Channel
from accounts.services.suppressing import resume_address, suppress_address

log = structlog.get_logger(__name__)

_TAKEN = """
    UPDATE accounts_delivery d SET state = 'sent', provider_id = said.word, reason = '', done_at = %(now)s
      FROM unnest(%(references)s::uuid[], %(words)s::text[]) said(reference, word)
     WHERE (d.id = said.reference OR d.letter_id = said.reference) AND d.state IN ('waiting', 'sending', 'unknown')
"""
"""One that waits again was perhaps taken at an earlier attempt."""
_LOST = """
    UPDATE accounts_delivery d SET state = 'failed', reason = said.word, done_at = %(now)s
      FROM unnest(%(references)s::uuid[], %(words)s::text[]) said(reference, word)
     WHERE (d.id = said.reference OR d.letter_id = said.reference)
       AND d.state IN ('waiting', 'sending', 'unknown', 'sent')
"""
"""The provider has tried long enough: it is not sent again."""


@transaction.atomic
def record_events(*, events: Sequence[MessageEvent], now: datetime) -> None:
    """Repeats change nothing. What names no delivery of ours still counts for its address."""
    _mark(_LOST, {event.reference: event.reason for event in events if isinstance(event, Bounced | Failed)}, now)
    taken = (event for event in events if isinstance(event, Accepted | Delivered))
    _mark(_TAKEN, {event.reference: event.provider_id for event in taken}, now)
    for event in events:
        _mind_address(event, now)
    counts = Counter(type(event).__name__.lower() for event in events)
    log.info("messages_heard_of", **counts)


def _mark(statement: str, words: Mapping[str, str], now: datetime) -> None:
    """``words``: by reference, what is kept of it. In one order, so that two webhooks do not wait for each other."""
    known = sorted((reference, word) for text, word in words.items() if (reference := _delivery_id(text)) is not None)
    if not known:
        return
    with connection.cursor() as cursor:
        references, kept = zip(*known, strict=True)
        cursor.execute(statement, {"now": now, "references": list(references), "words": [word[:200] for word in kept]})


def _delivery_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _mind_address(event: MessageEvent, now: datetime) -> None:
    """In the order in which it was said: who stopped may have started again."""
    match event:
        case Bounced(channel=channel, address=address, reason=reason) if address:
            suppress_address(channel=Channel(channel), address=address, reason=reason, now=now)
        case Complained(channel=channel, address=address) if address:
            suppress_address(channel=Channel(channel), address=address, reason="Its reader called it spam.", now=now)
        case Stopped(channel=channel, address=address) if address:
            # Nobody unsubscribes from what is about their account: they could not come back in.
            account_too = channel != Channel.EMAIL
            reason = "Its owner said stop."
            suppress_address(channel=Channel(channel), address=address, reason=reason, now=now, account_too=account_too)
        case Resumed(channel=channel, address=address) if address:
            resume_address(channel=Channel(channel), address=address)
