"""`manage.py rebuild_leaderboards`: new copies in Redis out of PostgreSQL."""

from argparse import ArgumentParser
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from competitions.models import Competition
from config.core.console import print_report, progress
from leaderboards.announce import announce_boards
from leaderboards.mirror import rebuild_mirror
from leaderboards.models import Standing


class Command(BaseCommand):
    help = "Builds boards in Redis anew, each put in place at once while the server goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="*", type=UUID, help="Only these; otherwise every board.")
        parser.add_argument("--dry-run", action="store_true", help="Say which, change nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, competition: list[UUID], dry_run: bool, json: bool, **options: Any) -> None:
        boards = Competition.objects.order_by("-start_at")
        if competition:
            boards = boards.filter(id__in=competition)
        rows = []
        for board in boards:
            state = "would be rebuilt"
            if not dry_run:
                total = Standing.objects.filter(competition=board).count()
                shown = partial(progress, doing=f"Rebuilding {str(board.id)[:8]}", total=total)
                state = "rebuilt" if rebuild_mirror(board.id, passing=shown) else "not rebuilt; run it again"
                announce_boards([board.id])
            rows.append({"competition": str(board.id), "participants": board.participant_count, "state": state})
        print_report(rows, title="Leaderboards", as_json=json)
