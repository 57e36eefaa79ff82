"""`manage.py distribute_prizes`: the same service as `POST /prizes/distribute/{id}` and the panel's action."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.core.console import print_report, progress, rehearsed
from prizes.actors import Actor
from prizes.management.treasury import AWARD_COLUMNS, Outcomes, add_treasurer_arguments, award_rows, competitions_named
from prizes.services.distribution import approve_distribution, distribute_prizes


class Command(BaseCommand):
    help = (
        "Has the prizes of these competitions paid, once. Exits non-zero when one cannot be, or waits for an approval."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", nargs="+", type=UUID)
        parser.add_argument("--approve", action="store_true", help="Approve what another treasurer has asked for.")
        add_treasurer_arguments(parser)

    def handle(
        self,
        *,
        competition: list[UUID],
        by: Actor,
        reason: str,
        approve: bool,
        dry_run: bool,
        json: bool,
        **options: Any,
    ) -> None:
        now, outcomes = timezone.now(), Outcomes()
        rows: list[dict[str, Any]] = []
        carry_out = approve_distribution if approve else distribute_prizes
        chosen = competitions_named(competition)
        for one in progress(chosen, doing="Distributing", total=len(chosen)):
            with outcomes.of(one), rehearsed(dry_run=dry_run):
                done = carry_out(competition_id=one.id, actor=by, reason=reason, now=now)
                rows += award_rows(done.award_list)
                if done.waits_for_approval:
                    outcomes.problems.append(f"{one.name} ({one.id}): another treasurer must approve this (--approve).")
        print_report(rows, title="Prizes" + (" (dry run)" if dry_run else ""), as_json=json, columns=AWARD_COLUMNS)
        outcomes.close()
