"""What would become of the standings and the prizes, before anything is saved."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse


def what_if_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404
