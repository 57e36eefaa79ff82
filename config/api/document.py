"""The OpenAPI document, made once in each process: it takes a second, and nothing of it depends on who asks."""

import threading
from functools import cache

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator

from config.core.json import dump_json

_making = threading.Lock()
"""drf-spectacular looks its extensions up when it is first asked, which two threads at once cannot do."""


@cache
def _document() -> bytes:
    return dump_json(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]  # drf-spectacular has no types here


def schema_view(request: HttpRequest) -> HttpResponse:
    with _making:
        body = _document()
    return HttpResponse(body, content_type="application/json")
