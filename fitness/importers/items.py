"""What every importer yields, and how a file is read that may be damaged, huge or hostile."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import IO, Any, NamedTuple

MAX_LINE_BYTES = 64 * 1024
CHUNK = 64 * 1024


class WrongFile(ValueError):
    """This is not such an export, or one that nobody should read on: the text says why."""


class DamagedFile(ValueError):
    """The file cannot be read beyond the place that the text names; what came before it is good."""


class Item(NamedTuple):
    """One thing that a file says, and where: ``counted`` is what is counted there (line, record, lap, with the member
    of an archive before it) and ``number`` counts from one.

    Either a ``sample`` or a day's ``record``, both as they are on the wire, or neither: then ``problem`` says why.
    """

    counted: str
    number: int
    sample: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    problem: str = ""

    @property
    def place(self) -> str:
        return f"{self.counted} {self.number}"


def content_id(origin: str, *parts: object) -> str:
    """An id for a sample that its file gives none: equal content has an equal id, in every export."""
    text = "\x1f".join(map(str, parts))
    return f"{origin}:{blake2b(text.encode('utf-8', 'replace'), digest_size=15).hexdigest()}"


def text_lines(file: IO[bytes]) -> Iterator[str]:
    """The lines of a text file one by one. Raises DamagedFile for one that does not end, or is no UTF-8."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise DamagedFile(f"Line {number} is longer than {MAX_LINE_BYTES} bytes.")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise DamagedFile(f"Line {number} is not UTF-8.") from None
