"""JSON as it crosses the wire."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from config.core.json import UnreadableJSON, dump_json, load_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("10.50"), "10.50"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.000001"), "0.000001"),
        (datetime(2026, 6, 1, 12, tzinfo=UTC), '"2026-06-01T12:00:00Z"'),
        (datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2))), '"2026-06-01T12:00:00+02:00"'),
        (date(2026, 6, 1), '"2026-06-01"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (gettext_lazy("Yes"), '"Yes"'),
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        ("é <&>", '"é <&>"'),
    ],
)
def test_values_are_written_exactly(value: Any, text: str) -> None:
    assert dump_json(value).decode() == text


def test_what_is_no_json_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError):
        dump_json({"a": object()})


def test_fractions_are_read_exactly() -> None:
    read = load_json(b'{"a": 0.1, "b": 1e2, "c": 7, "d": 0.30000000000000004}')
    assert read == {"a": Decimal("0.1"), "b": Decimal(100), "c": 7, "d": Decimal("0.30000000000000004")}
    assert type(read["c"]) is int


def test_numbers_that_are_none_can_be_named_later() -> None:
    nan, infinity = load_json(b"[NaN, -Infinity]")
    assert nan.is_nan()
    assert infinity == Decimal("-Infinity")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"'a'",
        b"\xff\xfe\xff",
        b'{"a": 1,}',
        b"[" * 100_000,
        b"9" * 5000,
        b"1e99999999999999999999",
        b"-1e-99999999999999999999",
        b"nope",
    ],
)
def test_what_cannot_be_read_is_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(UnreadableJSON):
        load_json(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_whatever_was_written_is_read_again(value: Any) -> None:
    assert load_json(dump_json(value)) == value == json.loads(dump_json(value))
