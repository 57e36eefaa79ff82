"""`manage.py seed_demo --people 100000`: a whole world to look at, and to measure the panel with."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.rules import DEMO_DOMAIN
from competitions.models import Competition
from config.core.console import print_report
from config.demo.people import ADMIN_EMAIL, COMPETITION_NAME, PASSWORD
from config.demo.staff import MEMBERS
from config.demo.world import World, make_world, rows_made


class Command(BaseCommand):
    help = (
        "Fills a demo database with people, competitions of every kind, their activity, flags and money. Only with"
        " DEBUG on, and once: the database must hold nobody but the demo's own people."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--people", type=_at_least(50), default=100_000)
        parser.add_argument("--competitions", type=_at_least(12), default=1_000)
        parser.add_argument("--seed", type=int, default=1, help="The same seed gives the same world on the same day.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, people: int, competitions: int, seed: int, json: bool, **options: Any) -> None:
        _refuse_others()
        make_world(World(people=people, competitions=competitions, seed=seed, now=timezone.now()))
        rows = rows_made()
        log_ins = [{"role": "superuser", "email": ADMIN_EMAIL, "password": PASSWORD}]
        log_ins += [{"role": member.says, "email": member.email, "password": PASSWORD} for member in MEMBERS]
        log_ins.append({"role": "walker", "email": f"walker1{DEMO_DOMAIN}", "password": PASSWORD})
        if json:
            print_report([{"rows": rows, "log_ins": log_ins}], title="", as_json=True)
            return
        print_report(rows, title=f"A world of {people:,} people", as_json=False)
        print_report(log_ins, title="Who can log in", as_json=False)


def _refuse_others() -> None:
    """Raises CommandError where this is no demo, or one that is seeded already."""
    if not settings.DEBUG:
        raise CommandError("The demo's passwords are public, so it runs with DEBUG=true only.")
    if settings.PAYMENT_GATEWAY != "sandbox":
        raise CommandError("The demo's people pay at the sandbox; leave PAYMENT_GATEWAY empty.")
    if User.objects.exclude(email__endswith=DEMO_DOMAIN).exists():
        raise CommandError("There are other people than the demo's here; seed an empty database.")
    if Competition.objects.exclude(name=COMPETITION_NAME).exists() or User.objects.filter(email=MEMBERS[0].email):
        raise CommandError("This database is seeded already; start with an empty one to seed it anew.")


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    number.__name__ = f"number of {least} or more"  # how argparse says what is wrong
    return number
