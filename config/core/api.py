"""The floor under every REST view: bodies in, envelope out, pages, and who asks before what is asked."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from rest_framework import serializers, views
from rest_framework.request import Request
from rest_framework.response import Response

from config.core.errors import NotFound


class APIView(views.APIView):
    """Authenticates, then counts the request against its limit, then asks for permission: a refused caller
    pays for the attempt too, which DRF's own order (limits last) forgets."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = self.get_format_suffix(**kwargs)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        request.version, request.versioning_scheme = self.determine_version(request, *args, **kwargs)
        try:
            self.perform_authentication(request)
        finally:
            self.check_throttles(request)
        self.check_permissions(request)


def envelope(
    data: Any = None, *, message: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """``{"success": true, "data": ..., "message": "..."}``; ``beside`` adds keys next to ``data``."""
    body: dict[str, Any] = {"success": True}
    if data is not None:
        body["data"] = data
    if message is not None:
        body["message"] = message
    return body | dict(beside or {})


def success(
    data: Any = None,
    *,
    message: str | None = None,
    status: int = 200,
    beside: Mapping[str, Any] | None = None,
) -> Response:
    return Response(envelope(data, message=message, beside=beside), status=status)


def plain_text(value: str) -> None:
    """Refuses what is not seen, and what turns the text around it: control and direction-override characters."""
    if not _PLAIN.fullmatch(value):
        raise serializers.ValidationError("Write plain text, without control characters.")


NO_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$"
_PLAIN = re.compile(NO_CONTROLS)


class PageQuery(serializers.Serializer[dict[str, int]]):
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=2**31, default=0)


def query_of(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The query string, checked. Raises a validation error that names the parameter."""
    parsed = serializer(data=request.query_params)
    parsed.is_valid(raise_exception=True)
    return dict(parsed.validated_data)


def body_of(request: Request, serializer: type[serializers.Serializer[Any]], **options: Any) -> dict[str, Any]:
    """The request's body, checked. Raises a validation error that names the field."""
    return checked(serializer, request.data, **options)


def checked(serializer: type[serializers.Serializer[Any]], body: Any, **options: Any) -> dict[str, Any]:
    """The same without a request."""
    parsed = serializer(data=body, **options)
    parsed.is_valid(raise_exception=True)
    return dict(parsed.validated_data)


def paginated(request: Request, rows: Iterable[Any], *, limit: int, offset: int, total: int) -> Response:
    def link(to: int) -> str:
        query = request.query_params.dict() | {"limit": str(limit), "offset": str(to)}
        return f"{request.path}?{urlencode(query)}"

    pagination = {
        "limit": limit,
        "offset": offset,
        "total": total,
        "next": link(offset + limit) if offset + limit < total else None,
        "previous": link(max(0, offset - limit)) if offset > 0 else None,
    }
    return success(list(rows), beside={"pagination": pagination})


def uuid_of(text: str) -> UUID:
    """An id out of a path. What is not a UUID names nothing: NotFound, never a 500."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None
