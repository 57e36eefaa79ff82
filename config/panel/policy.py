"""What a browser may do with a page of the panel."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",  # unfold's pages are driven by Alpine, which evaluates its attributes
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: https:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class PanelPolicyMiddleware:
    """Every answer under the panel's addresses carries its policy, refusals and redirects too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        found = request.resolver_match
        if found is not None and "admin" in found.app_names:
            response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response
