"""Joining and leaving."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.services import lock_people
from competitions.models import Competition, Participant
from competitions.rules import Status, Visibility
from competitions.signals import participant_left, participants_joined
from config.core.errors import Conflict, NotFound


class AlreadyJoined(Conflict):
    message = "You take part in this competition already."


class CompetitionFull(Conflict):
    message = "All places are taken."


class CompetitionOver(Conflict):
    message = "The competition is over."


class CompetitionNotOpen(Conflict):
    message = "The competition is not open for joining."


class NotParticipating(Conflict):
    message = "You do not take part in this competition."


@transaction.atomic
def join_competition(*, competition: Competition, user_id: UUID, join_code: str | None, now: datetime) -> Participant:
    """Takes a seat. A private competition asks for its code; without it, it does not exist.

    Raises NotFound, AlreadyJoined, CompetitionFull, CompetitionOver, CompetitionNotOpen.
    """
    lock_people([user_id])
    if Participant.objects.filter(competition=competition, user_id=user_id, left_at=None).exists():
        raise AlreadyJoined
    if competition.owner_id != user_id and _hidden_from_outsiders(competition, join_code):
        raise NotFound("There is no such competition.")
    _refuse_unless_joinable(competition.status_at(now))
    _take_seats(competition.id, 1, now)
    participant, _ = Participant.objects.update_or_create(
        competition=competition, user_id=user_id, defaults={"joined_at": now, "left_at": None}
    )
    participants_joined.send(Competition, competition=competition, user_ids=[user_id], joined_at=now)
    return participant


def _hidden_from_outsiders(competition: Competition, join_code: str | None) -> bool:
    if competition.published_at is None:
        return True
    knows_code = join_code is not None and join_code.upper() == competition.join_code
    return competition.visibility == Visibility.PRIVATE and not knows_code


def _refuse_unless_joinable(status: Status) -> None:
    if status in (Status.ENDED, Status.COMPLETED):
        raise CompetitionOver
    if status in (Status.DRAFT, Status.CANCELLED):
        raise CompetitionNotOpen


def _take_seats(competition_id: UUID, seats: int, now: datetime) -> None:
    """One statement decides: two who want the last seat wait for each other on the competition's row."""
    room = Q(max_participants=None) | Q(max_participants__gte=F("participant_count") + seats)
    still_here = Q(id=competition_id, cancelled_at=None)
    taken = Competition.objects.filter(still_here & room).update(participant_count=F("participant_count") + seats)
    if taken:
        return
    if Competition.objects.filter(id=competition_id, cancelled_at__isnull=False).exists():
        raise CompetitionNotOpen
    raise CompetitionFull


@transaction.atomic
def leave_competition(*, competition: Competition, user_id: UUID, now: datetime) -> None:
    """Frees the seat and takes the person off the board. Raises NotParticipating, CompetitionOver."""
    if competition.status_at(now) in (Status.ENDED, Status.COMPLETED, Status.CANCELLED):
        raise CompetitionOver
    lock_people([user_id])
    participant = Participant.objects.filter(competition=competition, user_id=user_id, left_at=None).first()
    if participant is None:
        raise NotParticipating
    participant.left_at = now
    participant.save(update_fields=["left_at"])
    Competition.objects.filter(id=competition.id).update(participant_count=F("participant_count") - 1)
    participant_left.send(Competition, competition=competition, user_id=user_id, left_at=now)


@transaction.atomic
def enrol_people(*, competition: Competition, user_ids: Collection[UUID], now: datetime) -> int:
    """Enrols many at once, as an operator does for imported people, also after the end while data is still
    accepted. Those who take part already stay as they are. Says how many are new."""
    if competition.status_at(now) in (Status.COMPLETED, Status.DRAFT, Status.CANCELLED):
        raise CompetitionNotOpen("The competition accepts no activity any more, or not yet.")
    lock_people(user_ids)
    present = set(Participant.objects.filter(competition=competition).values_list("user_id", flat=True))
    missing = [user_id for user_id in user_ids if user_id not in present]
    if not missing:
        return 0
    _take_seats(competition.id, len(missing), now)
    Participant.objects.bulk_create(
        [Participant(competition=competition, user_id=user_id, joined_at=now) for user_id in missing]
    )
    participants_joined.send(Competition, competition=competition, user_ids=missing, joined_at=now)
    return len(missing)
