from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, User
from accounts.paths import person_named
from accounts.permissions import PersonOnly, PersonOrKey, caller
from accounts.queries import access_person, people_by_id
from competitions.queries import access_competition
from competitions.rules import Status
from config.core.api import APIView, query_of, success, uuid_of
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.errors import Forbidden, Invalid
from config.core.metrics import RECORDS
from fitness import queries
from fitness.api.serializers import (
    ActivityQuery,
    Batch,
    DashboardAnswer,
    DayAnswer,
    Record,
    StatsAnswer,
    StatsQuery,
    SyncAnswer,
)
from fitness.models import Activity
from fitness.rules import Reading, UnbelievableRecord, read_record
from fitness.services import sync_activities
from leaderboards.queries import rank_of, standings_of_person
from leaderboards.scoring import Totals
from leaderboards.units import totals_to_wire

MAX_RECORDS = 1000
_SYNC_BODY = PolymorphicProxySerializer("SyncBody", [Record, Batch], resource_type_field_name=None)


class SyncView(APIView):
    permission_classes = [PersonOrKey]
    key_scope = Scope.ACTIVITY_WRITE

    @extend_schema(request=_SYNC_BODY, responses=SyncAnswer)
    def post(self, request: Request) -> Response:
        """Stores activity: one record, or up to 1000. Each record answers for itself."""
        records, is_batch = _records_of(request.data)
        now = timezone.now()
        readings, rejected = _read_all(records, _Owners(request, records), now)
        RECORDS.labels(outcome="rejected").inc(len(rejected))
        if not readings:
            raise Invalid("No record was acceptable.", details=_details(rejected, is_batch))
        result = sync_activities(readings=readings, now=now)
        RECORDS.labels(outcome="accepted").inc(result.accepted)
        RECORDS.labels(outcome="unchanged").inc(result.unchanged)
        return success(
            {
                "accepted": result.accepted,
                "unchanged": result.unchanged,
                "rejected": rejected,
                "counted_in": result.counted_in,
            },
            message="Activity stored.",
        )


def _records_of(body: Any) -> tuple[Sequence[Any], bool]:
    """The body's records, and whether it was a batch. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid(details={"body": ["Write a JSON object."]})
    if "records" not in body:
        return [body], False
    records = body["records"]
    if not isinstance(records, list) or not records:
        raise Invalid(details={"records": ["Write a list with at least one record."]})
    if len(records) > MAX_RECORDS:
        raise Invalid(details={"records": [f"Send {MAX_RECORDS} records at most at once."]})
    return records, True


class _Owners:
    """Whose each record is. A person's records are their own; a service names the person in each.

    Raises Forbidden when a person names somebody else.
    """

    def __init__(self, request: Request, records: Sequence[Any]) -> None:
        self._self = caller(request) if request.user.is_authenticated else None
        named = [record.get("user_id") for record in records if isinstance(record, dict)]
        if self._self is None:
            self._people = people_by_id({user_id for user_id in map(_uuid, named) if user_id})
        elif any(isinstance(name, str) and not self._is_self(name) for name in named):
            raise Forbidden("You may only sync your own activity.")

    def of(self, record: Any) -> User:
        """Raises UnbelievableRecord when it names nobody."""
        name = record.get("user_id") if isinstance(record, dict) else None
        if self._self is not None and (name is None or self._is_self(name)):
            return self._self
        user_id = _uuid(name)
        if self._self is not None or user_id not in self._people:
            raise UnbelievableRecord({"user_id": ["There is no such person."]})
        return self._people[user_id]

    def _is_self(self, name: Any) -> bool:
        return self._self is not None and (name == "me" or _uuid(name) == self._self.id)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_all(records: Sequence[Any], owners: _Owners, now: datetime) -> tuple[list[Reading], list[dict[str, Any]]]:
    readings, rejected = [], []
    for index, record in enumerate(records):
        try:
            person = owners.of(record)
            today, latest = _today(person, now)
            readings.append(read_record(record, user_id=person.id, today=today, latest_day=latest))
        except UnbelievableRecord as error:
            rejected.append({"index": index, "errors": error.errors})
    return readings, rejected


def _today(person: User, now: datetime) -> tuple[date, date]:
    """Today where the person is, and the last day that has begun there; somebody who has not said where that is may be
    anywhere on Earth."""
    return day_in(person.timezone or "UTC", now), day_in(person.timezone or EARLIEST_ZONE, now)


def _details(rejected: Sequence[dict[str, Any]], is_batch: bool) -> dict[str, list[str]]:
    if not is_batch:
        return dict(rejected[0]["errors"])
    return {f"records[{r['index']}].{field}": texts for r in rejected for field, texts in r["errors"].items()}


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
                **totals_to_wire(queries.sum_of(days)),
                "days": [_day_answer(day) for day in days],
            }
        )


class ActivityView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[ActivityQuery], responses=DayAnswer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        """Somebody's last days, oldest first; a day without activity is there with zeros."""
        person = access_person(caller(request), person_named(request, user_id))
        count = query_of(request, ActivityQuery)["days"]
        today = day_in(person.timezone or "UTC", timezone.now())
        first = today - timedelta(days=count - 1)
        days = queries.every_day(queries.days_of(person.id, first=first, last=today), first=first, last=today)
        return success([_day_answer(day) for day in days])


class DashboardView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=DashboardAnswer)
    def get(self, request: Request, user_id: str) -> Response:
        """A person at a glance."""
        person = access_person(caller(request), person_named(request, user_id))
        now = timezone.now()
        return success(dashboard(person, now))


def dashboard(person: User, now: datetime) -> dict[str, Any]:
    today = day_in(person.timezone or "UTC", now)
    totals = queries.totals_of(person.id)
    fortnight = queries.days_of(person.id, first=today - timedelta(days=13), last=today)
    week = [day for day in fortnight if day.day > today - timedelta(days=7)]
    before = queries.sum_of(day for day in fortnight if day.day <= today - timedelta(days=7))
    this_week = queries.sum_of(week)
    standings = list(standings_of_person(person.id))
    active = [s for s in standings if s.competition.status_at(now) == Status.ACTIVE]
    return {
        "total_steps": totals.steps,
        "total_calories": totals_to_wire(totals)["calories"],
        "total_distance": totals_to_wire(totals)["distance"],
        "active_competitions": len(active),
        "best_rank": min((rank_of(standing) for standing in standings if standing.score), default=None),
        "steps_change": change_in_per_cent(before.steps, this_week.steps),
        "calories_change": change_in_per_cent(before.energy_cal, this_week.energy_cal),
        "weekly_activity": [
            _day_answer(day) for day in queries.every_day(week, first=today - timedelta(days=6), last=today)
        ],
        "recent_activity": [_recent(activity) for activity in queries.latest_activities(person.id, limit=10)],
    }


def change_in_per_cent(before: int, after: int) -> float | None:
    """One decimal; None where there is nothing to compare with."""
    return round((after - before) * 100 / before, 1) if before else None


def _day_answer(day: queries.Day) -> dict[str, Any]:
    return {"date": day.day, **totals_to_wire(day.totals)}


def _recent(activity: Activity) -> dict[str, Any]:
    totals: Totals = activity.totals
    return {
        "date": activity.day,
        **totals_to_wire(totals),
        "source": activity.source,
        "synced_at": activity.synced_at,
    }
