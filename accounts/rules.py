"""Which countries and time zones there are. Pure."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

DEMO_DOMAIN = "@demo.example"
"""E-mails of the demo's people, whose passwords everybody knows."""


@cache
def country_names() -> Mapping[str, str]:
    """By ISO 3166-1 alpha-2, as the IANA time-zone database lists them."""
    table = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8")
    return dict(line.split("\t")[:2] for line in table.splitlines() if line and not line.startswith("#"))


@cache
def country_codes() -> frozenset[str]:
    return frozenset(country_names())
