"""What leaderboards knows of a person, for their export."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from config.core.exports import Table
from leaderboards.models import Correction, Standing
from leaderboards.queries import rank_by_standing, standings_of_person
from leaderboards.units import totals_to_wire


def tables_of(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "competitions/standings",
        "Where you stand, or stood in the end; without a rank where you left or were taken off the board.",
        [
            "competition_id",
            "score",
            "rank",
            "steps",
            "distance_m",
            "calories_kcal",
            "active_minutes",
            "correction_points",
            "disqualified_because",
            "joined_at",
            "last_synced_at",
        ],
        _standings(user_id),
    )
    yield Table(
        "competitions/corrections",
        "Points that staff gave you or took.",
        ["competition_id", "points", "reason", "made_at"],
        Correction.objects.filter(user_id=user_id)
        .order_by("made_at", "id")
        .values_list("competition_id", "points", "reason", "made_at"),
    )


def _standings(user_id: UUID) -> Iterator[list[Any]]:
    ranks = rank_by_standing(list(standings_of_person(user_id)))
    for standing in Standing.objects.filter(user_id=user_id).order_by("joined_at", "id"):
        yield [
            standing.competition_id,
            standing.score,
            ranks.get(standing.pk),
            *totals_to_wire(standing.totals).values(),
            standing.adjustment_points,
            standing.disqualified_reason,
            standing.joined_at,
            standing.last_synced_at,
        ]
