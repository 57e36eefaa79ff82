"""What speaks S3, under a circuit breaker: a store that does not answer must not hold everybody who has a picture."""

from typing import Any

from botocore.exceptions import BotoCoreError
from storages.backends.s3 import S3Storage

from config.core.breaker import CircuitOpen
from config.core.outgoing import breaker

NAME = "files"


class StoreLeftAlone(BotoCoreError):  # type: ignore[misc]  # it has no types
    fmt = "The store failed too often and is left alone for a while."


class Bucket(S3Storage):  # type: ignore[misc]  # it has no types
    """Its client asks the circuit before each request and tells it how that ended: botocore's events see them all,
    those of transfers in threads of their own too."""

    @property
    def connection(self) -> Any:
        is_new = getattr(self._connections, "connection", None) is None
        resource = super().connection
        if is_new:
            events = resource.meta.client.meta.events
            events.register("before-call.s3", _ask)
            events.register("after-call.s3", _note_answer)
            events.register("after-call-error.s3", _note_failure)
        return resource


def _ask(**_: Any) -> None:
    try:
        breaker(NAME).admit()
    except CircuitOpen:
        raise StoreLeftAlone from None


def _note_answer(http_response: Any, **_: Any) -> None:
    """An answer that refuses is an answer."""
    breaker(NAME).note(well=http_response.status_code < 500)


def _note_failure(exception: Exception, **_: Any) -> None:
    if not isinstance(exception, StoreLeftAlone):
        breaker(NAME).note(well=False)
