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

from config.core.json import UnreadableJSON, canonical_json, dump_json, load_json


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


@pytest.mark.slow
@given(values)
def test_whatever_was_written_is_read_again(value: Any) -> None:
    assert load_json(dump_json(value)) == value == json.loads(dump_json(value))


exact = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text())
documents = st.recursive(
    exact,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


@given(documents)
def test_canonical_json_says_the_same_in_one_way_only(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert "\n" not in text


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_canonical_json_has_its_keys_in_the_order_of_their_utf_16(value: dict[str, int]) -> None:
    keys = [key.encode("utf-16-be") for key in json.loads(canonical_json(value))]
    assert keys == sorted(keys)
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_canonical_json_is_the_text_of_the_rfc() -> None:
    # RFC 8785, 3.2.3, with its numbers left out; the smiley's surrogates come before the Hebrew letter.
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical_json(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]
    assert canonical_json('\u20ac$\u000f\nA\'B"\\\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'
    assert canonical_json({"b": [True, None], "a": -1}) == '{"a":-1,"b":[true,null]}'


@pytest.mark.parametrize("value", [1.0, Decimal(1), {"a": [0.5]}, {1: "a"}, date(2026, 6, 1), {1, 2}, b"x"])
def test_canonical_json_refuses_what_has_more_than_one_text(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\udc00": 1}])
def test_canonical_json_refuses_what_not_every_reader_holds(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of Python's own encoder, too
        canonical_json(value)
