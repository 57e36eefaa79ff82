"""Bringing in what a file says.

An upload lies in a folder that all processes share. One process at a time reads imports, the oldest first: batch by
batch, each committed together with how far it came. Whoever dies in between is followed by somebody who goes on after
the last batch: the same file gives the same items in the same order. Reading it twice changes nothing, since equal
content has equal ids.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import UploadedFile
from django.db import InterfaceError, OperationalError, transaction

from accounts.models import User
from accounts.services.people import lock_people
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.errors import Conflict, Invalid, NotFound, TooLarge
from config.core.jobs import enqueue_once
from config.core.sql import alone_with
from fitness.importers.formats import FORMATS, format_of
from fitness.importers.items import Item, WrongFile
from fitness.importers.sorting import Sorted
from fitness.models import Import, Sample
from fitness.models.imports import UNFINISHED, ImportState
from fitness.rules import Channel, Reading, UnbelievableRecord, read_record
from fitness.samples import SampleReading, read_sample
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities

log = structlog.get_logger(__name__)

BATCH = 5_000
MAX_PROBLEMS = 100
MAX_UNFINISHED = 3
"""Imports of one person that wait or run."""
MAX_ATTEMPTS = 3
"""Then whoever reads the file dies of it."""
ORPHAN_AFTER = timedelta(hours=1)
_PROBLEM_LENGTH = 300
_LOCK = "fitness.imports"


class TooManyImports(Conflict):
    message = f"{MAX_UNFINISHED} of your imports are not finished yet; wait for one of them."


class ImportRunning(Conflict):
    message = "Only an import that waits can be cancelled."


@dataclass
class Tally:
    """What became of what a file says. ``problems``: the first of those that were ``rejected``, with their places."""

    read: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)

    def reject(self, item: Item, problem: str) -> None:
        self.rejected += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"place": _storable(item.place), "problem": _storable(problem)})


def _storable(text: str) -> str:
    """Without what the database does not take: NUL and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:_PROBLEM_LENGTH]


# --- What a file says ---------------------------------------------------------------------------------------------


def import_items(
    *,
    items: Iterable[Item],
    user: User,
    tally: Tally,
    clock: Callable[[], datetime],
    note: Callable[[], None] = lambda: None,
    dry_run: bool = False,
) -> None:
    """Stores those items that ``tally`` has not read yet, batch by batch; ``note`` is called in the transaction of
    each, after it was added to the tally. A dry run stores nothing."""
    following = islice(items, tally.read, None)
    while batch := list(islice(following, BATCH)):
        with transaction.atomic():
            lock_people([user.id])
            _store_batch(batch, user, tally, clock(), dry_run=dry_run)
            note()


def _store_batch(batch: list[Item], user: User, tally: Tally, now: datetime, *, dry_run: bool) -> None:
    samples, readings = _believable(batch, user, tally, now)
    tally.read += len(batch)
    if dry_run or not (samples or readings):
        return
    changes = SampleChanges(user.id, Channel.IMPORT, [sample for _, sample in samples])
    result = sync_activities(readings=readings, samples=[changes] if samples else [], now=now)
    tally.accepted += result.accepted
    tally.unchanged += result.unchanged
    refused = [(*samples[one.place], one.errors) for theirs in result.refused for one in theirs]
    known = _amounts_stored(user, [sample for _, sample, _ in refused])
    for item, sample, errors in refused:
        if "source" in errors:
            tally.reject(item, " ".join(errors["source"]))
        elif known.get(sample.external_id) == sample.amount:
            tally.unchanged += 1  # the export was made in another time zone
        else:
            tally.reject(item, "There is another amount for the same time from the same source already.")


def _amounts_stored(user: User, samples: Sequence[SampleReading]) -> dict[str, int]:
    if not samples:
        return {}
    ids = [sample.external_id for sample in samples]
    stored = Sample.objects.filter(user=user, external_id__in=ids, superseded_at=None)
    return dict(stored.values_list("external_id", "amount"))


def _believable(
    batch: Iterable[Item], user: User, tally: Tally, now: datetime
) -> tuple[list[tuple[Item, SampleReading]], list[Reading]]:
    samples: list[tuple[Item, SampleReading]] = []
    readings: list[Reading] = []
    zone = user.timezone or "UTC"
    latest = day_in(user.timezone or EARLIEST_ZONE, now)
    for item in batch:
        try:
            if item.sample is not None:
                samples.append((item, read_sample(item.sample, zone=zone, now=now)))
            elif item.record is not None:
                readings.append(read_record(item.record, user_id=user.id, today=latest, latest_day=latest))
            else:
                tally.reject(item, item.problem)
        except UnbelievableRecord as error:
            tally.reject(item, str(error))
    return samples, readings


