"""Files that somebody imports, over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import PersonOnly, caller
from config.core.api import APIView, PageQuery, paginated, query_of, success, uuid_of
from config.core.errors import Invalid
from config.core.limits import IMPORTS, throttles
from fitness.importers.formats import FORMATS
from fitness.models import Import, ImportState
from fitness.queries.imports import access_import, imports_of
from fitness.services.imports import cancel_import, create_import


class Upload(serializers.Serializer[Any]):
    file = serializers.FileField()


class Problem(serializers.Serializer[Any]):
    place = serializers.CharField(help_text="Such as line 17.")
    problem = serializers.CharField()


class ImportAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(ImportState.choices)
    format = serializers.ChoiceField(list(FORMATS))
    bytes = serializers.IntegerField()
    bytes_read = serializers.IntegerField()
    read = serializers.IntegerField(help_text="Samples and days, and what could not be read as one.")
    accepted = serializers.IntegerField(help_text="Changed something.")
    unchanged = serializers.IntegerField(help_text="Said nothing new.")
    rejected = serializers.IntegerField(help_text="All problems; the first hundred are listed.")
    problems = Problem(many=True)
    reason = serializers.CharField(help_text="Why it failed.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ImportsView(APIView):
    permission_classes = [PersonOnly]
    parser_classes = [MultiPartParser]
    throttle_classes = throttles(IMPORTS, "POST")

    @extend_schema(parameters=[PageQuery], responses=ImportAnswer(many=True))
    def get(self, request: Request) -> Response:
        """One's own imports, the newest first."""
        page = query_of(request, PageQuery)
        found = imports_of(caller(request).id)
        rows = found[page["offset"] : page["offset"] + page["limit"]]
        return paginated(request, map(_answer, rows), **page, total=found.count())

    @extend_schema(request={"multipart/form-data": Upload}, responses={202: ImportAnswer})
    def post(self, request: Request) -> Response:
        """Takes a file, which is read in the background. Which formats there are stands in docs/imports.md."""
        upload = request.FILES.get("file")
        if upload is None:
            raise Invalid(details={"file": ["Send a file, as multipart/form-data."]})
        made = create_import(user=caller(request), upload=upload, now=timezone.now())
        return success(_answer(made), message="The file is read in the background.", status=202)


class ImportView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=ImportAnswer)
    def get(self, request: Request, import_id: str) -> Response:
        """How far an import has come."""
        return success(_answer(access_import(caller(request).id, uuid_of(import_id))))

    @extend_schema(responses={200: None})
    def delete(self, request: Request, import_id: str) -> Response:
        """Cancels an import that waits."""
        cancel_import(user_id=caller(request).id, import_id=uuid_of(import_id))
        return success(message="The import is cancelled.")


_FIELDS: list[str] = list(ImportAnswer().get_fields())


def _answer(found: Import) -> dict[str, Any]:
    return {name: getattr(found, name) for name in _FIELDS}
