"""`manage.py sandbox`: tells the pretended gateway to go wrong."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.core.console import print_report
from prizes.models import SandboxFault
from prizes.models.sandbox import SandboxCall


class Command(BaseCommand):
    help = "Orders faults of the sandbox gateway, such as `transfer time_out_after --times 3`; without any, lists them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("call", nargs="?", choices=SandboxCall.values)
        parser.add_argument("fault", nargs="?", choices=SandboxFault.Fault.values)
        parser.add_argument("--times", type=int, default=1)
        parser.add_argument("--clear", action="store_true", help="Forget all faults that were ordered.")
        parser.add_argument("--json", action="store_true")

    def handle(
        self, *, call: str | None, fault: str | None, times: int, clear: bool, json: bool, **options: Any
    ) -> None:
        if "sandbox" not in settings.GATEWAYS:
            raise CommandError("There is no sandbox here; it needs DEBUG=true.")
        if bool(call) != bool(fault):
            raise CommandError("Say what should go wrong, such as `transfer time_out_after`.")
        if clear:
            SandboxFault.objects.all().delete()
        if call and fault:
            SandboxFault.objects.create(call=call, fault=fault, times_left=times)
        ordered = SandboxFault.objects.filter(times_left__gt=0).order_by("id")
        rows = [{"call": one.call, "fault": one.fault, "times left": one.times_left} for one in ordered]
        print_report(rows, title="Faults to come", as_json=json)
