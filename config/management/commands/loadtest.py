"""`manage.py loadtest`: presses any deployment from outside and reports what it held."""

import json as json_format
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop
from django.core.management.base import BaseCommand, CommandError

from config.core.console import print_report
from config.loadtest.picture import picture_of
from config.loadtest.plan import Plan, WrongPlan, mix_of
from config.loadtest.report import request_rows_for_people, socket_rows_for_people
from config.loadtest.run import People, run_load_test
from config.loadtest.target import CannotTest

EXPLAINED = """\
Presses a deployment by HTTP and sockets alone, so it may run on any machine.

The load is an open loop: requests are due as independent people make them, and a latency counts from the moment a
request was due. A tester that waits for an answer before it sends the next one asks least when the server is slowest
("coordinated omission"), and so hides what people wait.

It writes: a sync is a step more for its account today, and the accounts join the competition. Without --competition
they make one of their own, which is cancelled afterwards. The target's RATE_LIMIT applies: 0 there for measuring.
"""


class Command(BaseCommand):
    help = EXPLAINED
    requires_system_checks = []  # they would look for a database, and there need be none here

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", metavar="URL", help="Such as https://steps.example.org.")
        people = parser.add_mutually_exclusive_group(required=True)
        people.add_argument("--token-file", type=Path, metavar="FILE", help="Access tokens, one a line.")
        people.add_argument("--accounts", type=int, metavar="N", help="Register so many accounts there; they stay.")
        parser.add_argument("--competition", type=UUID, metavar="ID")
        parser.add_argument("--users", type=int, default=100, help="People, who share the accounts (100).")
        parser.add_argument("--every", type=float, default=1.0, help="Mean seconds between a user's requests (1).")
        parser.add_argument("--concurrency", type=int, default=50, help="Connections for requests, at most (50).")
        parser.add_argument(
            "--ramp-up", type=float, default=10.0, help="Seconds until all users and sockets came (10)."
        )
        parser.add_argument("--duration", type=float, default=60.0, help="Seconds that are measured after that (60).")
        parser.add_argument("--sockets", type=int, default=1000, help="Open leaderboard sockets (1000).")
        parser.add_argument("--mix", default="reads=8,syncs=1,ranks=1", help="Shares of requests (%(default)s).")
        parser.add_argument("--json", type=Path, metavar="FILE", help="Write everything that was measured.")
        parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="Draw it over time.")

    def handle(self, *, address: str, json: Path | None, picture: Path | None, **options: Any) -> None:
        try:
            plan = Plan(
                users=options["users"],
                every=options["every"],
                concurrency=options["concurrency"],
                ramp_up=options["ramp_up"],
                duration=options["duration"],
                sockets=options["sockets"],
                mix=mix_of(options["mix"]),
            )
            people = People(options["token_file"], options["accounts"])
            competition = str(options["competition"]) if options["competition"] else None
            document = uvloop.run(run_load_test(address, people, competition, plan))
        except (WrongPlan, CannotTest) as reason:
            raise CommandError(str(reason)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing is reported of half a test.") from None
        self._report(document)
        if json:
            json.write_text(json_format.dumps(document, indent=2) + "\n")
        if picture:
            picture.write_text(picture_of(document))

    def _report(self, document: dict[str, Any]) -> None:
        tables = {
            "Requests: milliseconds since they were due, or sent": request_rows_for_people(document),
            "Sockets": socket_rows_for_people(document),
            "Errors": document["errors"],
            "Targets": document["targets"],
        }
        for title, rows in tables.items():
            print_report(rows, title=title, as_json=False)
            self.stdout.write("")
        for note in document["notes"]:
            self.stdout.write(f"Note: {note}")
