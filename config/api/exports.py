"""Everything about oneself as a file, over HTTP. Nobody else asks for it or fetches it, staff included."""

from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Export, ExportState, User
from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from accounts.queries import person
from config.core.api import APIView, success
from config.core.errors import Forbidden
from config.core.limits import EXPORTS, throttles
from config.people.exports import export_of, request_export
from config.people.handing_over import export_response


class ExportAnswer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(ExportState.choices)
    requested_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the file is removed.")
    bytes = serializers.IntegerField(allow_null=True)
    url = serializers.CharField(allow_null=True, help_text="Where the file is, once it is ready; it takes the token.")


class ExportView(APIView):
    permission_classes = [PersonOnly]
    throttle_classes = throttles(EXPORTS, "POST")

    @extend_schema(responses=ExportAnswer)
    def get(self, request: Request, user_id: str) -> Response:
        """How far the export is that one asked for."""
        return success(_answer(export_of(_oneself(request, user_id).id)))

    @extend_schema(request=None, responses={202: ExportAnswer})
    def post(self, request: Request, user_id: str) -> Response:
        """Has everything about oneself written into a zip. Asked again within a day, it answers the same."""
        found = request_export(user_id=_oneself(request, user_id).id, now=timezone.now())
        return success(_answer(found), status=202)


class ExportFileView(APIView):
    permission_classes = [PersonOnly]
    throttle_classes = throttles(EXPORTS)

    @extend_schema(responses={(200, "application/zip"): bytes})
    def get(self, request: Request, user_id: str) -> HttpResponseBase:
        """The zip; 409 while it is written."""
        user = _oneself(request, user_id)
        return export_response(request._request, user_id=user.id, now=timezone.now())


def _oneself(request: Request, user_id: str) -> User:
    """Raises NotFound, Forbidden."""
    found = person(person_named(request, user_id))
    if found.id != caller(request).id:
        raise Forbidden("An export is for its own person alone.")
    return found


def _answer(export: Export) -> dict[str, Any]:
    ready = export.state == ExportState.READY
    return {
        "state": export.state,
        "requested_at": export.requested_at,
        "ready_at": export.finished_at if ready else None,
        "expires_at": export.expires_at,
        "bytes": export.bytes,
        "url": f"/api/v1/users/{export.user_id}/export/file" if ready else None,
    }
