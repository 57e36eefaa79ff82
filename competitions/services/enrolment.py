"""Joining and leaving. Who has to pay first joins by way of `seats`."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.notices import Event
from accounts.services.notifying import notify_people
from accounts.services.people import lock_people
from competitions.models import Competition, Participant, Seat
from competitions.queries import fee_due
from competitions.rules import SeatState, Status, Visibility
from competitions.services.places import give_back_taken, lock_places, release_reserved
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


class EntryFeeChanged(Conflict):
    message = "What it costs to take part has just changed; look at the competition and join again."


FREE, PAID = Q(entry_fee_minor=0), Q(entry_fee_minor__gt=0)


@transaction.atomic
def join_competition(*, competition: Competition, user_id: UUID, join_code: str | None, now: datetime) -> Participant:
    """Takes a place that costs nothing, or nothing any more. A private competition asks for its code; without it, it
    does not exist.

    Raises NotFound, AlreadyJoined, CompetitionFull, CompetitionOver, CompetitionNotOpen, EntryFeeChanged.
    """
    lock_people([user_id])
    competition = lock_places(competition.id)  # what was done before counts by the rules as they are now
    refuse_unless_admitted(competition, user_id, join_code, now)
    has_paid = bool(competition.entry_fee_minor) and not fee_due(competition, user_id)
    take_places(competition.id, 1, only_if=Q() if has_paid else FREE)
    return start_participation(competition, user_id, now)


def refuse_unless_admitted(
    competition: Competition, user_id: UUID, join_code: str | None, now: datetime, *, known_inside: bool = False
) -> None:
    """Who may come in, whatever it costs. ``known_inside``: has shown the code before. Raises NotFound, AlreadyJoined,
    CompetitionOver, CompetitionNotOpen."""
    if Participant.objects.filter(competition=competition, user_id=user_id, left_at=None).exists():
        raise AlreadyJoined
    insider = known_inside or competition.owner_id == user_id
    if not insider and _hidden_from_outsiders(competition, join_code):
        raise NotFound("There is no such competition.")
    _refuse_unless_joinable(competition.status_at(now))


def start_participation(competition: Competition, user_id: UUID, now: datetime) -> Participant:
    """Puts somebody who has a place among the participants, or back among them."""
    participant, _ = Participant.objects.update_or_create(
        competition=competition, user_id=user_id, defaults={"joined_at": now, "left_at": None}
    )
    participants_joined.send(Competition, competition=competition, user_ids=[user_id], joined_at=now)
    _welcome(competition, [user_id], now)
    return participant


def _welcome(competition: Competition, user_ids: Collection[UUID], now: datetime) -> None:
    """Who comes back is welcomed once more."""
    said = {
        "competition": competition.name,
        "starts_at": competition.start_at.isoformat(),
        "starts_on": competition.starts_on.isoformat(),
        "zone": competition.timezone,
    }
    notify_people(
        event=Event.JOINED,
        told=dict.fromkeys(user_ids, said),
        dedupe_key=f"joined:{competition.id}:{now.isoformat()}",
        competition_id=competition.id,
        now=now,
    )


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


def take_places(competition_id: UUID, places: int, *, only_if: Q, counted_in: str = "participant_count") -> None:
    """One statement decides: two who want the last place wait for each other on the competition's row. Places that are
    held for people who pay are not free. ``counted_in``: ``participant_count`` or ``reserved_count``.

    Raises CompetitionNotOpen when it is cancelled, EntryFeeChanged unless ``only_if`` holds, CompetitionFull.
    """
    occupied = F("participant_count") + F("reserved_count")
    room = Q(max_participants=None) | Q(max_participants__gte=occupied + places)
    competition = Competition.objects.filter(id=competition_id)
    if competition.filter(room & only_if, cancelled_at=None).update(**{counted_in: F(counted_in) + places}):
        return
    if competition.filter(cancelled_at__isnull=False).exists():
        raise CompetitionNotOpen
    if not competition.filter(only_if).exists():
        raise EntryFeeChanged
    raise CompetitionFull


@transaction.atomic
def leave_competition(*, competition: Competition, user_id: UUID, now: datetime) -> None:
    """Frees the place and takes the person off the board; before the start a paid fee goes back, later it stays. Who
    is only paying gives up the reserved seat. Raises NotParticipating, CompetitionOver."""
    lock_people([user_id])
    competition = lock_places(competition.id)
    if competition.status_at(now) in (Status.ENDED, Status.COMPLETED, Status.CANCELLED):
        raise CompetitionOver
    seats = Seat.objects.filter(competition=competition, user_id=user_id)
    seats.filter(state=SeatState.RESERVED).update(given_up_at=now)
    stopped_paying = release_reserved(competition, seats, now=now) > 0
    participant = Participant.objects.filter(competition=competition, user_id=user_id, left_at=None).first()
    if participant is not None:
        _end_participation(competition, participant, now)
    elif not stopped_paying:
        raise NotParticipating
    if now < competition.start_at:
        give_back_taken(seats, reason="Left before the start.", now=now)


def _end_participation(competition: Competition, participant: Participant, now: datetime) -> None:
    participant.left_at = now
    participant.save(update_fields=["left_at"])
    Competition.objects.filter(id=competition.id).update(participant_count=F("participant_count") - 1)
    participant_left.send(Competition, competition=competition, user_id=participant.user_id, left_at=now)


@transaction.atomic
def enrol_people(*, competition: Competition, user_ids: Collection[UUID], now: datetime) -> int:
    """Enrols many at once, as an operator does for imported people, also after the end while data is still
    accepted. Those who take part already stay as they are. Nobody pays an entry fee this way, so nobody gets one back
    either: what imported people owe is between them and the operator. Says how many are new."""
    lock_people(user_ids)
    competition = lock_places(competition.id)
    if competition.status_at(now) in (Status.COMPLETED, Status.DRAFT, Status.CANCELLED):
        raise CompetitionNotOpen("The competition accepts no activity any more, or not yet.")
    present = set(Participant.objects.filter(competition=competition).values_list("user_id", flat=True))
    missing = [user_id for user_id in user_ids if user_id not in present]
    if not missing:
        return 0
    take_places(competition.id, len(missing), only_if=Q())
    Participant.objects.bulk_create(
        [Participant(competition=competition, user_id=user_id, joined_at=now) for user_id in missing]
    )
    participants_joined.send(Competition, competition=competition, user_ids=missing, joined_at=now)
    _welcome(competition, missing, now)
    return len(missing)
