"""XML from strangers, read as a stream.

Expat does the reading: it takes a third of the time of a tree and the memory of one element. No document type ever
reaches it, so there are no entities to expand and nothing outside to fetch. That also reads what a tracker wrote with a
broken one: Apple's declarations have been malformed since iOS 16.
"""

import re
from collections.abc import Callable, Iterator
from typing import IO
from xml.parsers import expat

from fitness.importers.items import CHUNK, DamagedFile, WrongFile

MAX_PROLOGUE_BYTES = 256 * 1024
MAX_TOKEN_BYTES = 1024 * 1024
"""Of one tag, comment or instruction: expat keeps it whole."""
MAX_DEPTH = 64

_DOCTYPE = re.compile(rb"<!DOCTYPE\s[^\[>]*(\[.*?\]\s*)?>", re.DOTALL)
_BEFORE_ROOT = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
"""Possessive: of what is not closed nothing is tried twice, which for a head full of beginnings takes minutes."""
_ROOT = re.compile(rb"<(?:!DOCTYPE\s+)?([A-Za-z_][\w.:-]*)")
_ILLEGAL = bytes(set(range(32)) - {9, 10, 13})
"""Control characters that XML does not know. Some exports have them in names."""

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def root_of(head: bytes) -> str:
    """The name of the document's element, or what its type says that it is; empty where there is none."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    before = _BEFORE_ROOT.match(text)
    found = _ROOT.match(text, before.end()) if before else None
    return found[1].decode("ascii", "replace").rpartition(":")[2] if found else ""


class Scan:
    """One reading of one file. ``depth`` is how many elements are open, the one at hand included."""

    def __init__(self, start: Start, end: End, text: Text | None = None) -> None:
        self.depth = 0
        self._start, self._end = start, end
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.StartElementHandler = self._opened
        self._parser.EndElementHandler = self._closed
        self._parser.StartDoctypeDeclHandler = _refuse_document_type
        if text is not None:
            self._parser.CharacterDataHandler = text

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    def chunks(self, file: IO[bytes]) -> Iterator[None]:
        """Reads on, a piece with each step. Raises DamagedFile, WrongFile."""
        fed = 0
        for chunk in without_document_type(file):
            self._feed(chunk, last=False)
            fed += len(chunk)
            if fed - max(0, self._parser.CurrentByteIndex) > MAX_TOKEN_BYTES + CHUNK:
                raise WrongFile(f"What begins in line {self.line} is longer than {MAX_TOKEN_BYTES} bytes.")
            yield
        self._feed(b"", last=True)
        yield

    def _feed(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(chunk.translate(None, _ILLEGAL), last)
        except expat.ExpatError as error:
            raise DamagedFile(f"Line {error.lineno}: {expat.ErrorString(error.code)}.") from None

    def _opened(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise WrongFile(f"Line {self.line}: more than {MAX_DEPTH} elements within one another.")
        self._start(name, attributes)

    def _closed(self, name: str) -> None:
        self._end(name)
        self.depth -= 1


def without_document_type(file: IO[bytes]) -> Iterator[bytes]:
    """The file in chunks, with empty lines where its document type was. Raises WrongFile for one that has entities or
    does not end."""
    head = file.read(MAX_PROLOGUE_BYTES)
    begin = head.find(b"<!DOCTYPE")
    if begin >= 0:
        found = _DOCTYPE.match(head, begin)
        if found is None:
            raise WrongFile(f"The document type does not end within {MAX_PROLOGUE_BYTES} bytes.")
        if b"<!ENTITY" in found[0]:
            raise WrongFile("The document type declares entities; no tracker does.")
        head = head[:begin] + b"\n" * found[0].count(b"\n") + head[found.end() :]
    for start in range(0, len(head), CHUNK):
        yield head[start : start + CHUNK]
    while chunk := file.read(CHUNK):
        yield chunk


def _refuse_document_type(*_: object) -> None:
    raise WrongFile("There is a document type where none belongs.")
