"""The export that the bench imports."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.imports import RECORD_BYTES, write_export
from fitness.importers.formats import format_of
from fitness.samples import read_sample

END = datetime(2026, 6, 1, tzinfo=UTC)


def test_it_is_as_large_as_asked_and_every_time_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_export(tmp_path / name, 1_000_000, END)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size == pytest.approx(1_000_000, rel=0.03)


def test_a_third_of_it_is_taken_and_believable(tmp_path: Path) -> None:
    write_export(tmp_path / "export.xml", 1_000_000, END)
    with (tmp_path / "export.xml").open("rb") as file:
        found = [read_sample(item.sample, zone="UTC", now=END) for item in format_of(file).read(file)]
    assert len(found) == pytest.approx(0.35 * 1_000_000 / RECORD_BYTES, rel=0.02)
    assert len({sample.external_id for sample in found}) == len(found)
    assert len({sample.source for sample in found}) == 2
