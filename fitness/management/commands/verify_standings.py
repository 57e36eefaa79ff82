"""`manage.py verify_standings`: final standings against the activity that they came from."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from competitions.models import Competition
from config.core.console import print_report, progress
from fitness.verification import StandingsCheck, check_standings

SHOWN_PROBLEMS = 20


class Command(BaseCommand):
    help = (
        "Works out final standings again: digests and their chain, ranks, scores, and totals from the activity that had"
        " arrived when the grace ended. Exits non-zero when anything differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="*", type=UUID, help="Only these; otherwise all that were frozen.")
        parser.add_argument("--dry-run", action="store_true", help="Changes nothing: this command never writes.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, competition: list[UUID], json: bool, **options: Any) -> None:
        asked = Q(id__in=competition) if competition else Q(final_standings__isnull=False)
        frozen = Competition.objects.filter(asked).distinct().order_by("closes_at", "id")
        rows, wrong = [], 0
        for one in progress(frozen, doing="Verifying", total=frozen.count()):
            checks = check_standings(one) or [StandingsCheck(one.id, 0, 0, [], ["no final standings"])]
            rows += [_row(check, json) for check in checks]
            wrong += sum(bool(check.problems) for check in checks)
        for missing in sorted(set(competition) - {one.id for one in frozen}):
            rows.append(_row(StandingsCheck(missing, 0, 0, [], ["no such competition"]), json))
            wrong += 1
        print_report(rows, title="Final standings", as_json=json)
        if wrong:
            raise CommandError(f"{wrong} final standings are not right.")


def _row(check: StandingsCheck, whole: bool) -> dict[str, Any]:
    """``whole``: for programs, which read lists; people get as much as fits."""
    row: dict[str, Any] = {
        "competition": str(check.competition_id),
        "number": check.number,
        "participants": check.participants,
    }
    if whole:
        erased = [str(user_id) for user_id in check.erased]
        return row | {"erased": erased, "right": not check.problems, "problems": list(check.problems)}
    shown = [*check.problems[:SHOWN_PROBLEMS]]
    if len(check.problems) > SHOWN_PROBLEMS:
        shown.append(f"and {len(check.problems) - SHOWN_PROBLEMS} more")
    return row | {"erased": len(check.erased), "state": "\n".join(shown) or "right"}
