"""`manage.py rotate_token_keys`: what is encrypted with an old key is encrypted with the first of TOKEN_KEYS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.core.console import print_report
from fitness.services.token_keys import rotate_tokens


class Command(BaseCommand):
    help = (
        "Encrypts the tokens of connected clouds again, with the first of TOKEN_KEYS. Put a new key in front, restart,"
        " run this, then remove the old key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only counts.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, dry_run: bool, json: bool, **options: Any) -> None:
        done = rotate_tokens(dry_run=dry_run)
        rows = [{"encrypted": one.what, "rotated": one.rotated, "unreadable": one.unreadable} for one in done]
        print_report(rows, title="Token keys", as_json=json)
        if any(one.unreadable for one in done):
            raise CommandError("Some tokens open with none of TOKEN_KEYS; their owners must connect again.")
