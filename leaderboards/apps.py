from django.apps import AppConfig


class LeaderboardsConfig(AppConfig):
    """Totals become scores, scores become ranks, and everyone watching sees them."""

    name = "leaderboards"

    def ready(self) -> None:
        from leaderboards import receivers  # noqa: F401 - connects them
