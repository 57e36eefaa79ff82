"""`manage.py calculate_prizes`: writes down what final standings are worth; moves no money."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from competitions.models import Competition
from competitions.rules import Status
from config.core.console import print_report, progress, rehearsed
from prizes.management.treasury import AWARD_COLUMNS, Outcomes, add_report_arguments, award_rows, competitions_named
from prizes.services.distribution import award_prizes


class Command(BaseCommand):
    help = "Awards the prizes of these competitions, or of all that are final. Exits non-zero when one cannot be."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="*", type=UUID)
        add_report_arguments(parser)

    def handle(self, *, competition: list[UUID], dry_run: bool, json: bool, **options: Any) -> None:
        now, outcomes = timezone.now(), Outcomes()
        rows: list[dict[str, Any]] = []
        final = Competition.objects.all().with_status(Status.COMPLETED, now)
        chosen = competitions_named(competition) if competition else list(final)
        for one in progress(chosen, doing="Calculating", total=len(chosen)):
            with outcomes.of(one), rehearsed(dry_run=dry_run):
                rows += award_rows(award_prizes(competition_id=one.id, now=now))
        print_report(rows, title="Awards" + (" (dry run)" if dry_run else ""), as_json=json, columns=AWARD_COLUMNS)
        outcomes.close()
