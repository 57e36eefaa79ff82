"""Numbers, amounts and moments in the words of the language at hand.

Of what is not known nothing is written: an old notification must not keep its person's whole list from being shown.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from django import template
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext

from config.core.money import decimals_of, to_decimal

register = template.Library()

Amount = int | float | str | Decimal

_UNITS: Mapping[str, Callable[[int], str]] = {
    "steps": lambda count: ngettext("%(number)s step", "%(number)s steps", count),
    "distance": lambda count: gettext("%(number)s m"),
    "calories": lambda count: gettext("%(number)s kcal"),
    "active_minutes": lambda count: ngettext("%(number)s active minute", "%(number)s active minutes", count),
    "weighted": lambda count: ngettext("%(number)s point", "%(number)s points", count),
}
"""By what a competition measures; scores that are weighed are points."""


@register.filter
def number(amount: Amount) -> str:
    """``8421`` → ``8,421`` or ``8.421``."""
    if amount == "":
        return ""
    return str(number_format(Decimal(str(amount)), force_grouping=True))


@register.filter
def size(amount: Amount) -> Decimal | str:
    if amount == "":
        return ""
    return abs(Decimal(str(amount)))


@register.filter
def measured(score: Amount, metric: str) -> str:
    """A score with its unit: ``1 step``, ``2 steps``."""
    if score == "":
        return ""
    exact = Decimal(str(score))
    count = int(exact) if exact == int(exact) else 2  # a part of one is none of the languages' singular
    return _UNITS[metric](count) % {"number": number(exact)}


@register.filter
def money(amount_minor: int | str, currency: str) -> str:
    """As `money_text`, but with the signs of the language: ``1.234,50 EUR``."""
    if not isinstance(amount_minor, int):
        return ""
    places = decimals_of(currency)
    amount = number_format(to_decimal(amount_minor, currency), decimal_pos=places, force_grouping=True)
    return f"{amount} {currency}"


@register.filter
def moment(at: datetime | str) -> str:
    """In the zone that it comes in, which is named only where it is nobody's own."""
    if not isinstance(at, datetime):
        return ""
    there = " UTC" if at.tzinfo is UTC else ""
    return f"{date_format(at, 'DATE_FORMAT')}, {date_format(at, 'TIME_FORMAT')}{there}"


@register.filter
def day(on: date | str) -> str:
    return date_format(on, "DATE_FORMAT") if isinstance(on, date) else ""
