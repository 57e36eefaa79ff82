"""JSON as it crosses the wire: exact numbers in, RFC 3339 with ``Z`` and exact decimals out."""

import json
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise

MOST_DEPTH = 32
"""Levels of arrays and objects; ours have six. Whatever walks over a value may call itself for each."""

MOST_VALUES = 200_000
"""An upload of ten thousand samples has half of it. Eight megabytes of empty arrays would take two hundred."""

_MOST_EXACT = 2**53 - 1
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


class UnreadableJSON(ValueError):
    """The text is not JSON, or is nested beyond reason."""


def dump_json(value: Any) -> bytes:
    return orjson.dumps(value, default=_exact, option=_OPTIONS)


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))  # 10.50 stays 10.50, which no float could say
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def canonical_json(value: Any) -> str:
    """The one text that RFC 8785 gives objects, arrays, strings, integers, booleans and null, so that everybody who has
    the value computes the same digest. Raises TypeError for anything else, above all for fractions, and ValueError for
    integers that not every reader holds exactly and for half characters."""
    text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"))
    text.encode()  # raises for half characters
    return text


def _ordered(value: Any) -> Any:
    """The same with every object's keys in the order of their UTF-16 code units, which is the RFC's."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > _MOST_EXACT:
            raise ValueError(f"{value} is not exact in every reader of JSON")
        return value
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _ordered(value[name]) for name in names}
    raise TypeError(f"{type(value).__name__} has no canonical JSON")


def load_json(text: bytes) -> Any:
    """Numbers with a fraction become Decimal. NaN and Infinity are let through as Decimals, so that one bad
    record of a batch can be named instead of the whole batch being unreadable. Raises UnreadableJSON."""
    if text.count(b",") > MOST_VALUES:  # those in texts too: nobody writes so many
        raise UnreadableJSON(f"The body may hold {MOST_VALUES} values at most.")
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors; an exponent beyond Decimal's is an ArithmeticError.
        raise UnreadableJSON("The body is not valid JSON.") from error
    if text.count(b"[") + text.count(b"{") > MOST_DEPTH and _is_deeper(value, MOST_DEPTH):
        raise UnreadableJSON(f"The body may be nested {MOST_DEPTH} levels deep at most.")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True
