from django.apps import AppConfig


class FitnessConfig(AppConfig):
    """Activity: what people did, day by day, and what it adds up to."""

    name = "fitness"

    def ready(self) -> None:
        from fitness import receivers  # noqa: F401 - connects them
