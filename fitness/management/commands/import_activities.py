"""`manage.py import_activities FILE --format fitbit-csv --competition ID`"""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.services import make_placeholder_people
from competitions.models import Competition
from competitions.services.enrolment import enrol_people
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.console import print_report, progress
from config.core.errors import Refusal
from fitness.importers.fitbit_csv import Row, WrongFile, read_rows
from fitness.rules import Reading, UnbelievableRecord, read_record
from fitness.services.syncing import sync_activities

BATCH = 1000


class Command(BaseCommand):
    help = "Imports a tracker's export. Its people become placeholder people who join the competition."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=["fitbit-csv"], required=True)
        parser.add_argument("--competition", type=UUID, required=True)
        parser.add_argument("--dry-run", action="store_true", help="Read and check everything, write nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, file: Path, competition: UUID, dry_run: bool, json: bool, **options: Any) -> None:
        now = timezone.now()
        rows = self._rows(file)
        found = Competition.objects.filter(id=competition).first()
        if found is None:
            raise CommandError(f"There is no competition {competition}.")
        names = {row.person: f"Walker {row.person[-4:]}" for row in rows if row.person}
        people, joined = self._enrolled(found, names, dry_run, now)
        readings, problems = self._readings(rows, people, now)
        summary = {"people": len(people), "joined": joined, "rows": len(rows), "accepted": 0, "unchanged": 0}
        if not dry_run:
            summary |= self._store(readings, now)
        print_report([summary | {"rejected": len(problems)}], title=f"Import of {file.name}", as_json=json)
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"{len(problems)} rows were left out; the others are in.")

    def _rows(self, file: Path) -> list[Row]:
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return list(read_rows(lines))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except (WrongFile, UnicodeDecodeError) as error:
            raise CommandError(f"{file} is not such an export: {error}") from None

    def _readings(self, rows: list[Row], people: dict[str, UUID], now: datetime) -> tuple[list[Reading], list[str]]:
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
