from django.apps import AppConfig


class PrizesConfig(AppConfig):
    """Prize plans, the ledger and transfers. Competitions carry their pool and fee; paying out is not built yet."""

    name = "prizes"
