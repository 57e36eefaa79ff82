"""The site's addresses, and some under which things go wrong on purpose."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from config import urls
from config.core.api import APIView, success
from config.core.errors import Conflict, Unavailable

RAISED: dict[str, Exception] = {
    "bug": RuntimeError("a secret of the inside"),
    "key": KeyError("a secret of the inside"),
    "database": OperationalError("connection to 10.0.0.5 refused"),
    "interface": InterfaceError("connection already closed"),
    "away": Unavailable(),
    "forbidden": PermissionDenied("a secret of the inside"),
    "missing": Http404("a secret of the inside"),
    "strange": SuspiciousOperation("a secret of the inside"),
    "conflict": Conflict("This is taken."),
}


def plain(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


class Rest(APIView):
    permission_classes = []

    def get(self, request: Request, name: str) -> Response:
        raise RAISED[name]

    def post(self, request: Request, name: str) -> Response:
        return success(request.data)


urlpatterns = [path("plain/<str:name>", plain), path("rest/<str:name>", Rest.as_view()), *urls.urlpatterns]

handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500
