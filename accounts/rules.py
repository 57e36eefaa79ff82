"""Which countries and time zones there are. Pure."""

from functools import cache
from importlib.resources import files

DEMO_DOMAIN = "@demo.example"
"""E-mails of the demo's people, whose passwords everybody knows."""


@cache
def country_codes() -> frozenset[str]:
    """ISO 3166-1 alpha-2, as the IANA time-zone database lists them."""
    table = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line.split("\t")[0] for line in table.splitlines() if line and not line.startswith("#"))
