"""The first page: what needs a person today, and how the server's world is going."""

from typing import Any

from django.http import HttpRequest


def home_context(request: HttpRequest) -> dict[str, Any]:
    """What the first page shows beside what every page does."""
    return {}
