"""Exports of everything about a person: asked for, written by a job, fetched by nobody else, and removed after a week.

Whoever dies while writing one is followed by somebody who begins anew, under the same name.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from uuid import UUID

import structlog
from django.core.files import File
from django.core.files.storage import storages
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from accounts.models import Export, ExportState, User
from accounts.models.exports import UNFINISHED
from accounts.notices import Event
from accounts.services.exports import remove_exports
from accounts.services.notifying import notify_people
from accounts.services.people import lock_people
from config.core.errors import Conflict, NotFound
from config.core.jobs import enqueue_once
from config.core.sql import alone_with, one_moment
from config.people.archive import write_archive

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(days=1)
"""Who asks again within that gets the same."""
KEPT_FOR = timedelta(days=7)
MAX_ATTEMPTS = 3
_FOLDER = "exports"
_ORPHAN_AFTER = timedelta(hours=1)


class NotReady(Conflict):
    message = "The export is not written yet; ask again in a moment."


@transaction.atomic
def request_export(*, user_id: UUID, now: datetime) -> Export:
    """Has one written, unless there is one that is still being written or fresh. Raises NotFound."""
    if not lock_people([user_id]):
        raise NotFound("There is no such person.")
    theirs = Export.objects.filter(user_id=user_id)
    known = theirs.first()
    if known is not None and _is_good(known, now):
        return known
    remove_exports(theirs)
    made = Export.objects.create(
        user_id=user_id, file_name=f"{_FOLDER}/{secrets.token_urlsafe(32)}.zip", requested_at=now
    )
    _enqueue()
    return made


def export_of(user_id: UUID) -> Export:
    """Raises NotFound."""
    found = Export.objects.filter(user_id=user_id).first()
    if found is None:
        raise NotFound("There is no export of yours; ask for one first.")
    return found


def opened_export(user_id: UUID, now: datetime) -> File[bytes]:
    """The file. Raises NotFound, NotReady."""
    found = export_of(user_id)
    if found.state in UNFINISHED:
        raise NotReady
    if found.expires_at is None or found.expires_at <= now:
        raise NotFound("There is no export of yours; ask for one first.")
    return storages["private"].open(found.file_name)


def write_exports(*, clock: Callable[[], datetime]) -> None:
    """All that are not finished, the oldest first. Never inside a transaction. Safe to call at any time, from several
    processes at once."""
    waiting = Export.objects.filter(state__in=UNFINISHED).order_by("requested_at")
    for export_id in list(waiting.values_list("id", flat=True)):
        with alone_with(f"export:{export_id}") as alone:
            found = Export.objects.filter(id=export_id, state__in=UNFINISHED).select_related("user").first()
            if alone and found is not None:
                _write(found, clock)


def remove_old_exports(*, now: datetime) -> int:
    """With files that no row knows: of a worker that died a moment after its person was erased. Says how many rows."""
    removed = remove_exports(Export.objects.filter(expires_at__lte=now))
    storage = storages["private"]
    known = set(Export.objects.values_list("file_name", flat=True))
    for name in storage.listdir(_FOLDER)[1] if storage.exists(_FOLDER) else []:
        path = f"{_FOLDER}/{name}"
        if path not in known and storage.get_modified_time(path) < now - _ORPHAN_AFTER:
            storage.delete(path)
    return removed


def _is_good(export: Export, now: datetime) -> bool:
    fresh = export.state == ExportState.READY and export.requested_at > now - FRESH_FOR
    return fresh or export.state in UNFINISHED


def _enqueue() -> None:
    """In the transaction at hand: the job exists if and only if that is committed."""
    from config.people.tasks import write_waiting_exports  # tasks call services

    enqueue_once(write_waiting_exports.defer)


def _write(export: Export, clock: Callable[[], datetime]) -> None:
    mine = Export.objects.filter(id=export.id)
    if export.attempts >= MAX_ATTEMPTS:
        log.error("export_failed", export_id=str(export.id))
        mine.update(state=ExportState.FAILED, finished_at=clock())
        return
    mine.update(state=ExportState.RUNNING, attempts=F("attempts") + 1)
    try:
        size = _written(export.user, export.file_name, clock())
    except (OperationalError, InterfaceError):
        raise  # the database is out: somebody goes on later
    except Exception:
        log.exception("export_not_written", export_id=str(export.id))  # tried again in a minute
        return
    if not _finish(export, size, clock()):
        storages["private"].delete(export.file_name)  # erased meanwhile


def _written(person: User, name: str, now: datetime) -> int:
    """Everything as it was at one moment. Says how many bytes."""
    storage = storages["private"]
    storage.delete(name)  # what a worker that died has left
    with TemporaryFile() as file:
        with one_moment():
            write_archive(person, file, now)
        size = file.tell()
        file.seek(0)
        storage.save(name, File(file))
    return size


@transaction.atomic
def _finish(export: Export, size: int, now: datetime) -> bool:
    mine = Export.objects.filter(id=export.id, state=ExportState.RUNNING)
    if not mine.update(state=ExportState.READY, bytes=size, finished_at=now, expires_at=now + KEPT_FOR):
        return False
    notify_people(event=Event.EXPORT_READY, told={export.user_id: {}}, dedupe_key=f"export_ready:{export.id}", now=now)
    return True
