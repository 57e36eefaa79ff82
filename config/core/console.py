"""How management commands talk: a progress bar and a table for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import SEEK_END
from typing import Any, BinaryIO, Literal, TypeVar

from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, doing: str, total: int | None) -> Iterable[Item]:
    """The items, with a bar on standard error while they are worked through; silent where that is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield from bar.track(items, total=total, description=doing)


@contextmanager
def read_progress(file: BinaryIO, *, doing: str) -> Iterator[BinaryIO]:
    """The file, with a bar of its bytes on standard error while it is read; silent where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        total = file.seek(0, SEEK_END)
        file.seek(0)
        yield bar.wrap_file(file, total=total, description=doing)


@contextmanager
def rehearsed(*, dry_run: bool) -> Iterator[None]:
    """Runs for real, in one transaction; of a dry run everything is taken back, so that what it shows is exactly what
    would happen."""
    with transaction.atomic():
        yield
        transaction.set_rollback(dry_run)


def print_report(
    rows: Sequence[Mapping[str, Any]], *, title: str, as_json: bool, columns: Sequence[str] | None = None
) -> None:
    """``columns``: what of each row the table shows, where all of it would not fit a terminal. JSON has everything."""
    if as_json:
        sys.stdout.write(json.dumps(list(rows), default=str, indent=2) + "\n")
        return
    table = Table(title=title, title_justify="left")
    shown = columns or (list(rows[0]) if rows else [])
    for name in shown if rows else ():
        justify: Literal["left", "right"] = "right" if isinstance(rows[0][name], int) else "left"
        table.add_column(name.replace("_", " "), justify=justify, overflow="fold")  # an id is of use only whole
    for row in rows:
        table.add_row(*(str(row[name]) for name in shown))
    Console().print(table if rows else f"{title}: nothing")
