from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, User
from accounts.paths import person_named
from accounts.permissions import PersonOnly, PersonOrKey, caller
from accounts.queries import access_person
from competitions.queries import access_competition
from competitions.rules import Status
from config.core.api import APIView, query_of, success, uuid_of
from config.core.clock import day_in
from config.core.errors import Invalid
from config.core.limits import SYNCS, throttles
from fitness.api.insights import habits_answer, insights_answer
from fitness.api.parsers import LinesParser, SyncParser
from fitness.api.serializers import (
    MOST_DAYS,
    ActivityQuery,
    Batch,
    DashboardAnswer,
    DayAnswer,
    InsightsAnswer,
    InsightsQuery,
    Record,
    Samples,
    StatsAnswer,
    StatsQuery,
    SyncAnswer,
)
from fitness.api.sync import read_sync, sync_answer
from fitness.insights import DEFAULT_GOAL, change_in_per_cent, habits_of
from fitness.queries import activity as queries
from fitness.queries.insights import insights_of, steps_by_day
from fitness.queries.readings import SourceDay, recent_activity
from fitness.rules import FIRST_DAY
from fitness.services.syncing import sync_together
from leaderboards.queries import rank_by_standing, standings_of_person
from leaderboards.units import totals_to_wire

_SYNC_BODY = PolymorphicProxySerializer("SyncBody", [Record, Batch, Samples], resource_type_field_name=None)


class SyncView(APIView):
    permission_classes = [PersonOrKey]
    parser_classes = [SyncParser, LinesParser]
    throttle_classes = throttles(SYNCS, people_only=True)
    key_scope = Scope.ACTIVITY_WRITE

    @extend_schema(request=_SYNC_BODY, responses=SyncAnswer)
    def post(self, request: Request) -> Response:
        """Stores activity: one record of a day, up to 1000, or samples. Each answers for itself."""
        now = timezone.now()
        sender = caller(request) if request.user.is_authenticated else None
        sync = read_sync(sender, request.data, now)
        [result] = sync_together([sync.batch])
        return Response(sync_answer(result, sync))


class StatsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[StatsQuery], responses=StatsAnswer)
    def get(self, request: Request, user_id: str) -> Response:
        """What somebody did, in total and per day; with competition_id only what falls into that competition."""
        person = access_person(caller(request), person_named(request, user_id))
        named = query_of(request, StatsQuery).get("competition_id")
        competition = access_competition(caller(request), uuid_of(named)) if named else None
        days = queries.days_in(person.id, competition)
        return success(
            {
                "user_id": person.id,
                "competition_id": competition.id if competition else None,
                **totals_to_wire(queries.sum_of(day.totals for day in days)),
                "days": [_day_answer(day) for day in days],
            }
        )


class ActivityView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[ActivityQuery], responses=DayAnswer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        """Somebody's last days, or those from one day to another, oldest first; a day without activity is there with
        zeros."""
        person = access_person(caller(request), person_named(request, user_id))
        first, last = _span(query_of(request, ActivityQuery), today=day_in(person.timezone or "UTC", timezone.now()))
        days = queries.every_day(queries.days_of(person.id, first=first, last=last), first=first, last=last)
        return success([_day_answer(day) for day in days])


def _span(query: dict[str, Any], *, today: date) -> tuple[date, date]:
    """The first and the last day that are asked for. Raises Invalid for more than an answer holds."""
    last = query.get("to", today)
    first = query.get("from")
    if first is None:
        first = max(FIRST_DAY, last - timedelta(days=query["days"] - 1))
    if first < FIRST_DAY:
        raise Invalid(details={"from": [f"Days before {FIRST_DAY} are not kept."]})
    if last < first:
        raise Invalid(details={"to": ["The last day comes before the first one."]})
    if (last - first).days >= MOST_DAYS:
        raise Invalid(details={"from": [f"Ask for {MOST_DAYS} days at most."]})
    return first, last


class DashboardView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=DashboardAnswer)
    def get(self, request: Request, user_id: str) -> Response:
        """A person at a glance."""
        person = access_person(caller(request), person_named(request, user_id))
        now = timezone.now()
        return success(dashboard(person, now))


class InsightsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[InsightsQuery], responses=InsightsAnswer)
    def get(self, request: Request, user_id: str) -> Response:
        """What a person's own days say: streaks, the best day, this week against the last, the goal; and in every
        competition that runs, how far the next rank is and where the score will probably end."""
        person = access_person(caller(request), person_named(request, user_id))
        goal = query_of(request, InsightsQuery)["goal"]
        return success(insights_answer(insights_of(person, goal=goal, now=timezone.now())))


def dashboard(person: User, now: datetime) -> dict[str, Any]:
    today = day_in(person.timezone or "UTC", now)
    totals = queries.totals_of(person.id)
    history = queries.days_of(person.id, first=FIRST_DAY, last=today)
    fortnight = [day for day in history if day.day > today - timedelta(days=14)]
    week = [day for day in fortnight if day.day > today - timedelta(days=7)]
    before = queries.sum_of(day.totals for day in fortnight if day.day <= today - timedelta(days=7))
    this_week = queries.sum_of(day.totals for day in week)
    standings = list(standings_of_person(person.id))
    active = [s for s in standings if s.competition.status_at(now) == Status.ACTIVE]
    return {
        "total_steps": totals.steps,
        "total_calories": totals_to_wire(totals)["calories"],
        "total_distance": totals_to_wire(totals)["distance"],
        "active_competitions": len(active),
        "best_rank": min(rank_by_standing([s for s in standings if s.score]).values(), default=None),
        "steps_change": change_in_per_cent(before.steps, this_week.steps),
        "calories_change": change_in_per_cent(before.energy_cal, this_week.energy_cal),
        "weekly_activity": [
            _day_answer(day) for day in queries.every_day(week, first=today - timedelta(days=6), last=today)
        ],
        "recent_activity": [_recent(activity) for activity in recent_activity(person.id, today=today, limit=10)],
        "insights": habits_answer(habits_of(steps_by_day(history), goal=DEFAULT_GOAL, today=today)),
    }


def _day_answer(day: queries.Day) -> dict[str, Any]:
    return {"date": day.day, **totals_to_wire(day.totals)}


def _recent(activity: SourceDay) -> dict[str, Any]:
    return {
        "date": activity.day,
        **totals_to_wire(activity.totals),
        "source": activity.source,
        "synced_at": activity.synced_at,
    }
