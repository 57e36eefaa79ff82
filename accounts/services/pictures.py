"""People's pictures: a new one, none, and the files that are left over.

A picture's files are written before its digest is committed and removed after another one is, so no row ever shows what
is not there. Whoever writes or removes files of a person holds that person's lock for pictures, and looks at the row
again before removing: the same picture may have come back. The row itself is locked for the last statements only: a
store that is slow must not keep the person's steps from being counted.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import IO
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection, transaction

from accounts.models import User
from accounts.pictures.names import FOLDER, SIDES, picture_name, picture_named
from accounts.pictures.opening import MOST_BYTES, Redrawn, redraw_picture
from accounts.queries import person
from accounts.signals import profile_changed
from config.core.errors import NotFound, Refusal
from config.core.storage import StoreOut, reaching_store


def change_picture(*, user_id: UUID, picture: bytes | IO[bytes], now: datetime) -> User:
    """Shows this picture of the person from now on; the one that they have already changes nothing.

    Raises PictureRefused (NotAPicture among them), PictureTooLarge, PicturesBusy, StoreOut, NotFound.
    """
    data = picture if isinstance(picture, bytes) else picture.read(MOST_BYTES + 1)
    if not connection.in_atomic_block:
        connection.close()  # back to the pool: nobody else shall wait for it while this one waits for a decoder
    redrawn = redraw_picture(data)
    try:
        with transaction.atomic():
            _lock_pictures(user_id)
            before = person(user_id)
            if before.avatar == redrawn.digest:
                return before
            _keep(user_id, redrawn)
            return _show(before, redrawn.digest, now)
    except Refusal:
        remove_unshown_picture(user_id=user_id, digest=redrawn.digest)  # whatever of it was kept
        raise


@transaction.atomic
def remove_picture(*, user_id: UUID, now: datetime) -> User:
    """Shows none; a second time changes nothing. Raises NotFound."""
    _lock_pictures(user_id)
    before = person(user_id)
    return _show(before, "", now) if before.avatar else before


def remove_unshown_picture(*, user_id: UUID, digest: str) -> None:
    """Removes the files of a picture unless the person shows it. When the store is out they stay; the nightly job finds
    them."""
    with suppress(StoreOut):
        _remove_unshown(user_id, digest)


def remove_picture_after_commit(*, user_id: UUID, digest: str) -> None:
    """``digest`` may be empty: then there is nothing to remove."""
    if digest:
        removing = partial(remove_unshown_picture, user_id=user_id, digest=digest)
        transaction.on_commit(removing, robust=True)  # what is committed is done, whatever becomes of old files


def remove_orphan_pictures() -> int:
    """Removes pictures that nobody shows: of a process that died in between, or of a time when the store was out. Says
    how many there were. Raises StoreOut."""
    removed = 0
    for folder in sorted(_listed(FOLDER)[0]):
        found = set(filter(None, map(picture_named, _listed(f"{FOLDER}/{folder}")[1])))
        people = User.objects.filter(id__in={user_id for user_id, _ in found})
        for user_id, digest in found.difference(people.values_list("id", "avatar")):
            removed += _remove_unshown(user_id, digest)
    return removed


@transaction.atomic
def _remove_unshown(user_id: UUID, digest: str) -> bool:
    """False for a picture that is shown. Raises StoreOut."""
    _lock_pictures(user_id)
    if User.objects.filter(id=user_id, avatar=digest).exists():
        return False
    with reaching_store():
        for side in SIDES:
            storages["default"].delete(picture_name(user_id, digest, side))
    return True


def _show(before: User, digest: str, now: datetime) -> User:
    """Raises NotFound for somebody who was erased meanwhile."""
    old = before.avatar
    if not User.objects.filter(id=before.id, erased_at=None).update(avatar=digest, updated_at=now):
        raise NotFound("There is no such person.")
    before.avatar, before.updated_at = digest, now
    profile_changed.send(User, user=before)
    remove_picture_after_commit(user_id=before.id, digest=old)
    return before


def _keep(user_id: UUID, redrawn: Redrawn) -> None:
    with reaching_store():
        for side, data in redrawn.files.items():
            file = ContentFile(data)
            file.content_type = "image/webp"  # type: ignore[attr-defined]  # S3 keeps it beside the file
            storages["default"].save(picture_name(user_id, redrawn.digest, side), file)


def _listed(folder: str) -> tuple[Iterable[str], Iterable[str]]:
    """Folders and files in a folder of the store."""
    with reaching_store():
        try:
            return storages["default"].listdir(folder)
        except FileNotFoundError:
            return (), ()


def _lock_pictures(user_id: UUID) -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [f"accounts.pictures:{user_id}"])
