from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, service keys, and the one verifier of tokens."""

    name = "accounts"

    def ready(self) -> None:
        from accounts import schema  # noqa: F401 - registers itself
