"""Jobs as the transactions that need them enqueue them."""

from contextlib import suppress
from typing import Any, Protocol

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued


class Deferrer(Protocol):
    """A task with a queueing lock, or what `task.configure` makes of one."""

    def defer(self, **arguments: Any) -> int: ...


def enqueue_once(job: Deferrer, **arguments: Any) -> bool:
    """In the transaction at hand: the job exists if and only if that is committed. Changes nothing while the same job
    waits already; says whether it is new."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(**arguments)
        return True
    return False
