"""Samples as devices send them, for tests of what is made of them."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from accounts.models import User
from competitions.rules import DeviceKind
from fitness.rules import Channel, Reading, Recording, SampleType
from fitness.samples import SampleReading, SourceKey
from fitness.services.samples import SampleChanges
from fitness.services.syncing import SyncResult, sync_activities

WATCH = SourceKey("apple_health", "Watch", DeviceKind.WATCH)
_numbers = count()


def measured(start_at: datetime, amount: int, seconds: float = 600, **fields: Any) -> SampleReading:
    """So many steps from then on, unless told otherwise."""
    return SampleReading(
        **{
            "external_id": f"sample {next(_numbers)}",
            "version": 0,
            "source": WATCH,
            "type": SampleType.STEPS,
            "start_at": start_at,
            "end_at": start_at + timedelta(seconds=seconds),
            "amount": amount,
            "recording": Recording.AUTOMATIC,
            "zone": "UTC",
            **fields,
        }
    )


def sync(person: User, *sent: SampleReading | Reading, now: datetime) -> SyncResult:
    samples = [one for one in sent if isinstance(one, SampleReading)]
    readings = [one for one in sent if isinstance(one, Reading)]
    changes = [SampleChanges(person.id, Channel.PUSH, samples)] if samples else []
    return sync_activities(readings=readings, samples=changes, now=now)
