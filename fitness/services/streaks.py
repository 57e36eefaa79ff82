"""Telling people in the evening that today would break what they have kept up."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import islice
from uuid import UUID

from django.db import connection

from accounts.notices import Event
from accounts.services.notifying import notify_people
from config.core.clock import day_in, midnights, zone_named, zone_names
from fitness.insights import DEFAULT_GOAL, streaks_of
from fitness.queries.activity import days_of_people
from fitness.queries.insights import steps_by_day

EVENING_HOUR = 19
WORTH_KEEPING_DAYS = 3
AT_ONCE = 500
"""People, whose days are read from their first on."""

_AT_RISK = """
    SELECT u.id
      FROM accounts_user u
     WHERE coalesce(nullif(u.timezone, ''), 'UTC') = ANY(%(zones)s) AND u.is_active AND u.erased_at IS NULL
       AND NOT EXISTS (SELECT FROM accounts_notification n WHERE n.user_id = u.id AND n.dedupe_key = %(key)s)
       AND (SELECT count(*) FROM fitness_countedday d
             WHERE d.user_id = u.id AND d.competition_id IS NULL AND d.steps >= %(goal)s
               AND d.day BETWEEN %(today)s::date - %(days)s::int AND %(today)s::date - 1) = %(days)s
       AND NOT EXISTS (SELECT FROM fitness_countedday d
                        WHERE d.user_id = u.id AND d.competition_id IS NULL AND d.day = %(today)s
                          AND d.steps >= %(goal)s)
"""


def tell_streaks_at_risk(*, now: datetime) -> int:
    """Where it is early in the evening, those who have reached the goal on each of the last days and not yet today;
    once a day. Says how many were told."""
    evening: dict[date, list[str]] = {}
    for zone in sorted(zone_names()):
        if now.astimezone(zone_named(zone)).hour == EVENING_HOUR:
            evening.setdefault(day_in(zone, now), []).append(zone)
    return sum(_tell(zones, today, now) for today, zones in evening.items())


def _tell(zones: list[str], today: date, now: datetime) -> int:
    with connection.cursor() as cursor:
        kept = {"days": WORTH_KEEPING_DAYS, "goal": DEFAULT_GOAL}
        cursor.execute(_AT_RISK, {"zones": zones, "today": today, "key": _key(today), **kept})
        people = iter([user_id for (user_id,) in cursor.fetchall()])
    told = 0
    while some := list(islice(people, AT_ONCE)):
        told += _tell_some(some, zones, today, now)
    return told


def _tell_some(people: Sequence[UUID], zones: list[str], today: date, now: datetime) -> int:
    told = {}
    for user_id, days in days_of_people(people, last=today).items():
        steps = steps_by_day(days)
        streak = streaks_of(steps, goal=DEFAULT_GOAL, today=today)
        told[user_id] = {"days": streak.current, "steps": steps.get(today, 0), "goal": DEFAULT_GOAL}
    return notify_people(
        event=Event.STREAK_AT_RISK,
        told=told,
        dedupe_key=_key(today),
        expires_at=min(midnights(zone, today, today)[1] for zone in zones),
        now=now,
    )


def _key(today: date) -> str:
    return f"streak_at_risk:{today}"
