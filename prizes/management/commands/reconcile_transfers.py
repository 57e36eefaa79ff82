"""`manage.py reconcile_transfers`: asks the gateway about everything that is neither paid nor given up."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.core.console import print_report, progress
from config.core.money import to_decimal
from prizes.management.treasury import add_report_arguments
from prizes.models import Transfer, TransferState
from prizes.models.transfers import UNFINISHED
from prizes.services.transfers import reconcile_transfers


class Command(BaseCommand):
    help = (
        "Looks unfinished transfers up at the gateway and goes on with them. Exits non-zero when one has failed, or is"
        " still unknown: a person decides in the panel."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_report_arguments(parser)

    def handle(self, *, dry_run: bool, json: bool, **options: Any) -> None:
        unfinished = Transfer.objects.filter(state__in=UNFINISHED)
        total = unfinished.count()
        pushed = unfinished.iterator() if dry_run else reconcile_transfers(transfers=unfinished, clock=timezone.now)
        known = {transfer.id: transfer for transfer in progress(pushed, doing="Reconciling", total=total)}
        failed = Transfer.objects.filter(state=TransferState.FAILED)
        known |= {transfer.id: transfer for transfer in failed}
        print_report(
            [_row(transfer) for transfer in known.values()],
            title="Transfers" + (" (dry run)" if dry_run else ""),
            as_json=json,
            columns=("transfer", "amount", "currency", "state", "note"),
        )
        states = Counter(transfer.state for transfer in known.values())
        if states[TransferState.FAILED] or states[TransferState.UNKNOWN]:
            raise CommandError(
                f"{states[TransferState.FAILED]} transfers have failed and {states[TransferState.UNKNOWN]} are unknown;"
                " look at them in the panel, under Transfers."
            )


def _row(transfer: Transfer) -> dict[str, Any]:
    return {
        "transfer": str(transfer.id),
        "purpose": transfer.purpose,
        "person": str(transfer.user_id),
        "amount": str(to_decimal(transfer.amount_minor, transfer.currency)),
        "currency": transfer.currency,
        "gateway": transfer.gateway,
        "state": transfer.state,
        "note": transfer.waits_for or transfer.reason,
    }
