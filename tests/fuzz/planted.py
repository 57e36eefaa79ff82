"""`python -m tests.fuzz.planted`: the server with three faults in it, to show that fuzzing finds them: a view that
raises, a view that answers something else than its schema says, and a consumer that raises."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

RAISES = "GET /api/v1/notifications/devices"
LIES = "GET /api/v1/fitness/sources"


def plant() -> None:
    import django

    django.setup()

    from accounts.api.notifications import DevicesView
    from config.core.api import success
    from fitness.api.sources import SourcesView
    from fitness.consumers import FitnessConsumer

    def raising(self: Any, request: Any) -> Any:
        raise RuntimeError("planted in a view")

    def lying(self: Any, request: Any) -> Any:
        return success({"preference": "watch", "sources": []})

    async def breaking(self: Any, message: Any) -> None:
        raise RuntimeError("planted in a consumer")

    for owner, name, fault in (
        (DevicesView, "get", raising),
        (SourcesView, "get", lying),
        (FitnessConsumer, "take", breaking),
    ):
        fault.__dict__.update(getattr(owner, name).__dict__)  # with the schema of what it stands for
        setattr(owner, name, fault)


if __name__ == "__main__":
    from config.serve import main

    plant()
    main()
