"""How competitions go, for those who run them: counts, never names. What sources may show to their owner only is in no
count of amounts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from competitions.admin.own import ORGANISE, competition_in_panel
from competitions.models import Competition
from competitions.rules import ScoreSource, Status
from competitions.running import lately_running
from config.core.ageing import Aged, Ageing
from config.core.charts import Chart
from config.core.csv import csv_response, written_lines
from config.core.sql import one_moment
from config.panel.home import chart_of, home_charts, with_address
from config.panel.insight_charts import OVERALL_DAYS, charts_of, overall_scope, scope_of, with_addresses
from config.panel.left_out_charts import left_out_charts, metrics_of
from fitness.queries.left_out import is_current, left_out_in, left_out_in_all
from fitness.rules import SampleType
from fitness.services.left_out import request_left_out
from leaderboards.queries import board_versions

LISTED = 50
_of_one = Ageing("insights", seconds=60, moved_seconds=10)
_of_all = Ageing("insights-overall", seconds=300, moved_seconds=300)


@require_safe
def competition_view(request: HttpRequest, competition_id: UUID) -> HttpResponse:
    """For whoever sees the competition in the panel."""
    now = timezone.now()
    competition = _competition(request, competition_id)
    drawn, left_out = _charts(competition, now), _left_out(competition)
    known = left_out_in(competition.id)
    counts = competition.score_source != ScoreSource.REPORTED
    being_worked_out = counts and not is_current(competition.id, now)
    if being_worked_out and competition.status_at(now) not in (Status.DRAFT, Status.UPCOMING, Status.CANCELLED):
        request_left_out(competition=competition)
    page = reverse("admin:competitions_competition_change", args=[competition.id])
    crumbs = [("Competitions", reverse("admin:competitions_competition_changelist")), (competition.name, page)]
    context = {
        "title": "Insights",
        "crumbs": crumbs,
        "competition": competition,
        "charts": drawn.value,
        "read_at": drawn.read_at,
        "left_out": left_out if known.read_at else [],
        "left_out_known": known,
        "being_worked_out": being_worked_out,
        "activity_counts": counts,
    }
    return _page(request, "panel/insights_competition.html", context)


@require_safe
def competition_csv_view(request: HttpRequest, competition_id: UUID, chart: str) -> HttpResponseBase:
    competition = _competition(request, competition_id)
    return _csv(request, [*_charts(competition, timezone.now()).value, *_left_out(competition)], chart)


@require_safe
def overall_view(request: HttpRequest) -> HttpResponse:
    """For whoever sees competitions in the panel: over all that they see and that ran lately."""
    now = timezone.now()
    seen = _seen(request)
    drawn = _overall_charts(request, now)
    listed = lately_running(seen, since=now - timedelta(days=OVERALL_DAYS), now=now).order_by("-start_at", "id")
    ids = list(listed.values_list("id", flat=True))
    left_out, known, oldest = left_out_in_all(ids)
    context = {
        "title": "Insights",
        "charts": drawn.value,
        "read_at": drawn.read_at,
        "days": OVERALL_DAYS,
        "competitions": listed[:LISTED],
        "unlisted": max(0, len(ids) - LISTED),
        "count": len(ids),
        "left_out": _overall_left_out(left_out_charts(left_out, list(SampleType))) if known else [],
        "known": known,
        "oldest": oldest,
    }
    return _page(request, "panel/insights_overall.html", context)


@require_safe
def overall_csv_view(request: HttpRequest, chart: str) -> HttpResponseBase:
    """Also of the first page's charts."""
    now = timezone.now()
    seen = _seen(request)
    at_home = home_charts(request, now)
    charts = [*(at_home.value if at_home else []), *_overall_charts(request, now).value]
    ids = lately_running(seen, since=now - timedelta(days=OVERALL_DAYS), now=now).values_list("id", flat=True)
    left_out, _, _ = left_out_in_all(list(ids))
    return _csv(request, [*charts, *left_out_charts(left_out, list(SampleType))], chart)


def _competition(request: HttpRequest, competition_id: UUID) -> Competition:
    found = competition_in_panel(request, competition_id)
    if found is None:
        raise Http404
    return found


def _seen(request: HttpRequest) -> Any:
    """Raises PermissionDenied for whoever sees none, whatever there is."""
    if request.user.has_perm("competitions.view_competition"):
        return Competition.objects.all()
    if request.user.has_perm(ORGANISE):
        return Competition.objects.filter(owner=request.user.pk)
    raise PermissionDenied


def _charts(competition: Competition, now: datetime) -> Aged:
    version = board_versions([competition.id]).get(competition.id, 0)

    def draw() -> list[dict[str, Any]]:
        with one_moment():
            return [asdict(chart) for chart in charts_of(scope_of(competition, now))]

    mark = f"{version}:{competition.updated_at.timestamp()}"  # the rules decide too what is shown
    found = _of_one.get(competition.id, draw, now=now, mark=mark)
    charts = with_addresses(map(chart_of, found.value), lambda key: _address(competition, key))
    return Aged(charts, found.read_at)


def _left_out(competition: Competition) -> list[Chart]:
    if competition.score_source == ScoreSource.REPORTED:
        return []
    charts = left_out_charts(left_out_in(competition.id).left_out, metrics_of(competition))
    return with_addresses(charts, lambda key: _address(competition, key))


def _address(competition: Competition, key: str) -> str:
    return reverse("admin:competition_insights_csv", args=[competition.id, key])


def _overall_charts(request: HttpRequest, now: datetime) -> Aged:
    sees_all = request.user.has_perm("competitions.view_competition")
    seen = _seen(request)

    def draw() -> list[dict[str, Any]]:
        lately = lately_running(seen, since=now - timedelta(days=OVERALL_DAYS), now=now)
        with one_moment():
            return [asdict(chart) for chart in charts_of(overall_scope(list(lately.values_list("id", flat=True)), now))]

    found = _of_all.get("all" if sees_all else request.user.pk, draw, now=now)
    return Aged([with_address(chart_of(stored)) for stored in found.value], found.read_at)


def _overall_left_out(charts: Any) -> list[Chart]:
    return [with_address(chart) for chart in charts]


def _csv(request: HttpRequest, charts: Sequence[Chart], key: str) -> HttpResponseBase:
    chart = next((chart for chart in charts if chart.key == key), None)
    if chart is None:
        raise Http404
    return csv_response(request, name=f"{chart.key}.csv", heads=chart.heads, pieces=iter([written_lines(chart.rows)]))


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**site.each_context(request), **context})
