"""The bench's own arithmetic; what it measures is judged by nobody but its reader."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BEGIN, END, put_between_markers
from benchmarks.figures import (
    FIGURES,
    SECTIONS,
    Figure,
    Report,
    Taken,
    Target,
    at_least,
    at_most,
    beside,
    markdown,
    rows,
    shown,
    verdicts,
)
from benchmarks.latencies import deliveries, percentile, percentile_of_counts
from benchmarks.reads import read_redis_benchmark
from benchmarks.stage import ROOT, BenchError, NotMeasured, read_wrk, tool

WRK = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   597.61ms  123.00ms   1.32s    70.00%
Requests/sec:     83.30

{"requests": 167, "seconds": 2.004, "bytes": 5400000, "failed": 0, "p50_ms": 597.6, "p95_ms": 900.0, "p99_ms": 1318.7}
"""


# --- Arithmetic ---


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([40, 10, 30, 20], per_cent) for per_cent in (1, 50, 51, 99, 100)] == [10, 20, 30, 40, 40]


def test_counted_values_have_the_same_percentiles() -> None:
    values = [3.0, 1.0, 1.0, 2.0, 9.0, 2.0, 2.0]
    counts = {value: values.count(value) for value in values}
    for per_cent in (1, 28, 29, 50, 72, 99, 100):
        assert percentile_of_counts(counts, per_cent) == percentile(values, per_cent)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    with pytest.raises(ValueError, match="no values"):
        percentile_of_counts({}, 50)


def test_a_change_has_arrived_with_the_first_frame_of_it_or_of_a_later_one() -> None:
    acknowledged = {5: 1_000_000, 6: 2_000_000}
    arrivals = [(0, 4, 900_000), (0, 6, 12_000_000), (1, 5, 3_000_000), (1, 6, 4_000_000), (1, 7, 90_000_000)]
    found = deliveries(acknowledged, arrivals, sockets=2)
    assert dict(found.every) == {11.0: 1, 10.0: 1, 2.0: 2}
    assert found.last == [11.0, 10.0]
    assert found.missing == 0


def test_a_frame_faster_than_the_acknowledgement_took_no_time() -> None:
    found = deliveries({5: 9_000_000}, [(0, 5, 8_000_000)], sockets=1)
    assert (dict(found.every), found.last) == ({0.0: 1}, [0.0])


def test_sockets_that_a_change_never_reached_are_counted() -> None:
    found = deliveries({5: 0, 6: 0}, [(0, 5, 1_000_000)], sockets=3)
    assert found.missing == 5


# --- What the tools say ---


def test_wrk_is_read_from_the_line_that_our_script_adds() -> None:
    found = read_wrk(WRK)
    assert found["requests"] / found["seconds"] == pytest.approx(83.33, abs=0.01)
    assert (found["failed"], found["p99_ms"]) == (0, 1318.7)


def test_wrk_that_broke_off_is_an_error() -> None:
    with pytest.raises(BenchError, match="wrk did not say"):
        read_wrk("unable to connect to 127.0.0.1:8080 Connection refused\n")


def test_redis_benchmark_is_read_from_its_csv() -> None:
    assert read_redis_benchmark('"test","rps","avg_latency_ms"\n"zrevrange k 0 99","62829.50","0.9"\n') == 62829.5
    with pytest.raises(BenchError, match="redis-benchmark did not say"):
        read_redis_benchmark("Could not connect to Redis\n")


def test_a_missing_tool_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(NotMeasured, match=r"wrk is missing \(apt-get install wrk\)"):
        tool("wrk")


# --- Targets and the table ---


def _verdict(target: Target, value: float | None, other: float | None = None) -> tuple[str, bool | None]:
    figure = Figure("reads.snapshot", "it", "ms", (target,))
    (verdict,) = verdicts(figure, {"reads.snapshot": Taken(value), "reads.nginx": Taken(other)})
    return verdict


def test_a_bound_that_is_met_exactly_is_reached() -> None:
    assert _verdict(at_most(5), 5.0) == ("≤ 5 ms: reached", True)
    assert _verdict(at_most(5), 5.1) == ("≤ 5 ms: not reached", False)
    assert _verdict(at_least(5), 4.9) == ("≥ 5 ms: not reached", False)


