"""`manage.py reset_staff_codes E-MAIL --reason …`"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.codes import forget_codes
from accounts.queries import person_called
from config.core.audit import note
from config.core.errors import NotFound


class Command(BaseCommand):
    help = "Lets a member of staff set up one-time codes anew at their next log-in, for example after losing a phone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="E-mail or id.")
        parser.add_argument("--reason", required=True, help="How you know that it is them who ask; kept on record.")

    def handle(self, *, person: str, reason: str, **options: Any) -> None:
        try:
            found = person_called(person)
        except NotFound as refusal:
            raise CommandError(refusal.message) from None
        note(reason=reason)
        said = "sets up one-time codes anew" if forget_codes(person=found) else "had no codes and sets them up"
        self.stdout.write(f"{found.name} {said} at the next log-in.")
