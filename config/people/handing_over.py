"""An export on its way to its person."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.core.files import File
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from config.core.threads import in_threads
from config.people.exports import opened_export


def export_response(request: HttpRequest, *, user_id: UUID, now: datetime) -> StreamingHttpResponse:
    """Raises NotFound, NotReady."""
    pieces = _pieces(opened_export(user_id, now))
    content = in_threads(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="pacesetter-export.zip"'
    response["Cache-Control"] = "private, no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _pieces(file: File[bytes]) -> Iterator[bytes]:
    with file:
        yield from file.chunks()
