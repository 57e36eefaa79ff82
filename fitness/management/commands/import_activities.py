"""`manage.py import_activities FILE --competition ID` (a table of many people), or `--user ID` (somebody's export)."""

from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.people import make_placeholder_people
from competitions.models import Competition
from competitions.services.enrolment import enrol_people
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.console import print_report, progress, read_progress
from config.core.errors import Refusal
from fitness.importers.fitbit_csv import Row, read_rows
from fitness.importers.formats import FORMATS, format_of
from fitness.importers.items import WrongFile
from fitness.importers.sorting import Sorted
from fitness.rules import Reading, UnbelievableRecord, read_record
from fitness.services.imports import Tally, import_items
from fitness.services.syncing import sync_activities

BATCH = 1000


class Command(BaseCommand):
    help = (
        "Imports a tracker's export: somebody's own, or a table of many people, who become placeholder people and join"
        " the competition. Again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=["auto", *FORMATS], default="auto")
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--competition", type=UUID, help="Which one the people of a fitbit-csv join.")
        whose.add_argument("--user", help="Whose export it is: their id or e-mail.")
        parser.add_argument("--dry-run", action="store_true", help="Read and check everything, write nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(
        self,
        *,
        file: Path,
        format: str,  # noqa: A002 - the option's name
        competition: UUID | None,
        user: str | None,
        dry_run: bool,
        json: bool,
        **options: Any,
    ) -> None:
        if user is not None:
            summary, problems, rejected = self._import_export(file, format, user, dry_run)
        elif competition is not None and format in ("auto", "fitbit-csv"):
            summary, problems, rejected = self._import_table(file, competition, dry_run)
        else:
            raise CommandError("Only a fitbit-csv is about many people; say with --user whose export this is.")
        print_report([summary | {"rejected": rejected}], title=f"Import of {file.name}", as_json=json)
        for problem in problems:
            self.stderr.write(problem)
        if rejected:
            raise CommandError(f"{rejected} rows were left out; the others are in.")

    # --- Somebody's export ---

    def _import_export(
        self, file: Path, chosen: str, name: str, dry_run: bool
    ) -> tuple[dict[str, Any], list[str], int]:
        user, tally = _person(name), Tally()
        try:
            with file.open("rb") as opened:
                known = format_of(opened) if chosen == "auto" else FORMATS[chosen]
                with read_progress(opened, doing="Reading") as watched:
                    items = Sorted(known.read(watched))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except WrongFile as error:
            raise CommandError(f"{file} is not such an export: {error}") from None
        following = progress(items, doing="Importing", total=len(items))
        import_items(items=following, user=user, tally=tally, clock=timezone.now, dry_run=dry_run)
        counts = {"read": tally.read, "accepted": tally.accepted, "unchanged": tally.unchanged}
        problems = [f"{problem['place']}: {problem['problem']}" for problem in tally.problems]
        return {"format": known.name, **counts}, problems, tally.rejected

    # --- A table of many people ---

    def _import_table(self, file: Path, competition_id: UUID, dry_run: bool) -> tuple[dict[str, Any], list[str], int]:
        now = timezone.now()
        rows = self._rows(file)
        found = Competition.objects.filter(id=competition_id).first()
        if found is None:
            raise CommandError(f"There is no competition {competition_id}.")
        names = {row.person: f"Walker {row.person[-4:]}" for row in rows if row.person}
        people, joined = self._enrolled(found, names, dry_run, now)
        readings, problems = self._readings(rows, people, now)
        summary = {"people": len(people), "joined": joined, "rows": len(rows), "accepted": 0, "unchanged": 0}
        if not dry_run:
            summary |= self._store(readings, now)
        return summary, problems, len(problems)

    def _rows(self, file: Path) -> list[Row]:
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return list(read_rows(lines))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except (WrongFile, UnicodeDecodeError) as error:
            raise CommandError(f"{file} is not such an export: {error}") from None

    def _readings(self, rows: Iterable[Row], people: dict[str, UUID], now: datetime) -> tuple[list[Reading], list[str]]:
        readings, problems = [], []
        latest = day_in(EARLIEST_ZONE, now)
        for row in rows:
            try:
                if row.record is None:
                    raise UnbelievableRecord({"row": [row.problem]})
                readings.append(read_record(row.record, user_id=people[row.person], today=latest, latest_day=latest))
            except UnbelievableRecord as error:
                problems.append(f"line {row.line}: {error}")
        return readings, problems

    def _enrolled(
        self, competition: Competition, names: dict[str, str], dry_run: bool, now: datetime
    ) -> tuple[dict[str, UUID], int]:
        """The file's people, all in the competition or none made; and how many joined just now."""
        try:
            with transaction.atomic():
                people = make_placeholder_people(origin="fitbit-csv", names=names, dry_run=dry_run)
                if dry_run:
                    return people, 0
                return people, enrol_people(competition=competition, user_ids=list(people.values()), now=now)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None

    def _store(self, readings: list[Reading], now: datetime) -> dict[str, int]:
        batches = [readings[start : start + BATCH] for start in range(0, len(readings), BATCH)]
        results = [
            sync_activities(readings=batch, now=now)
            for batch in progress(batches, doing="Importing", total=len(batches))
        ]
        return {
            "accepted": sum(result.accepted for result in results),
            "unchanged": sum(result.unchanged for result in results),
        }


def _person(name: str) -> User:
    try:
        found = User.objects.filter(id=UUID(name), erased_at=None)
    except ValueError:
        found = User.objects.filter(email__iexact=name, erased_at=None)
    people = list(found[:2])
    if len(people) != 1:
        raise CommandError(f"{'Nobody' if not people else 'More than one person'} is called {name}; name an id.")
    return people[0]
