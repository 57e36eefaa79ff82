"""Making, changing and ending competitions, and moving their status along."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import ProtectedError, Q

from accounts.models import User
from competitions import rules
from competitions.models import Competition, Seat, StatusMove
from competitions.policy import DayBoundary, policy_of
from competitions.queries import lock_rules
from competitions.services.places import give_back_taken, release_reserved
from competitions.services.rulebook import amend_rules, freeze_rules, refuse_new_rules
from competitions.signals import (
    competition_completed,
    competition_created,
    competition_deleted,
    rules_changed,
    status_moved,
)
from config.core.errors import Conflict, Invalid, NotFound

log = structlog.get_logger(__name__)

_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else

RULE_FIELDS = frozenset(
    {"start_at", "end_at", "timezone", "kind", "grace_hours", "metric", "weights", "score_source", "tie_rule"}
    | {"currency", "entry_fee_minor", "prize_pool_minor"}
)
"""What people joined under; fixed from the start on."""

_STARTED = (rules.Status.ACTIVE, rules.Status.ENDED, rules.Status.COMPLETED)

Merge = Callable[[Competition], tuple[Mapping[str, Any], rules.Span | None]]
"""Columns to change, and the span when a date, the zone or the type is to change."""


class RulesFixed(Conflict):
    message = "The competition has started, so its rules stay as they are."


class FeeFixed(Conflict):
    message = "Somebody takes part or is paying already, so the entry fee and the currency stay as they are."


class CannotDelete(Conflict):
    message = (
        "Only a competition that has not started, has no participants and never reserved a paid seat can be deleted; "
        "cancel it instead."
    )


class AlreadyEnded(Conflict):
    message = "The competition has ended."


def lock_competition(competition_id: UUID) -> Competition:
    """The competition, its rules held by this transaction alone: nobody syncs into it meanwhile. Raises NotFound."""
    lock_rules([competition_id], shared=False)
    competition = Competition.objects.select_for_update(no_key=True).filter(id=competition_id).first()
    if competition is None:
        raise NotFound("There is no such competition.")
    return competition


@transaction.atomic
def create_competition(
    *, owner: User, fields: Mapping[str, Any], span: rules.Span, published: bool, now: datetime
) -> Competition:
    """``fields``: columns of Competition, already checked. Its status is right at once, whatever its dates. Raises
    Invalid where its days are divided by other midnights than its own, and it starts or ends within one."""
    competition = Competition(
        owner=owner, join_code=_new_code(), created_at=now, published_at=now if published else None, **fields
    )
    _set_span(competition, span)
    _refuse_days_of_others(competition)
    competition.status = competition.status_at(now).value
    competition.save(force_insert=True)
    if competition.status in _STARTED:
        freeze_rules(competition=competition, now=now)
    _record_move(competition, "", owner, now)
    competition_created.send(Competition, competition=competition)
    if competition.status == rules.Status.COMPLETED:  # about the past, and without a grace
        competition_completed.send(Competition, competition=competition, completed_at=now)
    return competition


def _refuse_days_of_others(competition: Competition) -> None:
    """Other people's midnights only divide whole days: the first and the last of a competition that starts or ends
    within one would be other days for each."""
    divided_by = competition.policy.day_boundary
    whole_days = rules.runs_over_whole_days(competition.start_at, competition.end_at, competition.timezone)
    if divided_by is not DayBoundary.COMPETITION and not whole_days:
        says = "Only a competition of whole days can go by other midnights than its own; write days as its dates."
        raise Invalid(details={"rules.day_boundary": [says]})


def _new_code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(10))


def _span_of(competition: Competition) -> rules.Span:
    return rules.Span(competition.start_at, competition.end_at, competition.starts_on, competition.last_on)


def _set_span(competition: Competition, span: rules.Span) -> None:
    competition.start_at, competition.end_at = span.start_at, span.end_at
    competition.starts_on, competition.last_on = span.starts_on, span.last_on
    _set_grace(competition)


def _set_grace(competition: Competition) -> None:
    since = competition.published_at or competition.created_at
    grace = timedelta(hours=competition.grace_hours)
    competition.closes_at = rules.closes_at(competition.end_at, since, grace)


@transaction.atomic
def change_competition(*, competition_id: UUID, merge: Merge, by: User, reason: str = "", now: datetime) -> Competition:
    """``merge`` is asked what to change once the competition is locked, so that of two who change different things at
    once both get their way. After the start another policy is a new version of the rules, for ``reason``; everything
    else that people joined under is fixed. Raises RulesFixed, what `rulebook.refuse_new_rules` raises, FeeFixed for
    another fee or currency once somebody takes part or holds a seat, Invalid for fewer places than are taken or held.
    """
    competition = lock_competition(competition_id)
    _follow_the_clock(competition, None, now)  # what has started freezes its rules before they change
    fields, span = merge(competition)
    changes = {name: value for name, value in fields.items() if getattr(competition, name) != value}
    new_rules = bool(RULE_FIELDS & changes.keys()) or (span is not None and span != _span_of(competition))
    new_policy = "stored_policy" in changes
    started = _is_past_its_start(competition, now)
    if new_rules and started:
        raise RulesFixed
    if new_policy and started:
        refuse_new_rules(competition, policy_of(changes["stored_policy"]), by, reason, now)
    _refuse_what_is_taken(competition, changes)
    for name, value in changes.items():
        setattr(competition, name, value)
    if span is not None:
        _set_span(competition, span)
    _set_grace(competition)
    _refuse_days_of_others(competition)
    competition.save()
    if new_policy and started:
        amend_rules(competition=competition, by=by, reason=reason, now=now)
    _follow_the_clock(competition, by, now)
    if new_rules or new_policy:
        rules_changed.send(Competition, competition=competition, changed_at=now)
    return competition


def _is_past_its_start(competition: Competition, now: datetime) -> bool:
    """Frozen rules say so too to whoever read the clock before the start and then waited for the lock."""
    before_it = (rules.Status.DRAFT, rules.Status.UPCOMING)
    return competition.rules_version > 0 or competition.status_at(now) not in before_it


def _refuse_what_is_taken(competition: Competition, changes: Mapping[str, Any]) -> None:
    """Raises FeeFixed, Invalid."""
    occupied = competition.participant_count + competition.reserved_count
    if occupied and changes.keys() & {"entry_fee_minor", "currency"}:
        raise FeeFixed
    if competition.funded_minor and "currency" in changes:
        raise FeeFixed("Money for the pool has arrived already, so the currency stays as it is.")
    places = changes.get("max_participants")
    if places is not None and places < occupied:
        raise Invalid(details={"max_participants": ["More people than that take part or are paying already."]})


@transaction.atomic
def publish_competition(*, competition_id: UUID, by: User, now: datetime) -> Competition:
    """Ends the draft. A second time changes nothing."""
    competition = lock_competition(competition_id)
    if competition.published_at is None:
        competition.published_at = now
        _set_grace(competition)
        competition.save(update_fields=["published_at", "closes_at", "updated_at"])
        _follow_the_clock(competition, by, now)
    return competition


@transaction.atomic
def cancel_competition(*, competition_id: UUID, by: User, now: datetime) -> Competition:
    """Nothing counts any more, and everybody who paid gets the fee back. A second time changes nothing. Raises
    AlreadyEnded."""
    competition = lock_competition(competition_id)
    status = competition.status_at(now)
    if status in (rules.Status.ENDED, rules.Status.COMPLETED) or competition.status == rules.Status.COMPLETED:
        raise AlreadyEnded
    if status != rules.Status.CANCELLED:
        competition.cancelled_at = now
        competition.save(update_fields=["cancelled_at", "updated_at"])
        release_reserved(competition, competition.seats.all(), now=now)
        give_back_taken(competition.seats.all(), reason="The competition was cancelled.", now=now)
        _follow_the_clock(competition, by, now)
    return competition


@transaction.atomic
def delete_competition(*, competition_id: UUID, now: datetime) -> None:
    """Raises CannotDelete after the start, with participants, and when a seat was ever reserved: even an unpaid one
    may still be paid, and then the money needs something to hang on. So does what was ever decided about money."""
    competition = lock_competition(competition_id)
    untouched = competition.status_at(now) in (rules.Status.DRAFT, rules.Status.UPCOMING)
    if not untouched or competition.participant_count or Seat.objects.filter(competition=competition).exists():
        raise CannotDelete
    try:
        competition.delete()
    except ProtectedError:
        raise CannotDelete from None
    competition_deleted.send(Competition, competition_id=competition_id)


@transaction.atomic
def move_status(*, competition_id: UUID, now: datetime) -> Competition:
    """The competition, locked as by `lock_competition`, with its stored status where the dates say. Raises NotFound."""
    competition = lock_competition(competition_id)
    _follow_the_clock(competition, None, now)
    return competition


def move_statuses(*, now: datetime) -> int:
    """Brings every stored status to where the dates say it is. Says how many moved. Safe to run at any time, from
    several processes at once. One that cannot be moved is logged and tried again by the next run."""
    due = (
        Q(status="upcoming", start_at__lte=now)
        | Q(status="active", end_at__lte=now)
        | Q(status="ended", closes_at__lte=now)
    )
    moved = 0
    for competition_id in Competition.objects.filter(due).values_list("id", flat=True):
        try:
            with transaction.atomic():
                moved += _follow_the_clock(lock_competition(competition_id), None, now)
        except NotFound:
            continue  # deleted meanwhile
        except Exception:  # whatever listens to a completion may fail, and the other competitions must go on
            log.exception("competition_not_moved", competition_id=str(competition_id))
    return moved


def _follow_the_clock(competition: Competition, by: User | None, now: datetime) -> bool:
    """Stores and records the status that the dates give; every status passed on the way is a move of its own only
    if somebody could have seen it, so a server that slept over the start records one move, not two. Completed is for
    good: whoever read the clock before that and then waited for the lock does not turn it back. What has started has
    its rules frozen, also when it did so before there were versions of rules."""
    before, after = competition.status, competition.status_at(now).value
    if before == rules.Status.COMPLETED:
        return False
    if after in _STARTED and not competition.rules_version:
        freeze_rules(competition=competition, now=now)
    if after == before:
        return False
    competition.status = after
    competition.save(update_fields=["status", "updated_at"])
    _record_move(competition, before, by, now)
    if after == rules.Status.COMPLETED:
        competition_completed.send(Competition, competition=competition, completed_at=now)
    return True


def _record_move(competition: Competition, before: str, by: User | None, now: datetime) -> None:
    StatusMove.objects.create(
        competition=competition, from_status=before, to_status=competition.status, moved_at=now, moved_by=by
    )
    status_moved.send(Competition, competition=competition, from_status=before, moved_at=now)
