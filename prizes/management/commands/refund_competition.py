"""`manage.py refund_competition`: every entry fee goes back to where it came from."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.core.console import print_report, rehearsed
from config.core.money import to_decimal
from prizes.actors import Actor
from prizes.management.treasury import Outcomes, add_treasurer_arguments, competitions_named
from prizes.models import Purpose
from prizes.queries import transfers_of
from prizes.services.fees import refund_competition


class Command(BaseCommand):
    help = "Gives all entry fees of a cancelled or undistributed competition back, once. Exits non-zero if it cannot."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("competition", type=UUID)
        add_treasurer_arguments(parser)

    def handle(self, *, competition: UUID, by: Actor, reason: str, dry_run: bool, json: bool, **options: Any) -> None:
        outcomes, rows = Outcomes(), []
        (one,) = competitions_named([competition])
        with outcomes.of(one), rehearsed(dry_run=dry_run):
            refund_competition(competition_id=one.id, actor=by, reason=reason, now=timezone.now())
            rows = [
                {
                    "person": str(refund.user_id),
                    "name": refund.user.name,
                    "amount": str(to_decimal(refund.amount_minor, refund.currency)),
                    "currency": refund.currency,
                    "state": refund.state,
                    "note": refund.reason,
                }
                for refund in transfers_of(one.id).filter(purpose=Purpose.REFUND)
            ]
        title = "Refunds" + (" (dry run)" if dry_run else "")
        print_report(rows, title=title, as_json=json, columns=("name", "amount", "currency", "state", "note"))
        outcomes.close()
