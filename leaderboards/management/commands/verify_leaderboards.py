"""`manage.py verify_leaderboards`: Redis against PostgreSQL, board by board."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from competitions.models import Competition
from config.core.console import print_report, progress
from leaderboards.verification import check_board


class Command(BaseCommand):
    help = "Compares every board in Redis with PostgreSQL to the last rank. Exits non-zero when one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="*", type=UUID, help="Only these; otherwise every board.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, competition: list[UUID], json: bool, **options: Any) -> None:
        boards = Competition.objects.order_by("-start_at")
        if competition:
            boards = boards.filter(id__in=competition)
        checks = [check_board(board) for board in progress(boards, doing="Verifying", total=boards.count())]
        rows = [
            {
                "competition": str(check.competition_id),
                "participants": check.participants,
                "state": check.difference or ("same" if check.copied else "not in Redis; the next reader builds it"),
            }
            for check in checks
        ]
        print_report(rows, title="Leaderboards", as_json=json)
        different = sum(bool(check.difference) for check in checks)
        if different:
            raise CommandError(f"{different} boards differ; run manage.py rebuild_leaderboards.")
