"""`make audit`, `manage.py check --deploy`, and the locks: each finds what was planted."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors.audit import EXCUSED, ROOT, advisories, is_excused, secrets_in

# Put together here, or the scan of this file would find them.
PLANTED = {
    "settings.py": f'SECRET_KEY = "{"wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"}"\n',
    "stripe.py": f'STRIPE = "{"sk_" + "live_" + "a1B2c3D4" * 3}"\n',
    "notes.md": "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEow\n",
    "deploy/values.yaml": f"password: {'Tr0ub4dor' + '&3xyzzy'}\n",
    "tests/test_x.py": f'KEY = "{"AKIA" + "IOSFODNN7EXAMPLF"}"\n',
}


def test_a_secret_that_is_planted_is_found(tmp_path: Path) -> None:
    for name, text in PLANTED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {secret.path for secret in secrets_in(PLANTED, tmp_path)} == PLANTED.keys()


@pytest.mark.slow
def test_every_excuse_is_still_needed_and_no_other_secret_is_in_the_places_it_names() -> None:
    """All of the tree is scanned by `make audit`; here what somebody has excused, and the settings."""
    files = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not set(path.parts) & {".venv", ".git"}]
    for where, _, why in EXCUSED:
        assert any(re.fullmatch(where, name) for name in files), f"{where}: nothing is there any more ({why})"
    named = [name for name in files if "migrations" not in name and not name.startswith("tests/")]
    places = [name for name in named if any(re.fullmatch(where, name) for where, _, _ in EXCUSED)]
    assert list(secrets_in([*places, "config/settings.py", "deploy/compose.yaml", "Dockerfile"])) == []


def test_an_excuse_is_for_one_kind_in_one_place() -> None:
    assert is_excused("tests/config/test_x.py", "Secret Keyword")
    for path, kind in (
        ("config/settings.py", "Secret Keyword"),
        ("tests/config/test_x.py", "AWS Access Key"),
        ("deploy/tests/values.yaml", "Secret Keyword"),
        ("accounts/migrations/0001_initial.py", "Hex High Entropy String"),
    ):
        assert not is_excused(path, kind), path


def test_holes_are_told_and_nobody_asked_is_not_taken_for_well() -> None:
    report = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]},
            {"name": "unknown", "skip_reason": "Dependency not found"},
        ]
    }
    assert advisories(report) == (["bad 2: CVE-1 (3)"], ["unknown"])


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_its_hashes(name: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    locked = [line for line in text.splitlines() if line.strip()]
    assert len(locked) > 50
    for line in locked:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line.split()[0]


DEPLOYED = {
    "DEBUG": "false",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "JWT_SECRET": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "steps.example.org",
    "PUBLIC_URL": "https://steps.example.org",
    "PROXY_COUNT": "1",
    "CORS_ALLOWED_ORIGINS": "https://app.example.org",
}


def checked(**changes: str) -> str:
    """What the check says; it needs no database."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        env={**os.environ, **DEPLOYED, **changes},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_check_for_deployment_says_not_a_word() -> None:
    assert re.fullmatch(r"System check identified no issues \(\d+ silenced\)\.\n", checked())


@pytest.mark.slow
def test_the_check_for_deployment_complains_where_there_is_reason() -> None:
    assert "security.W004" in checked(PUBLIC_URL="http://steps.example.org"), "no HSTS without HTTPS"
