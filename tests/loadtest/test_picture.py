"""The picture is SVG that a browser opens, and shows what the report says."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loadtest.picture import decades, linear_ticks, picture_of
from config.loadtest.plan import Plan
from config.loadtest.report import report_of
from config.loadtest.samples import Memory, Traffic

SVG = "{http://www.w3.org/2000/svg}"


def drawn(document: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(picture_of(document))  # noqa: S314 - our own


def words(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def curves(root: ElementTree.Element) -> dict[str, list[tuple[float, float]]]:
    """Points by the name of the colour."""
    return {
        line.attrib["stroke"]: [
            (float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())
        ]
        for line in root.iter(f"{SVG}polyline")
    }


def test_it_says_what_was_tested_and_what_came_out(document: dict[str, Any]) -> None:
    said = words(drawn(document))
    assert "Load test of https://steps.example.org" in said
    assert "10 users · 10 requests a second due · 10 answered · 0 % errors · 2 of 3 sockets open at the end" in said


def test_each_percentile_is_a_curve_with_a_point_a_second(document: dict[str, Any]) -> None:
    found = curves(drawn(document))
    assert {name: len(points) for name, points in found.items()} == {
        "var(--rate)": 11,
        "var(--p50)": 10,  # nothing was answered in second 0
        "var(--p95)": 10,
        "var(--p99)": 10,
    }


def test_slower_is_higher_and_later_is_further_right(document: dict[str, Any]) -> None:
    document["timeline"] = [
        {"second": second, "answered": 5, "errors": 0, "p50": slow, "p95": slow, "p99": slow, "max": slow}
        for second, slow in enumerate([1.0, 10.0, 100.0])
    ]
    points = curves(drawn(document))["var(--p50)"]
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    (_, low), (_, middle), (_, high) = points
    assert low - middle == pytest.approx(middle - high, abs=0.2)  # by decades
    assert high < middle


def test_errors_have_a_curve_of_their_own_where_there_are_any(document: dict[str, Any]) -> None:
    assert "var(--error)" not in curves(drawn(document))
    document["timeline"][3]["errors"] = 4
    assert "var(--error)" in curves(drawn(document))


def test_an_address_with_signs_of_xml_stays_text(document: dict[str, Any]) -> None:
    document["target"] = "http://a&b<c>"
    assert "Load test of http://a&b<c>" in words(drawn(document))


def test_it_is_dark_where_the_reader_is(document: dict[str, Any]) -> None:
    assert "prefers-color-scheme: dark" in picture_of(document)


def test_nothing_lies_outside_of_it(document: dict[str, Any]) -> None:
    root = drawn(document)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for points in curves(root).values():
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_a_run_without_a_single_answer_can_be_drawn(plan: Plan, document: dict[str, Any]) -> None:
    nothing = {**document, **report_of(plan, Traffic(), None, Memory())}
    assert curves(drawn(nothing))["var(--p99)"] == []


@given(st.floats(0, 1e7))
def test_a_scale_holds_its_greatest_value_and_is_even(most: float) -> None:
    ticks = linear_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert len(ticks) <= 7
    assert {round(later - earlier, 6) for earlier, later in pairwise(ticks)} == {round(ticks[1], 6)}


@given(st.lists(st.floats(0.01, 1e5), min_size=1))
def test_decades_lie_around_all_values(values: list[float]) -> None:
    ticks = decades(values)
    assert ticks[0] <= min(values) <= max(values) <= ticks[-1]
    assert len(ticks) >= 2
