"""Every document of this repository: its links lead somewhere, and what it names is there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from config.core.environment import Environment
from tests.docs import markdown
from tests.flows.servers import ROOT

DOCUMENTS = markdown.documents()
NAMES_OF_OTHERS = {
    "ADA_ID",  # docs/integration's requests
    "HTTP_HOST",  # Django's words
    "LC_MESSAGES",  # gettext's
    "NAME_CLIENT_ID",  # CONTRIBUTING's example
    "NAME_CLIENT_SECRET",
    "NAME_URL",
    "PACESETTER_SCHEMA",  # docs/typescript's
}


def known_names() -> set[str]:
    """Settings, variables of the deployment and the Makefile, constants of the settings and of the code."""
    of_files = [
        set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", path.read_text()))
        for path in [ROOT / "Makefile", *(ROOT / "deploy").rglob("*.y*ml"), ROOT / "docs/check_statement.py"]
    ]
    return {known.name for known in fields(Environment)} | set(dir(settings)) | set.union(*of_files) | NAMES_OF_OTHERS


def constants() -> set[str]:
    """Of modules, which decision records speak of."""
    found: set[str] = set()
    for folder in ("accounts", "competitions", "config", "fitness", "leaderboards", "prizes", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"\b_?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b", path.read_text()))
    return found


def problems(document: Path, text: str, known: set[str]) -> list[str]:
    """What is wrong with a document, a line each."""
    said = [f"a link leads nowhere: {target}" for target in markdown.broken_links(document, text)]
    said += [f"no such file: {path}" for path in markdown.named_files(text) if not list(ROOT.glob(path.rstrip("/")))]
    said += [f"no such setting: {name}" for name in markdown.named_settings(text) - known]
    commands = get_commands().keys() | {"procrastinate"}
    said += [f"no such command: {name}" for name in markdown.named_commands(text) - commands]
    return said + [f"no such target of make: {name}" for name in markdown.named_targets(text) - targets()]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_documents_name_only_what_exists() -> None:
    known = known_names() | constants()
    found = {str(path.relative_to(ROOT)): problems(path, path.read_text(), known) for path in DOCUMENTS}
    assert {path: said for path, said in found.items() if said} == {}
    assert len(DOCUMENTS) > 40


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[there](docs/nowhere.md)", "a link leads nowhere: docs/nowhere.md"),
        ("[there](docs/clients/README.md#nowhere)", "a link leads nowhere: docs/clients/README.md#nowhere"),
        ("# Here\n[there](#not-here)", "a link leads nowhere: #not-here"),
        ('<img src="docs/nothing.png">', "a link leads nowhere: docs/nothing.png"),
        ("`leaderboards/nothing.py`", "no such file: leaderboards/nothing.py"),
        ("set `REDIS_COLOUR`", "no such setting: REDIS_COLOUR"),
        ("    manage.py walk_dog", "no such command: walk_dog"),
        ("    make coffee", "no such target of make: coffee"),
    ],
)
def test_a_document_that_names_what_does_not_exist_is_noticed(text: str, said: str) -> None:
    assert problems(ROOT / "planted.md", text, known_names()) == [said]


def test_every_document_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        for target in markdown.links(document.read_text()):
            path = (document.parent / target.partition("#")[0]).resolve()
            folder = path / "README.md"
            waiting += [found for found in (path, folder) if found.suffix == ".md" and found.is_file()]
    assert {str(path.relative_to(ROOT)) for path in set(DOCUMENTS) - reached} == set()


def test_drawings_are_pictures_in_the_light_and_in_the_dark() -> None:
    drawings = sorted((ROOT / "docs/pictures").glob("architecture-*.svg"))
    assert len(drawings) == 3
    for drawing in drawings:
        text = drawing.read_text()
        assert "prefers-color-scheme: dark" in text
        assert "<title>" in text
        assert "<script" not in text
