from django.apps import AppConfig


class CompetitionsConfig(AppConfig):
    """Competitions, who takes part, and where each stands in time."""

    name = "competitions"

    def ready(self) -> None:
        from competitions import receivers  # noqa: F401 - connects them
