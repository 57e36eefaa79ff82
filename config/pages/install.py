"""What makes a web app of the pages: a manifest, and a worker that has one page ready for when there is no network."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse

PAPER = "#f6f2e9"
# A worker lives by the policy of its own answer, and this one fetches.
_WORKERS_POLICY = "default-src 'none'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def manifest_view(request: HttpRequest) -> HttpResponse:
    mark: dict[str, Any] = {"src": static("leaderboards/mark.svg"), "sizes": "any", "type": "image/svg+xml"}
    drawn = [
        {"src": static(f"pages/mark-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size, purpose in ((192, "any"), (512, "any"), (512, "maskable"))
    ]
    manifest = {
        "name": "Pacesetter",
        "short_name": "Pacesetter",
        "description": "Walking competitions with live boards.",
        "id": "/",
        "start_url": reverse("my-day"),
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "icons": [mark, *drawn],
    }
    response = JsonResponse(manifest, content_type="application/manifest+json")
    response["Cache-Control"] = "public, max-age=3600"
    return response


def service_worker_view(request: HttpRequest) -> HttpResponse:
    response = render(request, "pages/service-worker.js", content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "no-cache"  # or browsers would go on with an old one
    response["Content-Security-Policy"] = _WORKERS_POLICY
    return response


def offline_view(request: HttpRequest) -> HttpResponse:
    """The same for everybody: it is kept in the browser."""
    response = render(request, "pages/offline.html")
    response["Cache-Control"] = "public, max-age=3600"
    return response
