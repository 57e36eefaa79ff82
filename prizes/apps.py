from django.apps import AppConfig


class PrizesConfig(AppConfig):
    """Prize plans: who gets how much. The ledger and the transfers are not built yet."""

    name = "prizes"
