"""What the Markdown of this repository names: links, anchors, files, settings, commands."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.flows.servers import ROOT

OURS = re.compile(r"\b(?:accounts|competitions|config|deploy|docs|fitness|leaderboards|prizes|tests)/[\w./*<>-]*\w/?")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"src=\"([^\"]+)\"")
_NOT_OURS = {".venv", "node_modules", ".data", ".pytest_cache", "staticfiles"}


def documents() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.md") if not _NOT_OURS & set(path.relative_to(ROOT).parts))


def links(text: str) -> list[str]:
    """Where they lead, without those in code."""
    prose = _INLINE.sub("", _CODE.sub("", text))
    return _LINK.findall(prose) + _PICTURE.findall(prose)


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings; the second of the same name ends in -1."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", _CODE.sub("", text), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", _LINK.sub("", heading).lower()).replace(" ", "-")
        found.append(f"{words}-{found.count(words)}" if words in found else words)
    return set(found)


def broken_links(document: Path, text: str) -> Iterator[str]:
    for target in links(text):
        if re.match(r"\w+:", target):
            continue  # elsewhere: not ours to try at every run
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists():
            yield target
        elif anchor and path.suffix == ".md" and anchor not in anchors(text if path == document else path.read_text()):
            yield target


def code(text: str) -> list[str]:
    """What stands in single backticks, and each indented or fenced line of a command."""
    fenced = "\n".join(_CODE.findall(text))
    indented = re.findall(r"^    .+$", text, re.MULTILINE)
    return [found.strip("`") for found in _INLINE.findall(_CODE.sub("", text))] + fenced.splitlines() + indented


def named_files(text: str) -> set[str]:
    """Paths of this repository in prose's backticks."""
    inline = [found.strip("`") for found in _INLINE.findall(_CODE.sub("", text))]
    return {path for found in inline for path in OURS.findall(found) if not re.search(r"[<]|\.env$", path) and found.startswith(path)}


def named_settings(text: str) -> set[str]:
    return {name for found in code(text) for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", found)}


def named_commands(text: str) -> set[str]:
    return {name for found in code(text) for name in re.findall(r"manage\.py (\w+)", found)}


def named_targets(text: str) -> set[str]:
    return {name for found in code(text) for name in re.findall(r"^\s*make ([a-z][a-z-]*)", found)}
