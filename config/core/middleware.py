"""Around every request: its id, its line in the log, its security headers, and one shape for its errors."""

import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

from config.core.errors import Invalid, TooMany, as_refusal, error_response, server_error
from config.core.limits import PAGES, note_standing, standing_of, take_token
from config.core.request import address_block, address_of, client_address, request_id_of

log = structlog.get_logger("pacesetter.request")

GetResponse = Callable[[HttpRequest], HttpResponse]

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: https:",  # avatars may live elsewhere; Swagger UI draws its icons from data:
        "style-src 'self' 'unsafe-inline'",  # Swagger UI and the admin set style attributes
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-XSS-Protection": "0",  # the old filter made holes of its own
}


class RequestMiddleware:
    """Outermost: gives the request its id and address, and writes one line about it when it is done.

    The line has the path without the query: a token may stand in a query string. What it learns it leaves on the
    request, whose type knows nothing of that; everybody else asks `config.core.request`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request.request_id = request_id_of(request.headers.get("X-Request-ID"))  # type: ignore[attr-defined]
        request.client_address = client_address(  # type: ignore[attr-defined]
            request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR"), settings.PROXY_COUNT
        )
        request.proxy_count = settings.PROXY_COUNT  # type: ignore[attr-defined]
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            request.META["CONTENT_LENGTH"] = str(len(request.body))  # DRF takes a body without a length for none
        with structlog.contextvars.bound_contextvars(request_id=request.request_id):  # type: ignore[attr-defined]
            response = self.get_response(request)
            response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
            for name, value in (*SECURITY_HEADERS.items(), *standing_of(request).headers):
                response.setdefault(name, value)
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
                user_id=getattr(request, "caller_id", None),
            )
        return response


class HostMiddleware(CommonMiddleware):
    """Answers only to the configured host names, except probes: an orchestrator asks by an address that no list knows,
    and the answer holds nothing that a wrong name could twist."""

    PROBES = frozenset({"/health", "/health/live", "/health/ready", "/health/detailed", "/metrics"})

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path.rstrip("/") in self.PROBES:
            return None
        try:
            return super().process_request(request)
        except DisallowedHost:
            refusal = Invalid("This server does not answer to that host name.")
            return error_response(request, refusal)  # type: ignore[return-value]


class LimitMiddleware:
    """The general limit, per address, of everything but the API, which counts per caller, of cheap probes, and of files
    that a page may show a hundred of."""

    UNLIMITED = ("/api/v1/", "/static/", "/media/", "/health/live")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(self.UNLIMITED):
            try:
                note_standing(request, take_token(PAGES, address_block(address_of(request))))
            except TooMany as refusal:
                return error_response(request, refusal)
        return self.get_response(request)


class RefusalMiddleware:
    """Turns what a view raises into the error shape, with DEBUG too; what nobody foresaw is logged with its stack."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse:
        refusal = as_refusal(exception)
        if refusal is not None:
            return error_response(request, refusal)
        log.error("unexpected_error", method=request.method, path=request.path, exc_info=exception)
        return server_error(request)
