"""Pages of the panel that are not a table's. Each view says itself who may open it."""

from django.contrib.admin import site
from django.urls import URLPattern, URLResolver, path

from config.panel import audit, insights, what_if, wizard
from config.panel.messages.preview import preview_view

urlpatterns: list[URLPattern | URLResolver] = [
    path("new-competition/", site.admin_view(wizard.wizard_view), name="new_competition"),
    path("new-competition/<slug:step>/", site.admin_view(wizard.wizard_view), name="new_competition_step"),
    path("what-if/<uuid:competition_id>/", site.admin_view(what_if.what_if_view), name="what_if"),
    path("audit/<slug:app>/<slug:model>/<str:key>/", site.admin_view(audit.audit_view), name="audit"),
    path("messages/", site.admin_view(preview_view), name="message_preview"),
    path("insights/", site.admin_view(insights.overall_view), name="insights"),
    path("insights/<slug:chart>.csv", site.admin_view(insights.overall_csv_view), name="insights_csv"),
    path("insights/<uuid:competition_id>/", site.admin_view(insights.competition_view), name="competition_insights"),
    path(
        "insights/<uuid:competition_id>/<slug:chart>.csv",
        site.admin_view(insights.competition_csv_view),
        name="competition_insights_csv",
    ),
]
