"""What a picture's files are called in the store, and their addresses.

A person's row holds the picture's digest alone. The names follow from it and the person's id, the addresses from the
name and the settings: neither a bucket that moves nor a new CDN is written into rows. Two people who send the same
picture have files of their own, so whoever goes takes nothing from the other.
"""

import re
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from django.core.files.storage import Storage, storages

LARGE = 512
"""Side in pixels, at most: of the picture in a profile."""
SMALL = 96
"""Of the one beside a name: on boards, in their frames, in lists of participants."""
SIDES = (LARGE, SMALL)

FOLDER = "avatars"
_FILE = rf"[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}-[0-9a-f]{{32}}-(?:{LARGE}|{SMALL})\.webp"
NAME = rf"{FOLDER}/[0-9a-f]{{2}}/{_FILE}"
"""Every name that there may be, and no other path."""


def digest_of(*files: bytes) -> str:
    """Of a picture in all its sizes: 32 hexadecimal digits."""
    return sha256(b"".join(files)).hexdigest()[:32]


def picture_name(user_id: UUID | str, digest: str, side: int) -> str:
    """In 256 folders, so that none holds everybody."""
    person = str(user_id)
    return f"{FOLDER}/{person[:2]}/{person}-{digest}-{side}.webp"


def picture_named(file_name: str) -> tuple[UUID, str] | None:
    """Whose it is and its digest, by the name within its folder; None for what we have not named."""
    if not re.fullmatch(_FILE, file_name):
        return None
    person, digest, _ = file_name.rsplit("-", 2)
    return UUID(person), digest


def picture_url(user_id: UUID | str, digest: str | None, side: int) -> str | None:
    """None for somebody without a picture. ``digest`` is `User.avatar`; it comes from our own rows, so it is not
    looked at again."""
    return _address(storages["default"]) + picture_name(user_id, digest, side) if digest else None


@lru_cache(maxsize=8)
def _address(store: Storage) -> str:
    """Of everything in the store. Our names need no quoting, and a board asks for a thousand addresses."""
    return store.url(FOLDER).removesuffix(FOLDER)
