"""JSON as it crosses the wire: exact numbers in, RFC 3339 with ``Z`` and exact decimals out."""

import json
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise

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


def load_json(text: bytes) -> Any:
    """Numbers with a fraction become Decimal. NaN and Infinity are let through as Decimals, so that one bad
    record of a batch can be named instead of the whole batch being unreadable."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors; an exponent beyond Decimal's is an ArithmeticError.
        raise UnreadableJSON("The body is not valid JSON.") from error
