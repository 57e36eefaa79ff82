from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from competitions.models import Competition, Participant, RulesVersion, Seat
from competitions.rules import SeatState, Visibility
from config.core.errors import Forbidden, NotFound


def competitions_visible_to(viewer: User) -> QuerySet[Competition]:
    everything = Competition.objects.all()
    if viewer.has_perm("competitions.view_competition"):
        return everything
    return everything.visible_to(viewer.id)


def access_competition(viewer: User, competition_id: UUID) -> Competition:
    """Raises NotFound, also for what ``viewer`` may not see."""
    found = competitions_visible_to(viewer).filter(id=competition_id).first()
    if found is None:
        raise NotFound("There is no such competition.")
    return found


def access_competition_to_change(viewer: User, competition_id: UUID) -> Competition:
    """For its owner and staff who may change competitions. Raises NotFound, Forbidden."""
    found = access_competition(viewer, competition_id)
    if found.owner_id != viewer.id and not viewer.has_perm("competitions.change_competition"):
        raise Forbidden("Only the owner of the competition may do this.")
    return found


def competition(competition_id: UUID) -> Competition:
    """For callers that are not people. Raises NotFound."""
    found = Competition.objects.filter(id=competition_id).first()
    if found is None:
        raise NotFound("There is no such competition.")
    return found


def competition_with_code(code: str) -> Competition:
    """A published one that the holder of its join code was invited to. Raises NotFound."""
    found = Competition.objects.filter(join_code=code.upper(), published_at__isnull=False).first()
    if found is None:
        raise NotFound("There is no competition with this join code.")
    return found


def public_competition(competition_id: UUID) -> Competition:
    """One whose board anybody may see without logging in. Raises NotFound."""
    shown = Competition.objects.filter(visibility=Visibility.PUBLIC, published_at__isnull=False)
    found = shown.filter(id=competition_id).first()
    if found is None:
        raise NotFound("There is no public board under this address.")
    return found


def viewers_among(competition_id: UUID, user_ids: Collection[UUID]) -> set[UUID]:
    """Who of these people may see the competition now: a handful of statements, however many they are."""
    competition = Competition.objects.filter(id=competition_id).first()
    active = User.objects.filter(id__in=user_ids, is_active=True)
    if competition is None:
        return set()
    if competition.published_at is not None and competition.visibility != Visibility.PRIVATE:
        return set(active.values_list("id", flat=True))
    insiders = _insiders_among(competition, user_ids) if competition.published_at else set()
    insiders.add(competition.owner_id)
    return {person.id for person in active if person.id in insiders or person.has_perm("competitions.view_competition")}


def _insiders_among(competition: Competition, user_ids: Collection[UUID]) -> set[UUID]:
    here = Participant.objects.filter(competition=competition, user_id__in=user_ids, left_at=None)
    paying = Seat.objects.filter(competition=competition, user_id__in=user_ids, state=SeatState.RESERVED)
    return {*here.values_list("user_id", flat=True), *paying.values_list("user_id", flat=True)}


def participants_of(competition_id: UUID) -> QuerySet[Participant]:
    return Participant.objects.filter(competition_id=competition_id, left_at=None).select_related("user")


def participation(competition_id: UUID, user_id: UUID) -> Participant | None:
    return Participant.objects.filter(competition_id=competition_id, user_id=user_id, left_at=None).first()


def is_impartial_organiser(person: User, competition: Competition) -> bool:
    """Whether they are staff who run this competition, which is theirs, and stand nowhere in it; nor ever did, for who
    has left may come back to where they stood."""
    if competition.owner_id != person.id or not person.has_perm("competitions.organise_own"):
        return False
    return not Participant.objects.filter(competition=competition, user_id=person.id).exists()


