"""How competitions go, for those who run them."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse


def overall_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404


def overall_csv_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404


def competition_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404


def competition_csv_view(request: HttpRequest, **where: Any) -> HttpResponse:
    raise Http404
