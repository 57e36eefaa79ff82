"""`manage.py correct_standings COMPETITION --by EMAIL_OR_ID --reason TEXT --disqualify ID`"""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.queries import person_called
from config.core.console import print_report
from config.core.errors import Refusal
from leaderboards.documents import FinalRow
from leaderboards.models import FinalStandings
from leaderboards.settling import correct_standings, settle_competition


class Command(BaseCommand):
    help = "Freezes a completed competition's standings anew, with an author and a reason. Earlier ones stay on record."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", type=UUID)
        parser.add_argument("--by", required=True, help="Whose decision it is: their e-mail or id.")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--disqualify", type=UUID, action="append", default=[], metavar="ID")
        parser.add_argument("--reinstate", type=UUID, action="append", default=[], metavar="ID")
        parser.add_argument(
            "--adjust",
            type=_adjustment,
            action="append",
            default=[],
            metavar="ID=POINTS",
            help="So many points more than the person's totals make, or fewer; instead of an earlier adjustment.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Do it and take it back: write nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(
        self, *, competition: UUID, by: str, adjust: list[tuple[UUID, int]], dry_run: bool, json: bool, **options: Any
    ) -> None:
        now = timezone.now()
        asked = {name: options[name] for name in ("reason", "disqualify", "reinstate")}
        try:
            with transaction.atomic():
                before = settle_competition(competition_id=competition, now=now)
                after = correct_standings(
                    competition_id=competition, by=person_called(by), adjust=dict(adjust), now=now, **asked
                )
                transaction.set_rollback(dry_run)
        except Refusal as refusal:
            complaints = [f"{field}: {' '.join(texts)}" for field, texts in (refusal.details or {}).items()]
            raise CommandError(" ".join([refusal.message, *complaints])) from None
        title = f"Standings {after.number}{' (dry run: nothing was written)' if dry_run else ''}: who stands elsewhere"
        print_report(_differences(before, after), title=title, as_json=json)


def _adjustment(text: str) -> tuple[UUID, int]:
    person, _, points = text.partition("=")
    try:
        return UUID(person), int(points)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not ID=POINTS") from None


def _differences(before: FinalStandings, after: FinalStandings) -> list[dict[str, Any]]:
    """Everybody whose rank or score is another one, in the new order, then those who are off the board."""
    earlier = {row.user_id: row for row in before.rows}
    later = {row.user_id: row for row in after.rows}
    people = [*later, *(user_id for user_id in earlier if user_id not in later)]
    rows = [_difference(user_id, earlier.get(user_id), later.get(user_id)) for user_id in people]
    return [row for row in rows if (row["rank_before"], row["score_before"]) != (row["rank"], row["score"])]


def _difference(user_id: UUID, before: FinalRow | None, after: FinalRow | None) -> dict[str, Any]:
    return {
        "user_id": str(user_id),
        "rank_before": before.rank if before else None,
        "rank": after.rank if after else None,
        "score_before": before.score if before else None,
        "score": after.score if after else None,
    }
