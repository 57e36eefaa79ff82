"""The demo world of `make run`: migrated, people with log-ins, and a public competition that is running."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Kind, Visibility, span_of
from competitions.services.enrolment import AlreadyJoined, join_competition
from competitions.services.lifecycle import create_competition
from config.demo.people import ADMIN_EMAIL, COMPETITION_NAME, PASSWORD, WALKERS


class Command(BaseCommand):
    help = "Migrates and seeds the demo world. Only with DEBUG on; running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo's passwords are public, so it runs with DEBUG=true only.")
        call_command("migrate", verbosity=0)
        with transaction.atomic():
            competition = self._competition(self._admin())
            self._walkers(competition)
        self._describe(competition)

    def _admin(self) -> User:
        found = User.objects.filter(email=ADMIN_EMAIL, is_superuser=True).first()
        return found or User.objects.create_superuser(ADMIN_EMAIL, PASSWORD, name="Organiser")

    def _competition(self, owner: User) -> Competition:
        """The demo competition that is running today; a new one when the last has ended."""
        now = timezone.now()
        running = Competition.objects.filter(name=COMPETITION_NAME, owner=owner, end_at__gt=now).first()
        if running is not None:
            return running
        first = now.date()
        fields = {
            "name": COMPETITION_NAME,
            "description": "Fourteen days, every step counts. The walkers are made up; their steps come over the API.",
            "kind": Kind.CUSTOM.value,
            "visibility": Visibility.PUBLIC.value,
        }
        span = span_of(first, first + timedelta(days=13), "UTC", Kind.CUSTOM)
        return create_competition(owner=owner, fields=fields, span=span, published=True, now=now)

    def _walkers(self, competition: Competition) -> None:
        now = timezone.now()
        for walker in WALKERS:
            person = User.objects.filter(email=walker.email).first()
            if person is None:
                person = User(email=walker.email, name=walker.name, country=walker.country, timezone=walker.timezone)
                person.set_password(PASSWORD)
                person.save()
            with suppress(AlreadyJoined):
                join_competition(competition=competition, user_id=person.id, join_code=None, now=now)

    def _describe(self, competition: Competition) -> None:
        """What `make run` prints once the server is up."""
        logins = [
            {"role": "organiser (admin site)", "email": ADMIN_EMAIL, "password": PASSWORD},
            {"role": "walker", "email": WALKERS[0].email, "password": PASSWORD},
        ]
        described = {"board_url": f"/boards/{competition.id}", "logins": logins}
        path = Path(settings.DATA_DIR) / "demo.json"
        path.write_text(json.dumps(described, indent=2), encoding="utf-8")
