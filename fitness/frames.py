"""What goes over a person's own socket. Pure, but for the pictures' types. `docs/clients` says what it means."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from config.core.json import dump_json
from fitness.insights import DEFAULT_GOAL
from fitness.queries.pictures import Picture
from leaderboards.scoring import Totals
from leaderboards.units import totals_to_wire


def says_nothing_new(before: Picture, now: Picture) -> bool:
    """The span of days moves on by itself, which is no news."""
    moved = before.totals != now.totals or before.streaks != now.streaks
    return not (moved or any(_changed_days(before, now)) or any(_changed_places(before, now)))


def update_frame(user_id: UUID, before: Picture | None, now: Picture) -> str:
    """What changed since ``before``; with None everything there is."""
    data = {
        "userId": user_id,
        "timestamp": now.read_at,
        "snapshot": before is None,
        "totals": _sums(now.totals),
        "days": list(_changed_days(before, now)),
        "competitions": list(_changed_places(before, now)),
        "streak": {"goal": DEFAULT_GOAL, "current": now.streaks.current, "longest": now.streaks.longest},
    }
    return dump_json({"type": "fitness_update", "data": data}).decode()


def _changed_days(before: Picture | None, now: Picture) -> Iterator[dict[str, Any]]:
    """Oldest first; a day whose activity was all deleted has zeros."""
    known = before.days if before is not None else {}
    for day in sorted(day for day in known.keys() | now.days.keys() if day >= now.first_day):
        totals = now.days.get(day, Totals())
        if totals != known.get(day, Totals()):
            yield {"date": day, **_sums(totals)}


def _changed_places(before: Picture | None, now: Picture) -> Iterator[dict[str, Any]]:
    for competition_id, place in now.places.items():
        known = before.places.get(competition_id) if before is not None else None
        if place != known:
            yield {
                "competitionId": competition_id,
                "score": place.score,
                "rank": place.rank,
                "previousScore": known.score if known else None,
                "previousRank": known.rank if known else None,
            }


def _sums(totals: Totals) -> dict[str, int | float]:
    wire = totals_to_wire(totals)
    wire["activeMinutes"] = wire.pop("active_minutes")
    return wire
