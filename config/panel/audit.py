"""Who did what to one object, and when, and why."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse


def audit_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404
