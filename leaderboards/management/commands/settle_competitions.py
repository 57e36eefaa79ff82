"""`manage.py settle_competitions`: final standings for every competition whose grace is over."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from competitions.models import Competition
from competitions.rules import Status
from config.core.console import print_report, progress
from config.core.errors import Refusal
from leaderboards.queries import final_standings
from leaderboards.settling import settle_competition

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Freezes the standings of competitions whose grace is over. Those that are frozen already stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="*", type=UUID, help="Only these; otherwise all whose grace is over.")
        parser.add_argument("--dry-run", action="store_true", help="Do it and take it back: write nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, competition: list[UUID], dry_run: bool, json: bool, **options: Any) -> None:
        now = timezone.now()
        due = Competition.objects.all().with_status(Status.COMPLETED, now).order_by("closes_at", "id")
        ids = competition or list(due.values_list("id", flat=True))
        rows = [_settled(one, now, dry_run) for one in progress(ids, doing="Settling", total=len(ids))]
        columns = ("competition", "number", "participants", "state")
        print_report(rows, title="Final standings", as_json=json, columns=columns)
        failed = sum(row["digest"] == "" for row in rows)
        if failed:
            raise CommandError(f"{failed} competitions were not settled; the others are.")


def _settled(competition_id: UUID, now: datetime, dry_run: bool) -> dict[str, Any]:
    """What became of one competition; whatever goes wrong with it concerns no other one."""
    row = {"competition": str(competition_id), "number": 0, "participants": 0, "state": "", "digest": ""}
    before = final_standings(competition_id)
    try:
        with transaction.atomic():
            final = settle_competition(competition_id=competition_id, now=now)
            transaction.set_rollback(dry_run)
    except Refusal as refusal:
        return row | {"state": refusal.message}
    except Exception as error:
        log.exception("competition_not_settled", competition_id=str(competition_id))
        return row | {"state": f"{type(error).__name__}: {error}"}
    done = "would be frozen" if dry_run else "frozen"
    state = "frozen before" if before else done
    return row | {
        "number": final.number,
        "participants": len(final.rows),
        "state": state,
        "digest": final.digest,
    }
