"""docs/imports.md says what the code does."""

import re
from pathlib import Path

import pytest

from config.core.environment import Environment
from fitness.importers import apple_health, archives, items, markup, sorting, takeout, workouts
from fitness.importers.formats import FORMATS
from fitness.services import imports

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "imports.md").read_text()
KIB, MIB, GIB = 1024, 1024**2, 1024**3


def table_under(heading: str) -> dict[str, str]:
    """The first two columns of the first table there."""
    part = TEXT.partition(f"\n{heading}\n")[2]
    return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", part.partition("\n#")[0], re.MULTILINE))


def test_every_format_is_in_the_table() -> None:
    assert [name.strip("`") for name in table_under("## Formats") if name.startswith("`")] == list(FORMATS)


def test_every_type_that_is_taken_from_apple_health_is_in_the_table() -> None:
    listed = {name.strip("`"): metric for name, metric in table_under("### Apple Health").items() if "`" in name}
    assert listed == apple_health.TYPES


@pytest.mark.parametrize(
    ("what", "bound"),
    [
        ("a file", f"`MAX_IMPORT_BYTES`, {Environment.MAX_IMPORT_BYTES // GIB} GiB unless it is set"),
        ("imports of one person that wait or run", f"{imports.MAX_UNFINISHED}"),
        (
            "what a zip inflates to",
            f"{archives.MAX_RATIO} times its size, and {archives.MAX_INFLATED_BYTES // GIB} GiB",
        ),
        ("a zip's table of contents", f"{archives.MAX_CONTENTS_BYTES // MIB} MiB"),
        ("a tag, comment or instruction of XML", f"{markup.MAX_TOKEN_BYTES // MIB} MiB"),
        ("elements of XML within one another", f"{markup.MAX_DEPTH}"),
        ("a line of a table, an entry of a list of JSON", f"{items.MAX_LINE_BYTES // KIB} KiB"),
        ("a line of a table, an entry of a list of JSON", f"{takeout.MAX_OBJECT // KIB} KiB"),
        (
            "a workout's file",
            f"{workouts.MAX_BYTES // MIB} MiB, {workouts.MAX_LAPS:,} laps, {workouts.MAX_POINTS:,} points",
        ),
        ("samples of one file", f"{sorting.MAX_ITEMS:,}"),
    ],
)
def test_the_bounds_are_those_of_the_code(what: str, bound: str) -> None:
    assert table_under("## Bounds")[what].startswith(bound)


def test_the_number_of_problems_that_are_listed() -> None:
    assert f"the first {imports.MAX_PROBLEMS} such problems are listed" in TEXT.replace("\n", " ")
