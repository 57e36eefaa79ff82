"""What happens below moves boards here; one line each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from django.utils import timezone

from accounts.models import User
from accounts.signals import profile_changed
from competitions.models import Competition
from competitions.signals import (
    competition_completed,
    competition_created,
    competition_deleted,
    participant_left,
    participants_joined,
    rules_changed,
    status_moved,
)
from leaderboards import services, settling, telling
from leaderboards.models import Board


@receiver(competition_created)
def make_board(competition: Competition, **_: Any) -> None:
    Board.objects.create(competition=competition, updated_at=competition.created_at)


@receiver(competition_deleted)
def forget_board(competition_id: UUID, **_: Any) -> None:
    services.forget_board(competition_id=competition_id)


@receiver(participants_joined)
def put_on_board(competition: Competition, user_ids: Sequence[UUID], joined_at: datetime, **_: Any) -> None:
    services.open_standings(competition=competition, user_ids=user_ids, joined_at=joined_at)


@receiver(participant_left)
def take_off_board(competition: Competition, user_id: UUID, left_at: datetime, **_: Any) -> None:
    services.close_standing(competition=competition, user_id=user_id, left_at=left_at)


@receiver(rules_changed)
def score_anew(competition: Competition, changed_at: datetime, **_: Any) -> None:
    services.rescore_competition(competition=competition, now=changed_at)


@receiver(status_moved)
def announce_move(competition: Competition, from_status: str, moved_at: datetime, **_: Any) -> None:
    if from_status:  # nobody takes part in one that was made just now
        telling.announce_move(competition=competition, now=moved_at)


@receiver(competition_completed)
def freeze(competition: Competition, completed_at: datetime, **_: Any) -> None:
    settling.freeze_standings(competition=competition, now=completed_at)


@receiver(profile_changed)
def redraw(user: User, **_: Any) -> None:
    services.redraw_person(user_id=user.id, now=timezone.now())
