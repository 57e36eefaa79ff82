"""Jobs as the transactions that need them enqueue them."""

from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued

P = ParamSpec("P")


def enqueue_once(defer: Callable[P, int], *args: P.args, **kwargs: P.kwargs) -> bool:
    """``defer`` of a job with a queueing lock, in the transaction at hand: the job exists if and only if that is
    committed. Changes nothing while the same job waits already; says whether it is new."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        defer(*args, **kwargs)
        return True
    return False
