"""`manage.py verify_ledger`: the proof that every cent is where it belongs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.core.console import print_report, progress
from prizes.verification import CHECKS, faults_of, posting_count


class Command(BaseCommand):
    help = "Proves the sums of the ledger and its agreement with fees, awards and transfers. Exits non-zero on a fault."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Changes nothing, which is what it does anyway.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, json: bool, **options: Any) -> None:
        faults = [
            fault for check in progress(CHECKS, doing="Verifying", total=len(CHECKS)) for fault in faults_of(check)
        ]
        if faults:
            print_report([vars(fault) for fault in faults], title="Faults", as_json=json)
            raise CommandError(f"The ledger has {len(faults)} faults; nothing should be paid until they are explained.")
        rows = [{"check": check, "state": "right"} for check in CHECKS]
        print_report(rows, title=f"Ledger of {posting_count():,} postings", as_json=json)
