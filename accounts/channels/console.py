"""Where push messages and texts go while no provider is set up: a line in the log says that there was one.

With DEBUG what it says is written beside it, as Django's console shows letters, but never to whom.
"""

import sys

import structlog
from django.conf import settings

from accounts.channels.base import Push, Text

log = structlog.get_logger(__name__)

CONSOLE = "console"


def show_push(push: Push) -> str:
    return _show("push", push.reference, f"{push.title}\n{push.body}\n{push.url}")


def show_text(text: Text) -> str:
    return _show("sms", text.reference, text.body)


def _show(channel: str, reference: str, said: str) -> str:
    log.info("message_to_console", channel=channel, reference=reference)
    if settings.DEBUG:
        sys.stdout.write(f"--- {channel} {reference}\n{said}\n---\n")
    return CONSOLE