def participants_among(named: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Who of these takes part; each is a competition and a person, by their ids."""
    here = Participant.objects.filter(
        competition_id__in={competition_id for competition_id, _ in named},
        user_id__in={user_id for _, user_id in named},
        left_at=None,
    )
    return set(here.values_list("competition_id", "user_id")) & set(named)


def fee_due(competition: Competition, user_id: UUID) -> bool:
    """Whether this person has to pay before taking part. Who has paid and left after the start comes back for free."""
    if not competition.entry_fee_minor:
        return False
    return not Seat.objects.filter(competition=competition, user_id=user_id, state=SeatState.TAKEN).exists()


def seat(seat_id: UUID) -> Seat:
    """Raises NotFound."""
    found = Seat.objects.select_related("competition").filter(id=seat_id).first()
    if found is None:
        raise NotFound("There is no such seat.")
    return found


def seat_waiting(competition_id: UUID, user_id: UUID, now: datetime) -> Seat | None:
    """The one that is held for the person while they pay."""
    reserved = Seat.objects.filter(competition_id=competition_id, user_id=user_id, state=SeatState.RESERVED)
    return reserved.filter(expires_at__gt=now).first()


def competitions_inside(user_id: UUID) -> QuerySet[Any]:
    """The ids of those that a person takes part in, or is paying for."""
    here = Participant.objects.filter(user_id=user_id, left_at=None).values("competition_id")
    return here.union(Seat.objects.filter(user_id=user_id, state=SeatState.RESERVED).values("competition_id"))


def seats_held(competition_id: UUID) -> QuerySet[Seat]:
    """Those that are reserved and those that are paid; the state of each says which."""
    return Seat.objects.filter(competition_id=competition_id, state__in=[SeatState.RESERVED, SeatState.TAKEN])


def expired_seats(now: datetime) -> QuerySet[Seat]:
    """Reserved, and not paid in time; the longest overdue first. Of all competitions."""
    return Seat.objects.filter(state=SeatState.RESERVED, expires_at__lte=now).order_by("expires_at", "id")


def held_for(user_ids: Collection[UUID], now: datetime) -> dict[UUID, list[Competition]]:
    """What each of these people, who are locked, takes part in and still accepts activity, by its dates; with its rules
    held still as by `held`. Two statements and the locks, however many they are."""
    with connection.cursor() as cursor:
        cursor.execute(_NOT_CLOSED, [list(user_ids), now])
        joined = cursor.fetchall()
    ids = sorted({competition_id for _, competition_id in joined})
    lock_rules(ids, shared=True)
    accepting = {c.id: c for c in Competition.objects.filter(id__in=ids).accepting(now)} if ids else {}
    theirs: dict[UUID, list[Competition]] = {user_id: [] for user_id in user_ids}
    for user_id, competition_id in joined:
        if found := accepting.get(competition_id):
            theirs[user_id].append(found)
    return theirs


_NOT_CLOSED = """
    SELECT p.user_id, p.competition_id
      FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
     WHERE p.user_id = ANY(%s) AND p.left_at IS NULL AND c.closes_at > %s
     ORDER BY p.competition_id
"""


def held(competitions: QuerySet[Competition]) -> list[Competition]:
    """These competitions, with their rules held still until the transaction ends; `lifecycle` waits for that.

    A shared advisory lock each, in the order of their ids: it keeps out neither people who join nor one another, and
    unlike a row's key-share lock it is fair: whoever wants to change the rules is not overtaken for ever.
    """
    ids = list(competitions.order_by("id").values_list("id", flat=True))
    lock_rules(ids, shared=True)
    return list(competitions.filter(id__in=ids).order_by("id"))


def lock_rules(competition_ids: Sequence[UUID], *, shared: bool) -> None:
    """Inside a transaction; the lock ends with it."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(hashtextextended(id::text, 0)) FROM unnest(%s::uuid[]) AS id",  # noqa: S608 - constants
            [list(competition_ids)],
        )


def rules_versions(competition_id: UUID) -> QuerySet[RulesVersion]:
    """All that were frozen, the first one first; none before the start."""
    return RulesVersion.objects.filter(competition_id=competition_id).order_by("number")


def public_competitions() -> QuerySet[Competition]:
    """Those whose board anybody may see, the latest first."""
    return Competition.objects.filter(visibility=Visibility.PUBLIC, published_at__isnull=False).order_by("-start_at")
