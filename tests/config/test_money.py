"""Money: minor units inside, the currency's own decimals outside."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.json import dump_json
from config.core.money import CURRENCIES, MAX_MINOR, WrongAmount, decimals_of, to_decimal, to_minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("10.50", "USD", 1050),
        ("10.5", "EUR", 1050),
        ("10", "USD", 1000),
        ("1500", "JPY", 1500),
        ("1.5", "KWD", 1500),
        ("0", "USD", 0),
        ("-0", "USD", 0),
        ("1E+2", "USD", 10000),
        ("10.500000", "USD", 1050),
    ],
)
def test_amounts_become_whole_numbers(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.001", "USD"),
        ("0.5", "JPY"),
        ("1.0005", "KWD"),
        ("-0.01", "USD"),
        ("NaN", "USD"),
        ("sNaN", "USD"),
        ("Infinity", "USD"),
        ("1E+18", "USD"),
        ("1E+400000", "USD"),
        ("1E-400000", "USD"),
        ("1.000000000000000000000000000001", "USD"),
        ("0.00999999999999999999999999999999", "USD"),
        ("10000000000000.01", "USD"),
    ],
)
def test_what_the_currency_cannot_say_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(WrongAmount):
        to_minor(Decimal(amount), currency)


@given(st.integers(0, MAX_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_there_and_back_is_the_same(minor: int, currency: str) -> None:
    amount = to_decimal(minor, currency)
    assert to_minor(amount, currency) == minor
    whole, _, places = dump_json(amount).decode().partition(".")
    assert len(places) == decimals_of(currency)
    assert int(whole + places) == minor


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert [decimals_of(name) for name in ("USD", "EUR", "JPY", "KRW", "KWD", "BHD", "CLP", "ISK")] == [
        2, 2, 0, 0, 3, 3, 0, 0,
    ]  # fmt: skip
    assert all(len(name) == 3 and name.isupper() for name in CURRENCIES)
    assert not CURRENCIES & {"XXX", "XTS", "XAU", "BTC"}
