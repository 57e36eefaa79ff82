"""What Django itself finds wrong with the project."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
# Plain HTTP is redirected by the proxy in front, which holds the certificate; browsers' preload list is for its owner.
FOR_THE_PROXY = {"security.W008", "security.W021"}


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_the_plain_check_says_nothing() -> None:
    said = io.StringIO()
    call_command("check", stdout=said, stderr=said, fail_level="INFO")
    assert "no issues" in said.getvalue()


def test_the_check_for_deployment_leaves_only_what_the_proxy_does() -> None:
    environ = os.environ | {"PUBLIC_URL": "https://steps.example.org", "ALLOWED_HOSTS": "steps.example.org"}
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {word.strip("()") for word in checked.stderr.split() if word.startswith("(") and ".W" in word}
    assert found <= FOR_THE_PROXY, checked.stderr
