from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from accounts.api.channel_webhooks import sendgrid_webhook_view, twilio_webhook_view
from accounts.api.pictures import picture_view
from accounts.pictures.names import NAME
from config.api import health, metrics
from config.api.avatars import AvatarView
from config.api.docs import DocsView
from config.api.document import schema_view
from config.api.exports import ExportFileView, ExportView
from config.api.profiles import PersonView, ProfileView, RegisterView
from config.core.errors import nothing_here, reading
from config.core.limits import counted
from config.pages.unsubscribe import unsubscribe_view
from leaderboards.pages import board_page_view, boards_page_view
from prizes.api.views import sandbox_view, statement_key_view, webhook_view

api: list[URLPattern | URLResolver] = [
    re_path(r"^auth/register/?$", RegisterView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/?$", PersonView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/profile/?$", ProfileView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/avatar/?$", AvatarView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/export/?$", ExportView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/export/file/?$", ExportFileView.as_view()),
    path("", include("accounts.api.urls")),
    path("", include("competitions.api.urls")),
    path("", include("leaderboards.api.urls")),
    path("", include("fitness.api.urls")),
    path("", include("prizes.api.urls")),
]

urlpatterns = [
    path("api/v1/", include(api)),
    re_path(r"^api/v1/", counted(nothing_here)),  # the views of the API count for themselves
    re_path(r"^api/schema/?$", reading(schema_view), name="schema"),
    re_path(r"^api/docs/?$", reading(DocsView.as_view(url_name="schema")), name="docs"),
    re_path(r"^health/?$", health.health),
    re_path(r"^health/live/?$", health.live),
    re_path(r"^health/ready/?$", health.ready),
    re_path(r"^health/detailed/?$", health.detailed),
    re_path(r"^metrics/?$", metrics.metrics),
    re_path(rf"^media/(?P<name>{NAME})$", reading(picture_view), name="picture"),
    re_path(r"^boards/?$", reading(boards_page_view), name="boards"),
    re_path(r"^boards/(?P<competition_id>[^/]+)/?$", reading(board_page_view), name="board"),
    re_path(r"^unsubscribe/(?P<token>[^/]+)/?$", unsubscribe_view, name="unsubscribe"),
    re_path(r"^sandbox/(?P<reference>[^/]+)/?$", reading(sandbox_view), name="sandbox"),
    re_path(r"^webhooks/messages/sendgrid/?$", sendgrid_webhook_view),
    re_path(r"^webhooks/messages/twilio/?$", twilio_webhook_view),
    re_path(r"^webhooks/(?P<gateway>[^/]+)/?$", webhook_view, name="webhook"),
    re_path(r"^\.well-known/pacesetter-statement-key\.pem$", reading(statement_key_view), name="statement-key"),
    path("admin/", admin.site.urls),
    path("", include("config.pages.urls")),
    re_path(r"", nothing_here),  # last: with DEBUG Django would answer with a page of its own
]

handler400 = "config.core.errors.bad_request"
handler403 = "config.core.errors.permission_denied"
handler404 = "config.core.errors.page_not_found"
handler500 = "config.core.errors.server_error"
