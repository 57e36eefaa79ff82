"""Zip archives from strangers, read as a stream and never unpacked to the disk, so that their names cannot reach
anything.

What is inflated is bounded by a ratio to the archive's own size, which overlapping members cannot outwit, and in
all. The table of contents is read whole, so its size is bounded too. Only what a tracker writes is read: members that
are stored or deflated; the other methods may ask for gigabytes of memory.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END, SEEK_SET
from typing import IO, Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from fitness.importers.items import CHUNK, DamagedFile, WrongFile

MAX_CONTENTS_BYTES = 4 * 1024 * 1024
"""Of the table of contents, some 40,000 members."""
HEAD = 4096
"""Bytes by which a member is recognised: whoever uploads an archive waits for that."""
MAX_RATIO = 200
"""Inflated bytes for each of the archive. A tracker's XML comes to about thirty; deflate could reach 1,032."""
MAX_INFLATED_BYTES = 16 * 1024**3
_FREE_BYTES = 1024 * 1024  # of a small archive, whatever its ratio
_ENCRYPTED = 0x1
_UNREADABLE = (BadZipFile, LargeZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, EOFError)


class _Narrow:
    """The archive's file, of which nobody reads much at once: `ZipFile` would read a table of contents of any size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_CONTENTS_BYTES:
            raise WrongFile(f"The archive's table of contents is larger than {MAX_CONTENTS_BYTES} bytes.")
        return self._file.read(MAX_CONTENTS_BYTES if size < 0 else size)


class Archive:
    def __init__(self, file: IO[bytes]) -> None:
        """Raises WrongFile for one that cannot be read."""
        self._left = min(MAX_INFLATED_BYTES, MAX_RATIO * file.seek(0, SEEK_END) + _FREE_BYTES)
        file.seek(0, SEEK_SET)
        try:
            self._zip = ZipFile(cast("IO[bytes]", _Narrow(file)))
        except _UNREADABLE as error:
            raise WrongFile(f"The archive cannot be read: {error}") from None

    def members(self) -> list[ZipInfo]:
        """Those that can be read, folders not among them."""
        return [
            info
            for info in self._zip.infolist()
            if info.compress_type in (ZIP_STORED, ZIP_DEFLATED)
            and not info.flag_bits & _ENCRYPTED
            and not info.is_dir()
        ]

    @contextmanager
    def member(self, info: ZipInfo) -> Iterator[IO[bytes]]:
        """The content of one. Reading it raises DamagedFile, and WrongFile when it inflates to more than it may."""
        try:
            opened = self._zip.open(info)
        except _UNREADABLE as error:
            raise DamagedFile(f"{info.filename[:100]} cannot be read: {error}") from None
        with opened:
            yield cast("IO[bytes]", _Inflated(self, opened))

    def head(self, info: ZipInfo) -> bytes:
        """The first ``HEAD`` bytes of a member; none of one that cannot be read."""
        try:
            with self.member(info) as file:
                return file.read(HEAD)
        except DamagedFile:
            return b""

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WrongFile(
                f"The archive inflates to more than {MAX_RATIO} times its size, or {MAX_INFLATED_BYTES} bytes."
            )


class _Inflated:
    def __init__(self, archive: Archive, opened: Any) -> None:
        self._archive, self._opened = archive, opened

    def read(self, size: int = CHUNK) -> bytes:
        return self._taken(self._opened.read, size)

    def readline(self, size: int = CHUNK) -> bytes:
        return self._taken(self._opened.readline, size)

    def _taken(self, read: Any, size: int) -> bytes:
        try:
            data: bytes = read(size)
        except (zlib.error, *_UNREADABLE) as error:
            raise DamagedFile(f"The archive is damaged: {error}") from None
        self._archive.take(len(data))
        return data
