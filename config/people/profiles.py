"""Profiles: a person out of accounts, totals out of fitness, victories out of leaderboards, prizes out of prizes."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from accounts.models import User
from accounts.pictures.names import LARGE, picture_url
from accounts.signals import person_erased
from config.core.cache import ForgettableCached
from fitness.queries.activity import totals_of
from fitness.queries.readings import totals_shown_of
from fitness.signals import activity_stored
from leaderboards.queries import competitions_won
from leaderboards.scoring import Totals
from leaderboards.units import totals_to_wire
from prizes.queries import prizes_won
from prizes.signals import prizes_settled

_statistics = ForgettableCached("statistics", ttl_seconds=60)


def profile_of(user: User, *, private: bool) -> dict[str, Any]:
    own = {"email": user.email, "email_verified": user.has_verified_email, "language": user.language}
    return {
        "id": user.id,
        **(own if private else {}),
        "name": user.name,
        "avatar": picture_url(user.id, user.avatar, LARGE),
        "bio": user.bio,
        "country": user.country,
        "timezone": user.timezone or "UTC",
        **_statistics.get(user.id, lambda: statistics_of(user.id))["own" if private else "shown"],
        "joined_at": user.joined_at,
        "updated_at": user.updated_at,
    }


def statistics_of(user_id: UUID) -> dict[str, dict[str, Any]]:
    """As the person sees them, and as others do: some sources may be shown to their owner only."""
    common = {"competitions_won": competitions_won(user_id, timezone.now()), "total_prizes": prizes_won(user_id)}
    return {"own": _sums(totals_of(user_id)) | common, "shown": _sums(totals_shown_of(user_id)) | common}


def _sums(totals: Totals) -> dict[str, Any]:
    wire = totals_to_wire(totals)
    return {"total_steps": wire["steps"], "total_calories": wire["calories"], "total_distance": wire["distance"]}


@receiver([activity_stored, prizes_settled])
def forget_statistics(user_ids: Any, **_: Any) -> None:
    transaction.on_commit(lambda: _statistics.forget(user_ids))


@receiver(person_erased)
def forget_statistics_of_one(user_id: UUID, **_: Any) -> None:
    transaction.on_commit(lambda: _statistics.forget([user_id]))
