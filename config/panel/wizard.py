"""Making a competition step by step."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse


def wizard_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404
