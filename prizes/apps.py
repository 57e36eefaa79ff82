from django.apps import AppConfig


class PrizesConfig(AppConfig):
    """Prize plans, entry fees, the ledger, and money that is sent exactly once."""

    name = "prizes"

    def ready(self) -> None:
        from prizes import receivers  # noqa: F401 - connects them
