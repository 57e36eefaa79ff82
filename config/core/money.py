"""Money: whole numbers of a currency's minor unit inside, decimals with the currency's own places outside.

Currencies and their minor units are those of ISO 4217, list one (amendment 177): two decimals unless said here.
"""

from decimal import Decimal
from fractions import Fraction

_WITHOUT_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_WITH_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_WITH_TWO = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
    CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
    KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
    PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """.split()
)
CURRENCIES = _WITHOUT_DECIMALS | _WITH_TWO | _WITH_THREE

MAX_MINOR = 10**15  # a thousand billion of the smallest three-decimal unit; keeps sums far inside a bigint


class WrongAmount(ValueError):
    """An amount that the currency cannot express; the text is for the person who wrote it."""


def decimals_of(currency: str) -> int:
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _WITH_THREE else 2


def to_minor(amount: Decimal, currency: str) -> int:
    """``Decimal("10.50"), "USD"`` → ``1050``. Raises WrongAmount for a fraction of the minor unit."""
    places = decimals_of(currency)
    if not amount.is_finite() or amount < 0 or not -40 < amount.adjusted() < 18:
        raise WrongAmount("Write an amount of zero or more.")
    minor = Fraction(amount) * 10**places  # exact, where Decimal's own arithmetic would round after 28 digits
    if minor.denominator != 1:
        raise WrongAmount(f"{currency} has {places} decimals.")
    if minor > MAX_MINOR:
        raise WrongAmount("This amount is too large.")
    return int(minor)


def to_decimal(minor: int, currency: str) -> Decimal:
    """``1050, "USD"`` → ``Decimal("10.50")``, always with the currency's own number of places."""
    return Decimal(minor).scaleb(-decimals_of(currency))


def money_text(minor: int, currency: str) -> str:
    """For people: ``123450, "USD"`` → ``1,234.50 USD``."""
    return f"{to_decimal(minor, currency):,} {currency}"
