"""What a file says, in the order of time.

An export lists one type after the other, each over all the years. What is counted is days, so a day would be counted
anew for every type; in the order of time it is counted about once. A file is larger than memory, so it is sorted in
runs, which lie on the disk and are merged.
"""

import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import merge
from itertools import islice
from tempfile import TemporaryFile

import orjson

from fitness.importers.items import Item, WrongFile

RUN = 20_000
BLOCK = 16 * 1024
MAX_ITEMS = 5_000_000
"""Of one file: a sample a minute for ten years."""
MAX_CHARACTERS = 4096
"""Of one sample: some thrice what the longest names need. Thousands are in memory at once, and a million digits are a
number too."""


class Sorted:
    """All of them, sorted on the disk; ``len`` says how many they are. The same file gives the same order. Raises
    WrongFile for too many."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - it goes with the last reference
        self._runs: list[tuple[int, int]] = []
        self._length = 0
        following = map(_bounded, items)
        while run := list(islice(following, RUN)):
            self._length += len(run)
            if self._length > MAX_ITEMS:
                raise WrongFile(f"The file holds more than {MAX_ITEMS} samples.")
            run.sort(key=_moment)
            start = self._file.tell()
            self._file.writelines(map(_written, run))
            self._runs.append((start, self._file.tell()))
        self._file.flush()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        return merge(*(self._read(start, end) for start, end in self._runs), key=_moment)

    def _read(self, start: int, end: int) -> Iterator[Item]:
        rest = b""
        while start < end:
            block = os.pread(self._file.fileno(), min(BLOCK, end - start), start)
            start += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from map(_restored, lines)


def _moment(item: Item) -> str:
    """The text suffices: what is off by a few hours because of another zone is near enough."""
    if item.sample is not None:
        return str(item.sample["start"])
    return str(item.record["date"]) if item.record is not None else ""


def _bounded(item: Item) -> Item:
    said = item.sample or item.record or {}
    if sum(len(str(value)) for value in said.values()) <= MAX_CHARACTERS:
        return item
    return Item(item.counted, item.number, problem=f"longer than {MAX_CHARACTERS} characters")


def _written(item: Item) -> bytes:
    return orjson.dumps([*item], default=_decimal, option=orjson.OPT_APPEND_NEWLINE)


def _decimal(value: object) -> dict[str, str]:
    return {"decimal": str(value)}


def _restored(line: bytes) -> Item:
    item = Item(*orjson.loads(line))
    for content in (item.sample or {}, item.record or {}):
        for name, value in content.items():
            if isinstance(value, dict) and "decimal" in value:
                content[name] = Decimal(value["decimal"])
    return item
