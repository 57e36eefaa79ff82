"""Crowds to measure with, written as PostgreSQL writes fastest: a million people are a handful of statements.

The rows are those that joining and syncing would have left: everybody's score is what they walked yesterday.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Kind, span_of
from competitions.services.lifecycle import create_competition

MOST_STEPS = 10_000
"""Of yesterday. Whoever syncs more than this today goes past everybody who has not."""

# In the order of their ids, in which every index on people grows at its end.
_CROWD = """
    CREATE TEMPORARY TABLE crowd ON COMMIT DROP AS
    SELECT id, row_number() OVER (ORDER BY id) AS n
      FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, %(people)s)) made
"""
_PEOPLE = """
    INSERT INTO accounts_user (id, identity_provider, password, email, name, bio, avatar, country, timezone,
                               is_superuser, is_active, is_staff, joined_at, updated_at)
    SELECT id, 'local', '!', NULL, 'Walker ' || lpad(n::text, 7, '0'), '', '', '', '',
           false, true, false, %(now)s, %(now)s
      FROM crowd ORDER BY n
"""
_ACTIVITY = """
    INSERT INTO fitness_activity (user_id, day, source, steps, distance_mm, energy_cal, active_seconds,
                                  created_at, synced_at)
    SELECT id, %(yesterday)s, 'health_connect', 1 + (n * 7919) %% %(most)s, 0, 0, 0, %(then)s, %(then)s
      FROM crowd ORDER BY n
"""
_COUNTED = """
    INSERT INTO fitness_countedday (competition_id, user_id, day, steps, distance_mm, energy_cal, active_seconds)
    SELECT %(competition)s, a.user_id, a.day, a.steps, 0, 0, 0
      FROM fitness_activity a JOIN crowd ON crowd.id = a.user_id ORDER BY n
"""
_PARTICIPANTS = """
    INSERT INTO competitions_participant (competition_id, user_id, joined_at)
    SELECT %(competition)s, id, %(then)s FROM crowd ORDER BY n
"""
_STANDINGS = """
    INSERT INTO leaderboards_standing (
           competition_id, user_id, synced_steps, synced_distance_mm, synced_energy_cal, synced_active_seconds,
           reported_steps, reported_distance_mm, reported_energy_cal, reported_active_seconds,
           steps, distance_mm, energy_cal, active_seconds, score, reached_at, joined_at, adjustment_points,
           disqualified_reason, on_board, version, last_synced_at, updated_at)
    SELECT %(competition)s, a.user_id, a.steps, 0, 0, 0, 0, 0, 0, 0, a.steps, 0, 0, 0, a.steps,
           %(then)s, %(then)s, 0, '', true, 1, %(then)s, %(then)s
      FROM fitness_activity a JOIN crowd ON crowd.id = a.user_id ORDER BY n
"""


@dataclass(frozen=True)
class Crowd:
    """People who all take part in each of these competitions; of a large crowd only some, evenly spread, are known."""

    competitions: Sequence[UUID]
    people: Sequence[UUID]


def seed_crowd(*, people: int, competitions: int = 1, known: int | None = None) -> Crowd:
    """``known``: how many of the people to name; all of them for None."""
    with transaction.atomic():
        crowd = _insert(people, competitions, people // (known or people))
    with connection.cursor() as cursor:  # as autovacuum would within minutes
        cursor.execute(
            "VACUUM ANALYZE accounts_user, fitness_activity, fitness_countedday, competitions_participant,"
            " leaderboards_standing"
        )
    return crowd


def _insert(people: int, competitions: int, every: int) -> Crowd:
    now = datetime.now(UTC)
    then = now - timedelta(days=1)
    common: dict[str, Any] = {"now": now, "then": then, "yesterday": then.date(), "people": people, "most": MOST_STEPS}
    with connection.cursor() as cursor:
        # The rows refer to each other by construction; to look each of four million keys up would take a minute.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_CROWD, common)
        cursor.execute(_PEOPLE, common)
        cursor.execute("SELECT id FROM crowd WHERE n %% %s = 0 ORDER BY n", [every])
        ids = [row[0] for row in cursor.fetchall()]
        owner = User.objects.get(id=ids[0])
        cursor.execute(_ACTIVITY, common)
        cursor.execute(_COUNTED, common | {"competition": None})
        boards = [_competition(owner, now) for _ in range(competitions)]
        for board in boards:
            cursor.execute(_PARTICIPANTS, common | {"competition": board.id})
            cursor.execute(_COUNTED, common | {"competition": board.id})
            cursor.execute(_STANDINGS, common | {"competition": board.id})
            cursor.execute("UPDATE leaderboards_board SET version = 1 WHERE competition_id = %s", [board.id])
        Competition.objects.filter(id__in=[board.id for board in boards]).update(participant_count=people)
    return Crowd([board.id for board in boards], ids)


def _competition(owner: User, now: datetime) -> Competition:
    span = span_of(now.date() - timedelta(days=1_000), now.date() + timedelta(days=30), "UTC", Kind.CUSTOM)
    return create_competition(owner=owner, fields={"name": "Bench"}, span=span, published=True, now=now)


def tokens_for(people: Sequence[UUID]) -> list[str]:
    """An access token of this server's own for each."""
    return [str(AccessToken.for_user(User(id=person))) for person in people]
