"""Around every request: its id, its line in the log, its security headers, and one shape for its errors."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from secrets import token_urlsafe
from typing import Any

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from config.core.errors import Invalid, TooMany, as_refusal, error_response, server_error
from config.core.limits import count_page, standing_of
from config.core.request import client_address, request_id_of

log = structlog.get_logger("pacesetter.request")

GetResponse = Callable[[HttpRequest], HttpResponse]

_NO_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "Content-Security-Policy": _NO_PAGE,
    "Cross-Origin-Resource-Policy": "same-origin",  # CORS opens what others may read
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-XSS-Protection": "0",  # the old filter made holes of its own
}
"""Of an answer that is no page. What else every answer has comes from Django's settings; `common_headers` has both."""


def page_policy(nonce: str) -> str:
    """What a browser may do with a page of ours: run the scripts that carry this answer's nonce, and nothing that came
    into it by way of somebody's name."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            "style-src 'self'",
            "style-src-attr 'unsafe-inline'",  # the widths of bars; no nonce fits an attribute
            "img-src 'self' data: https:",  # avatars may live elsewhere
            "connect-src 'self'",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _add_security_headers(response: HttpResponse, nonce: str = "") -> None:
    content: bytes | None = getattr(response, "content", None)  # a stream has none
    if nonce and content and response.get("Content-Type", "").startswith("text/html"):
        response.setdefault("Content-Security-Policy", page_policy(nonce))
    for name, value in SECURITY_HEADERS.items():
        response.setdefault(name, value)


@lru_cache(maxsize=256)
def common_headers(secure: bool, origin: bytes) -> list[tuple[bytes, bytes]]:
    """What the middleware puts on every answer that is no page, for what answers outside of Django: asked of the
    middleware itself, once for each origin. ``origin`` is short; whoever calls has made sure."""
    scheme = "https" if secure else "http"
    headers = [(b"x-forwarded-proto", scheme.encode()), *([(b"origin", origin)] if origin else [])]
    request = ASGIRequest({"method": "GET", "path": "/api/v1/", "scheme": scheme, "headers": headers}, BytesIO())
    response: Any = HttpResponse()
    del response["Content-Type"]
    for middleware in (XFrameOptionsMiddleware, CorsMiddleware, SecurityMiddleware):
        response = middleware(lambda _, inner=response: inner)(request)
    _add_security_headers(response)
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]


def is_secure(scope: Mapping[str, Any], forwarded_proto: str | None) -> bool:
    """Whether a request came over TLS, as Django decides it."""
    if settings.SECURE_PROXY_SSL_HEADER is not None and forwarded_proto is not None:
        return forwarded_proto.split(",")[0].strip() == "https"
    return bool(scope.get("scheme") == "https")


class RequestMiddleware:
    """Outermost: gives the request its id and address, and writes one line about it when it is done.

    The line has the path without the query: a token may stand in a query string. What it learns it leaves on the
    request, whose type knows nothing of that; everybody else asks `config.core.request`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id, nonce = request_id_of(request.headers.get("X-Request-ID")), token_urlsafe(16)
        marks: Any = request
        marks.request_id, marks.nonce, marks.proxy_count = request_id, nonce, settings.PROXY_COUNT
        marks.client_address = client_address(
            request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR"), settings.PROXY_COUNT
        )
        request.encoding = "utf-8"  # as everything: the charset that somebody names may be no text's
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            request.META["CONTENT_LENGTH"] = str(len(request.body))  # DRF takes a body without a length for none
        # Who it turns out to be is bound as well, and both are forgotten at the end.
        with structlog.contextvars.bound_contextvars(request_id=request_id, user_id=None):
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            _add_security_headers(response, nonce)
            for name, value in standing_of(request).headers:
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
            return error_response(request, refusal)  # type: ignore[return-value]  # Django itself only redirects here


class LimitMiddleware:
    """The general limit, per address, of everything but the API, which counts per caller, of probes that ask nobody, so
    not Redis either, and of files that a page may show a hundred of."""

    UNLIMITED = ("/api/v1/", "/static/", "/media/")
    ASKING_NOBODY = frozenset({"/health", "/health/live"})

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(self.UNLIMITED) and request.path.rstrip("/") not in self.ASKING_NOBODY:
            try:
                count_page(request)
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
