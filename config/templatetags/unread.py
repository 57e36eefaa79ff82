from typing import Any

from django import template
from django.template import RequestContext

from accounts.queries import unread_count

register = template.Library()


@register.simple_tag(takes_context=True)
def unread(context: RequestContext) -> Any:
    """How many messages wait for whoever is signed in."""
    return unread_count(context["user"].pk)
