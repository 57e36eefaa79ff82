"""Syncs, taken in groups in front of Django: those that arrive together are committed together."""

import re
from collections.abc import Sequence
from typing import Any

from rest_framework.exceptions import PermissionDenied

from accounts.models import Scope, ServiceKey, User
from accounts.queries import callers_by_id
from config.core.errors import Unauthenticated, as_refusal
from config.core.front import Answer, Call, Endpoint, Sent, json_answer, sent_by
from config.core.gathering import Gatherer, one_per_loop
from config.core.limits import SYNCS
from config.core.threads import in_thread
from fitness.api.sync import Sync, read_sync, sync_answer
from fitness.services.syncing import sync_together


def take_syncs(sent: Sequence[Sent]) -> list[dict[str, Any] | Exception]:
    """Stores what several callers sent, in one transaction, and says what each is answered or why they are refused."""
    callers = callers_by_id({one.caller_id for one in sent})
    outcomes: list[dict[str, Any] | Exception] = []
    syncs: dict[int, Sync] = {}
    for place, one in enumerate(sent):
        try:
            syncs[place] = read_sync(_sender(callers.get(one.caller_id)), one.body, one.at)
        except Exception as error:
            if as_refusal(error) is None:
                raise
            outcomes.append(error)
        else:
            outcomes.append({})
    results = sync_together([sync.batch for sync in syncs.values()])
    for (place, sync), result in zip(syncs.items(), results, strict=True):
        outcomes[place] = sync_answer(result, sync)
    return outcomes


def _sender(caller: User | ServiceKey | None) -> User | None:
    """As `read_sync` wants them. Raises Unauthenticated for somebody who is not active any more or a revoked key,
    PermissionDenied, as the view does, for a key without the scope."""
    if caller is None:
        raise Unauthenticated
    if isinstance(caller, User):
        return caller
    if not caller.allows(Scope.ACTIVITY_WRITE):
        raise PermissionDenied
    return None


_syncs = one_per_loop(lambda: Gatherer(in_thread(take_syncs)))


async def answer_sync(call: Call) -> Answer | None:
    sent = await sent_by(call)
    return None if sent is None else json_answer(await _syncs().put(sent))


endpoints = [
    Endpoint(
        method="POST",
        path=re.compile(r"/api/v1/fitness/sync/?"),
        view="fitness.api.views.SyncView",
        read=lambda groups, query: () if not query else None,
        answer=answer_sync,
        services=True,
        limit=SYNCS,
    )
]
