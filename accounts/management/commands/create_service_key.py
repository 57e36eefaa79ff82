"""`manage.py create_service_key NAME --scope scores:write`"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from accounts.models import Scope
from accounts.services.keys import create_service_key


class Command(BaseCommand):
    help = "Makes a key for service-to-service calls and prints it, this once. Revoke it in the admin site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Who uses it and for what.")
        parser.add_argument("--scope", action="append", choices=Scope.values, required=True, dest="scopes")

    def handle(self, *, name: str, scopes: list[str], **options: Any) -> None:
        try:
            with transaction.atomic():
                _, secret = create_service_key(name=name, scopes=[Scope(scope) for scope in scopes])
        except IntegrityError:
            raise CommandError(f"There is a key named {name!r} already; choose another name.") from None
        self.stdout.write(secret)
