"""Which countries and time zones there are. Pure."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

DEMO_DOMAIN = "@demo.example"
"""E-mails of the demo's people, whose passwords everybody knows."""


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?")
_SCRIPT_LENGTH = 4


def language_tag(text: str) -> str | None:
    """A language, with a script and a region if it names them (BCP 47), as it is usually written: ``de``, ``pt-BR``,
    ``zh-Hant-TW``. None for anything else."""
    if not _LANGUAGE.fullmatch(text.lower()):
        return None
    language, *rest = text.split("-")
    return "-".join(
        [language.lower(), *(part.title() if len(part) == _SCRIPT_LENGTH else part.upper() for part in rest)]
    )


@cache
def country_names() -> Mapping[str, str]:
    """By ISO 3166-1 alpha-2, as the IANA time-zone database lists them."""
    table = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8")
    return dict(line.split("\t")[:2] for line in table.splitlines() if line and not line.startswith("#"))


@cache
def country_codes() -> frozenset[str]:
    return frozenset(country_names())
