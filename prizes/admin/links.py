"""Where the treasury links to."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def link(model: str, key: Any, text: Any) -> SafeString:
    """To a row's page in the treasury."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:prizes_{model}_change", args=[key]), text)
