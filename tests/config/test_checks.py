"""What Django itself finds wrong with the project."""

import io

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_the_plain_check_says_nothing() -> None:
    said = io.StringIO()
    call_command("check", stdout=said, stderr=said, fail_level="INFO")
    assert "no issues" in said.getvalue()
