"""The admin site itself: who comes in, and which pages there are beside the tables."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver

if TYPE_CHECKING:  # unfold has no types
    from django.contrib.admin import AdminSite as _Site
else:
    from unfold.sites import UnfoldAdminSite as _Site

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


class PanelSite(_Site):
    site_title = site_header = "Pacesetter"
    index_title = "Today"
    enable_nav_sidebar = True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        def with_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response: HttpResponse = guarded(request, *args, **kwargs)
            response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            return response

        return with_policy

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from config.panel.home import home_context  # its queries need the models

        return super().index(request, {**home_context(request), **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    def get_urls(self) -> list[Any]:
        """Without the one that leads to a row's address elsewhere: none has any, and a wrong id is an error there."""
        return [found for found in super().get_urls() if getattr(found, "name", None) != "view_on_site"]

    def extra_urls(self) -> list[URLPattern | URLResolver]:
        from config.panel.urls import urlpatterns  # its views import the site

        return urlpatterns