def test_a_figure_is_compared_with_another_of_the_same_run() -> None:
    assert _verdict(at_least(0.4, of="reads.nginx"), 45.0, 100.0) == ("≥ 0.4 × nginx (0.45 ×): reached", True)
    assert _verdict(at_least(0.4, of="reads.nginx"), 39.0, 100.0) == ("≥ 0.4 × nginx (0.39 ×): not reached", False)
    assert _verdict(beside("reads.nginx"), 50.0, 100.0) == ("0.50 × nginx", None)


def test_where_either_is_missing_nothing_is_claimed() -> None:
    assert _verdict(at_most(5), None) == ("≤ 5 ms: not known", None)
    assert _verdict(at_least(0.4, of="reads.nginx"), 45.0) == ("≥ 0.4 × nginx: not known", None)


def test_a_target_says_nothing_of_a_figure_that_was_taken_under_easier_conditions() -> None:
    figure = Figure("frames.last_p99", "it", "ms", (at_most(500),))
    (verdict,) = verdicts(figure, {"frames.last_p99": Taken(3.0, "17 changes/s", as_asked=False)})
    assert verdict == ("≤ 500 ms: not known", None)
    compared = Figure("reads.snapshot", "it", "ms", (at_least(1, of="reads.nginx"),))
    easier = {"reads.snapshot": Taken(3.0), "reads.nginx": Taken(1.0, as_asked=False)}
    assert list(verdicts(compared, easier)) == [("≥ 1 × nginx: not known", None)]


def test_nothing_is_so_many_times_nothing() -> None:
    assert _verdict(at_most(1.1, of="reads.nginx"), 0.0, 0.0) == ("≤ 1.1 × nginx: not known", None)
    assert _verdict(at_least(25, of="reads.nginx"), 26.8, 0.0) == ("≥ 25 × nginx: not known", None)


def test_every_figure_has_a_section_and_whatever_it_is_compared_with_a_short_name() -> None:
    keys = [figure.key for figure in FIGURES]
    short = {figure.key: figure.short for figure in FIGURES}
    assert len(set(keys)) == len(keys)
    assert {figure.section for figure in FIGURES} == set(SECTIONS)
    assert all(short[target.of] for figure in FIGURES for target in figure.targets if target.of)


def test_a_figure_that_was_not_taken_says_why() -> None:
    report = Report()
    report.take("reads.nginx", 68_000.0, "p99 1 ms")
    report.give_up(["reads.nginx", "reads.snapshot"], "wrk is missing")
    found = {row["key"]: row for row in rows(report, ["reads"])}
    assert found["reads.nginx"]["measured"] == "68,000 requests/s"
    assert (found["reads.snapshot"]["value"], found["reads.snapshot"]["note"]) == (None, "wrk is missing")
    assert found["reads.people"]["note"] == "its section did not get so far"
    assert not any(row["key"].startswith("frames") for row in found.values())


def test_figures_are_shown_with_the_digits_that_mean_something() -> None:
    assert [shown(Taken(value), "ms") for value in (0.0, 4.267, 42.67, 426.7, 51_300.4, None)] == [
        "0 ms",
        "4.27 ms",
        "42.7 ms",
        "427 ms",
        "51,300 ms",
        "not measured",
    ]


def test_the_table_takes_its_place_in_a_page_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{BEGIN}\nold\n{END}\n# After\n")
    report = Report()
    report.take("reads.nginx", 68_000.0)
    for _ in range(2):
        put_between_markers(page, markdown(rows(report, ["reads"]), ["a note"], "2 cores"))
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("\n# After\n")
    assert "old" not in text
    assert text.count("| nginx, the same bytes as a static file | 68,000 requests/s |") == 1
    assert "- a note" in text


def test_a_page_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="has no"):
        put_between_markers(page, "table")
    assert page.read_text() == "no markers"


# --- All of it ---


@pytest.mark.slow
def test_the_reads_are_measured_from_nothing_and_nothing_is_left(tmp_path: Path) -> None:
    json_file, temporary = tmp_path / "bench.json", tmp_path / "t"
    temporary.mkdir()
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "reads", "--json", str(json_file)]
    environ = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {figure["key"]: figure for figure in json.loads(json_file.read_text())["figures"]}
    assert found.keys() == {figure.key for figure in FIGURES if figure.section == "reads"}
    for figure in found.values():
        assert figure["value"] or figure["note"], figure
    if shutil.which("wrk") and shutil.which("nginx"):  # quick enough to be measured on a machine that is busy testing
        assert found["reads.nginx"]["value"] > 0
    assert list(temporary.iterdir()) == []
