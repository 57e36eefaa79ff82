"""The words of what people are told: the templates under ``notices``, one for each event, in the language at hand.

A template is plain text; whoever puts it into HTML escapes it. It sees the notification's data, with moments in the
reader's zone, names in place of ids, and everything on one line.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, tzinfo
from typing import Any, cast

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.template.loader_tags import BlockNode
from django.utils import translation

from accounts.notices import Event
from config.core.clock import zone_named

_SEPARATORS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Words:
    """``line``: the whole of it in one sentence or two, for a lock screen. ``more``: what a letter says beyond it, by
    paragraphs. ``figure`` and ``caption``: the number that it is about, or empty. ``action``: what its link does.
    ``about``: the event itself, as the settings name it."""

    about: str
    title: str
    line: str
    more: Sequence[str]
    figure: str
    caption: str
    action: str


def language_of(wanted: str) -> str:
    """The one of our languages that is nearest: ``de-AT`` → ``de``; the site's own where there is none."""
    try:
        return translation.get_supported_language_variant(wanted.lower())
    except LookupError:
        return settings.LANGUAGE_CODE


def words_of(event: Event, data: Mapping[str, Any], *, told_at: datetime, zone: str) -> Words:
    """``data``: with names already. ``zone``: the reader's own, or empty."""
    return _words(event, _as_read(data, told_at, zone))


def digest_words(count: int, first: str) -> Words:
    """Of a letter about ``count`` notifications, the first of which is about this."""
    return _words("digest", {"count": count, "first": first})


def about(event: Event) -> str:
    """What the settings call it."""
    return one_line(_rendered(event, {}, {"about"})["about"])


def one_line(text: str) -> str:
    return _SEPARATORS.sub(" ", text).strip()


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _as_read(data: Mapping[str, Any], told_at: datetime, zone: str) -> dict[str, Any]:
    there = zone_named(zone) if zone else UTC
    read: dict[str, Any] = {name: _value(name, value, there) for name, value in data.items() if value is not None}
    read["told_at"] = told_at.astimezone(there)
    read["told_on"] = told_at.astimezone(zone_named(data.get("zone") or "UTC")).date()
    read.setdefault("metric", "weighted")
    if "goal" in read:
        read["to_go"] = max(0, read["goal"] - read["steps"])
    return read


def _value(name: str, value: Any, there: tzinfo) -> Any:
    if not isinstance(value, str):
        return value
    if name.endswith("_at"):
        return datetime.fromisoformat(value).astimezone(there)
    if name == "day" or name.endswith("_on"):
        return date.fromisoformat(value)
    return one_line(value)


def _words(name: str, said: Mapping[str, Any]) -> Words:
    found = _rendered(name, said, {field.name for field in fields(Words)})
    more = [one_line(paragraph) for paragraph in re.split(r"\n\s*\n", found.pop("more", "")) if paragraph.strip()]
    lines = {part: one_line(text) for part, text in found.items()}
    return Words(**{"figure": "", "caption": "", "action": "", **lines}, more=more)


def _rendered(name: str, said: Mapping[str, Any], parts: Collection[str]) -> dict[str, str]:
    """Some of a template's blocks, each by itself."""
    template = cast("Any", get_template(f"notices/{name}.txt")).template
    context = Context(dict(said), autoescape=False)
    with context.bind_template(template):
        blocks = template.nodelist.get_nodes_by_type(BlockNode)
        return {block.name: block.render(context) for block in blocks if block.name in parts}
