"""What an app knows of a person, as files of their export; put together above the apps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """A file of lines. ``name``: with its folder, without an ending; ``about``: a sentence for whoever opens it;
    ``rows`` may be many, and are fetched while they are written."""

    name: str
    about: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
