"""The admin site itself: who comes in, and which pages there are beside the tables."""

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from config.core.audit import note_person
from config.core.errors import TooMany, Unavailable

if TYPE_CHECKING:  # unfold has no types
    from django.contrib.admin import AdminSite as _Site
else:
    from unfold.sites import UnfoldAdminSite as _Site


class PanelSite(_Site):
    """Nothing of it opens before password and, where they are asked for, one-time code have been given."""

    site_title = site_header = "Pacesetter"
    index_title = "Today"
    enable_nav_sidebar = True
    login_template = "panel/sign_in/log_in.html"

    def has_permission(self, request: HttpRequest) -> bool:
        from accounts.codes import is_verified  # the site is made before the models
        from accounts.reauthentication import has_given_password

        return super().has_permission(request) and has_given_password(request) and is_verified(request.user)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(view)
        def on_record(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated:
                note_person(request.user, request)
            response: HttpResponse = guarded(request, *args, **kwargs)
            return response

        return on_record

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from accounts.reauthentication import has_given_password, note_password
        from config.panel import sign_in

        half_way = super().has_permission(request) and has_given_password(request) and not self.has_permission(request)
        if request.method == "GET" and half_way:
            return sign_in.next_step(request)
        try:
            response = super().login(request, extra_context)
        except (TooMany, Unavailable) as refusal:
            return sign_in.refused(request, refusal)
        if request.method == "POST" and response.status_code == 302:
            note_password(request, timezone.now())
        return response

    def password_change(  # type: ignore[override]  # it answers with a redirect, too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """After a proof: the old password that it asks for could be guessed there for as long as one likes."""
        from accounts.reauthentication import confirmation_first

        return confirmation_first(request, timezone.now()) or super().password_change(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from config.panel.home import home_context  # its queries need the models

        return super().index(request, {**home_context(request), **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        """Without the one that leads to a row's address elsewhere: none has any, and a wrong id is an error there."""
        return [found for found in super().get_urls() if getattr(found, "name", None) != "view_on_site"]

    def extra_urls(self) -> list[URLPattern | URLResolver]:
        from config.panel.sign_in import urlpatterns as ways_in  # their views import the site
        from config.panel.urls import urlpatterns

        return [*ways_in, *urlpatterns]