# --- Uploads ------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_import(*, user: User, upload: UploadedFile[bytes], now: datetime) -> Import:
    """Keeps an upload and has it read. Raises Invalid for a file of no known format, TooLarge, TooManyImports."""
    if (upload.size or 0) > settings.MAX_IMPORT_BYTES:
        raise TooLarge(f"A file may have {settings.MAX_IMPORT_BYTES} bytes at most.")
    try:
        known = format_of(upload)
    except WrongFile as error:
        raise Invalid(details={"file": [str(error)]}) from None
    lock_people([user.id])
    if Import.objects.filter(user=user, state__in=UNFINISHED).count() >= MAX_UNFINISHED:
        raise TooManyImports
    made = Import.objects.create(user=user, format=known.name, bytes=upload.size or 0, created_at=now)
    _folder().save(str(made.id), upload)
    _enqueue()
    return made


@transaction.atomic
def cancel_import(*, user_id: UUID, import_id: UUID) -> None:
    """Raises NotFound, ImportRunning."""
    found = Import.objects.select_for_update().filter(id=import_id, user_id=user_id).first()
    if found is None:
        raise NotFound
    if found.state != ImportState.WAITING:
        raise ImportRunning
    found.delete()
    transaction.on_commit(partial(_folder().delete, str(import_id)))


@transaction.atomic
def forget_imports(*, user_id: UUID) -> None:
    """Of a person who is erased, files included. Whoever reads one of them notices before the next batch."""
    ids = list(Import.objects.filter(user_id=user_id).values_list("id", flat=True))
    Import.objects.filter(id__in=ids).delete()
    for import_id in ids:
        transaction.on_commit(partial(_folder().delete, str(import_id)))


def read_imports(*, clock: Callable[[], datetime]) -> None:
    """Reads all that is not finished, the oldest first, unless another process is at it. Never inside a transaction:
    each batch is committed before the next. Safe to call at any time, from anywhere."""
    with alone_with(_LOCK) as alone:
        while alone and (found := _next()):
            _read_import(found, clock)


def remove_orphans(*, now: datetime) -> None:
    """Files that nobody will read: of a request that died, or of an import that was finished a moment before its
    process did."""
    folder = _folder()
    unfinished = {str(found) for found in Import.objects.filter(state__in=UNFINISHED).values_list("id", flat=True)}
    for name in folder.listdir("")[1] if folder.exists("") else []:
        if name not in unfinished and folder.get_modified_time(name) < now - ORPHAN_AFTER:
            folder.delete(name)


def _folder() -> FileSystemStorage:
    return FileSystemStorage(settings.IMPORT_DIR, file_permissions_mode=0o600, directory_permissions_mode=0o700)


def _enqueue() -> None:
    from fitness.tasks import read_uploads  # tasks call services

    enqueue_once(read_uploads.defer)


def _next() -> Import | None:
    return Import.objects.filter(state__in=UNFINISHED).select_related("user").order_by("created_at").first()


class _Forgotten(Exception):
    """The person was erased meanwhile."""


def _read_import(found: Import, clock: Callable[[], datetime]) -> None:
    found.attempts += 1
    found.state = ImportState.RUNNING
    begun = Import.objects.filter(id=found.id).update(state=found.state, attempts=found.attempts)
    if not begun:
        return  # cancelled a moment ago
    reason = ""
    try:
        if found.attempts > MAX_ATTEMPTS:
            raise WrongFile("It could not be read: every process that tried ended.")
        with _folder().open(str(found.id)) as file:
            items = Sorted(FORMATS[found.format].read(file))
            _go_on(found, items, clock)
    except _Forgotten:
        return
    except (WrongFile, FileNotFoundError) as error:
        reason = str(error) if isinstance(error, WrongFile) else "The file is gone."
    except (OperationalError, InterfaceError):
        raise  # the database is out: somebody goes on later
    except Exception:
        log.exception("import_failed", import_id=str(found.id))
        reason = "Something went wrong on our side; it has been noted."
    state = ImportState.FAILED if reason else ImportState.DONE
    changes: dict[str, Any] = {"state": state, "reason": reason, "finished_at": clock()}
    if not reason:
        changes["bytes_read"] = found.bytes
    Import.objects.filter(id=found.id).update(**changes)
    _folder().delete(str(found.id))


def _go_on(found: Import, items: Sorted, clock: Callable[[], datetime]) -> None:
    tally = Tally(found.read, found.accepted, found.unchanged, found.rejected, list(found.problems))

    def note() -> None:
        saved = Import.objects.filter(id=found.id).update(
            **vars(tally),
            bytes_read=found.bytes * tally.read // len(items),
            attempts=0,  # it has come further, so it is not the file that kills
        )
        if not saved:
            raise _Forgotten

    import_items(items=items, user=found.user, tally=tally, clock=clock, note=note)
