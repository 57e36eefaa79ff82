"""The queue's own command; a worker also starts what its metrics and traces need."""

from typing import Any

from django.conf import settings
from procrastinate.contrib.django.management.commands import procrastinate

from config.api.metrics import counted_here
from config.api.operators import is_in_operations
from config.core.metric_files import shared_folder
from config.core.metrics_port import answer_metrics
from config.core.pools import keep_noting_pools, note_pools
from config.core.tracing import start_tracing, stop_tracing


class Command(procrastinate.Command):
    help = procrastinate.Command.help

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("command") != "worker":
            super().handle(*args, **options)
            return
        start_tracing()
        if settings.METRICS_PORT:
            answer_metrics(settings.METRICS_HOST, settings.METRICS_PORT, _metrics, is_in_operations)
        if shared_folder():
            keep_noting_pools()
        try:
            super().handle(*args, **options)
        finally:
            stop_tracing()


def _metrics() -> bytes:
    note_pools()
    return counted_here()
