"""Files that we keep, wherever the settings say: in a folder, or in buckets of something that speaks S3."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import FileSystemStorage

from config.core.circuit import CircuitState
from config.core.errors import Unavailable
from config.core.outgoing import breaker

log = structlog.get_logger(__name__)


class StoreOut(Unavailable):
    message = "Files cannot be kept at this moment; try again in a while."


@contextmanager
def reaching_store() -> Iterator[None]:
    """Around calls of a storage. Raises StoreOut for whatever keeps it from answering; a file that is not there should
    be caught within."""
    try:
        yield
    except (OSError, Boto3Error, BotoCoreError, ClientError) as error:
        log.warning("store_unavailable", error=type(error).__name__, reason=str(error)[:300])
        raise StoreOut from error


class PrivateFiles(FileSystemStorage):
    """A folder that nothing serves, so nothing in it has an address."""

    def url(self, name: str | None) -> str:
        raise ValueError("A private file has no address here; a view has to hand it over.")


def circuits() -> dict[str, CircuitState]:
    """Of a store that is elsewhere."""
    elsewhere = settings.STORAGES["default"]["BACKEND"] == "config.core.buckets.Bucket"
    return {"files": breaker("files").state()} if elsewhere else {}
