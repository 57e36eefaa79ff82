"""Sums above which somebody has to look again. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from config.core.money import to_decimal

EVERY_OTHER = "*"


def above(limits: Mapping[str, Decimal], amount_minor: int, currency: str) -> bool:
    """``limits``: amounts by currency, and under ``*`` that of all others; without one nothing is above it."""
    limit = limits.get(currency, limits.get(EVERY_OTHER))
    return limit is not None and to_decimal(amount_minor, currency) > limit
