"""What can go wrong, in the one shape that every client knows.

``{"success": false, "error": "Not Found", "message": "...", "code": 404, "details": {...}, "request_id": "..."}``
"""

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from config.core.json import dump_json
from config.core.redis import RedisError

log = structlog.get_logger(__name__)

View = Callable[..., HttpResponseBase]


class Refusal(Exception):
    """A request that is understood and refused. ``message`` is one sentence for the person who asked.

    ``details`` maps a field to its complaints; ``retry_after`` is in seconds; ``headers`` go with the answer.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    message: str = "This request cannot be carried out."
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, list[str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = message or self.message
        self.details = dict(details) if details else None
        self.retry_after = retry_after
        super().__init__(self.message)


class Invalid(Refusal):
    status = HTTPStatus.BAD_REQUEST
    message = "Some fields need another value."


class Unauthenticated(Refusal):
    status = HTTPStatus.UNAUTHORIZED
    message = "A valid access token is needed."


class Forbidden(Refusal):
    status = HTTPStatus.FORBIDDEN
    message = "You may not do this."


class WrongMethod(Refusal):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    message = "This address can only be read."
    allow: ClassVar[str] = "GET, HEAD"


class NotPosted(WrongMethod):
    message = "Webhooks are posted here."
    allow = "POST"


class NotFound(Refusal):
    status = HTTPStatus.NOT_FOUND
    message = "There is nothing here under this address."


class Conflict(Refusal):
    status = HTTPStatus.CONFLICT
    message = "The current state does not allow this."


class TooLarge(Refusal):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "The request body is too large."


class TooMany(Refusal):
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Too many requests; try again a little later."


class Unavailable(Refusal):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The service is not available for a moment; try again."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, retry_after=1)


def error_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "success": False,
        "error": refusal.status.phrase,
        "message": refusal.message,
        "code": int(refusal.status),
    }
    if refusal.details:
        body["details"] = refusal.details
    body["request_id"] = request_id
    return body


def error_headers(refusal: Refusal) -> dict[str, str]:
    headers = dict(refusal.headers)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    if isinstance(refusal, WrongMethod):
        headers["Allow"] = refusal.allow
    return headers


def as_refusal(exc: BaseException) -> Refusal | None:
    """The refusal that an exception means to the client; None for what nobody foresaw."""
    match exc:
        case Refusal():
            return exc
        case exceptions.ValidationError():
            return Invalid(details=flatten(exc.detail))
        case exceptions.Throttled():
            return TooMany(retry_after=max(1, int(getattr(exc, "wait", None) or 1)))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case exceptions.APIException():
            return _with_status(exc.status_code, str(exc.detail))
        case Http404():
            return NotFound()
        case PermissionDenied():
            return Forbidden()
        case RequestDataTooBig():
            return TooLarge()
        case BadRequest() | SuspiciousOperation() | MultiPartParserError():
            return _with_status(400, "This request cannot be understood.")
        case DataError():
            return _with_status(400, "This request holds a value that cannot be stored or compared.")
        case RedisError():
            log.warning("redis_unavailable", error=type(exc).__name__)
            return Unavailable()
        case OperationalError() | InterfaceError():
            log.warning("database_unavailable", error=type(exc).__name__, reason=str(exc).partition("\n")[0])
            return Unavailable()
    return None


def _with_status(status: int, message: str) -> Refusal:
    refusal = Refusal(message)
    refusal.status = HTTPStatus(status)  # type: ignore[misc]  # one-off statuses such as 405 and 415 need no class
    return refusal


def flatten(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested complaints as ``{"weights.steps": ["..."], "places[0].amount": ["..."]}``; what names no field
    stands under its parent."""
    if isinstance(detail, Mapping):
        flat: dict[str, list[str]] = {}
        for key, value in detail.items():
            if isinstance(key, int):  # a list of which only some items are wrong
                inner = f"{path}[{key}]"
            else:
                name = _writable(str(key))
                inner = path if name == "non_field_errors" and path else f"{path}.{name}" if path else name
            flat.update(flatten(value, inner))
        return flat
    if isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        flat = {}
        for index, item in enumerate(detail):
            flat.update(flatten(item, f"{path}[{index}]"))
        return flat
    return {path or "body": [_writable(str(item)) for item in (detail if isinstance(detail, list) else [detail])]}


def _writable(text: str) -> str:
    """A complaint may quote what was sent, and JSON can send half a character, which nothing can write."""
    return text.encode("utf-8", "replace").decode()


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every refusal of every view in the one shape; anything else goes on to the 500 page."""
    refusal = as_refusal(exc)
    if refusal is None:
        return None
    request = context["request"]
    return Response(
        error_body(refusal, getattr(request, "request_id", "")),
        status=int(refusal.status),
        headers=error_headers(refusal),
    )


def error_response(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The same for everything that answers outside DRF."""
    response = HttpResponse(
        dump_json(error_body(refusal, getattr(request, "request_id", ""))),
        content_type="application/json",
        status=int(refusal.status),
    )
    for name, value in error_headers(refusal).items():
        response[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, as_refusal(exception) or Invalid("This request cannot be understood."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, Forbidden())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, NotFound())


@csrf_exempt  # or a POST would be told to bring a form's token first
def nothing_here(request: HttpRequest) -> HttpResponse:
    return error_response(request, NotFound())


def reading(view: View) -> View:
    """For views outside DRF that take GET and HEAD only. Raises WrongMethod."""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            raise WrongMethod
        return view(request, *args, **kwargs)

    return checked


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(request, failure())


def failure() -> Refusal:
    """What nobody foresaw, to whoever met it."""
    return _with_status(500, "Something went wrong on our side; it has been noted.")
