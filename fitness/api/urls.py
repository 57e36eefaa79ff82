from django.urls import re_path

from fitness.api.connections import CallbackView, ConnectionsView, ConnectionView, GoogleHealthWebhookView
from fitness.api.explain import ExplainView
from fitness.api.flags import AppealView, DecisionView, FlagsView, FlagView
from fitness.api.imports import ImportsView, ImportView
from fitness.api.sources import SourcesView
from fitness.api.views import ActivityView, DashboardView, InsightsView, StatsView, SyncView

urlpatterns = [
    re_path(r"^fitness/sync/?$", SyncView.as_view()),
    re_path(r"^fitness/connections/?$", ConnectionsView.as_view()),
    re_path(r"^fitness/connections/callback/?$", CallbackView.as_view()),
    re_path(r"^fitness/connections/(?P<provider>[^/]+)/?$", ConnectionView.as_view()),
    re_path(r"^fitness/webhooks/google_health/?$", GoogleHealthWebhookView.as_view()),
    re_path(r"^fitness/sources/?$", SourcesView.as_view()),
    re_path(r"^fitness/imports/?$", ImportsView.as_view()),
    re_path(r"^fitness/imports/(?P<import_id>[^/]+)/?$", ImportView.as_view()),
    re_path(r"^fitness/flags/?$", FlagsView.as_view()),
    re_path(r"^fitness/flags/(?P<flag_id>[^/]+)/?$", FlagView.as_view()),
    re_path(r"^fitness/flags/(?P<flag_id>[^/]+)/appeal/?$", AppealView.as_view()),
    re_path(r"^fitness/flags/(?P<flag_id>[^/]+)/decide/?$", DecisionView.as_view()),
    re_path(r"^fitness/stats/(?P<user_id>[^/]+)/?$", StatsView.as_view()),
    re_path(r"^leaderboard/(?P<competition_id>[^/]+)/explain/(?P<user_id>[^/]+)/?$", ExplainView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/activity/?$", ActivityView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/dashboard/?$", DashboardView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/insights/?$", InsightsView.as_view()),
]
