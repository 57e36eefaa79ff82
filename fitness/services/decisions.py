"""Flags are decided and appealed. Holding data is no judgement: only somebody who signs it with a reason excludes it.

The person is locked first, as by every sync, then the competition: so a flag changes under one hand at a time.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.notices import Event
from accounts.services.notifying import notify_people
from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.rules import Status
from competitions.services.lifecycle import move_status
from config.core.errors import Conflict, Forbidden, Invalid, NotFound
from fitness.models import Flag, FlagEvent, FlagEventKind, FlagEvidence
from fitness.plausibility import Decision, FlagState
from fitness.queries.flags import holds_among
from fitness.services.counting import count_activity
from leaderboards.queries import final_standings
from leaderboards.services import disqualify_participant, reinstate_participant
from leaderboards.settling import correct_standings


class AlreadyDecided(Conflict):
    message = "Somebody has decided about this flag."


class AlreadyAppealed(Conflict):
    message = "An appeal can be made once, and this one was."


class NothingToAppeal(Conflict):
    message = "Nothing was held or decided against you, so there is nothing to appeal."


class CountedInFinalStandings(Conflict):
    message = "The standings are final and count this data. They change only by a correction, or by a disqualification."


@transaction.atomic
def decide_flag(*, flag_id: UUID, decision: Decision, reason: str, by: User, now: datetime) -> Flag:
    """About everything that the flag shows, and answers an appeal. What was decided already stays: the same decision
    again changes nothing. Final standings change by a disqualification only, as a correction of its own.

    Raises NotFound, Invalid without a reason, Forbidden about oneself, AlreadyDecided, CountedInFinalStandings.
    """
    if not reason.strip():
        raise Invalid(details={"reason": ["Say why, for whoever asks later."]})
    flag = _locked(flag_id)
    if flag.user_id == by.id:
        raise Forbidden("Nobody decides about themself.")
    competition = move_status(competition_id=flag.competition_id, now=now)
    if not flag.waits:
        if flag.state == decision.state:
            return flag
        raise AlreadyDecided(f"Somebody has decided about this flag: {flag.state}.")
    final = competition.status == Status.COMPLETED
    if final and decision == Decision.EXCLUDE and not _is_set_aside(flag, competition.closes_at):
        raise CountedInFinalStandings
    was_disqualified = flag.state == FlagState.DISQUALIFIED
    _sign(flag, decision, reason.strip(), by, _moment(flag, competition, now))
    _carry_out(flag, competition, was_disqualified=was_disqualified, by=by, now=now)
    _tell_decided(flag, competition, decision, now)
    return flag


@transaction.atomic
def appeal_flag(*, flag_id: UUID, text: str, by: User, now: datetime) -> Flag:
    """Once, against what is held or was decided. The same text again changes nothing. Raises NotFound, Invalid without
    a text, Forbidden for somebody else, AlreadyAppealed, NothingToAppeal."""
    if not text.strip():
        raise Invalid(details={"text": ["Say why it should count."]})
    flag = _locked(flag_id)
    if flag.user_id != by.id:
        raise Forbidden("Only the person whom it concerns may appeal.")
    if flag.appealed_at is not None:
        if flag.appeal == text.strip():
            return flag
        raise AlreadyAppealed
    if not flag.can_be_appealed:
        raise NothingToAppeal
    flag.appeal, flag.appealed_at, flag.appeal_waits = text.strip(), now, True
    flag.save(update_fields=["appeal", "appealed_at", "appeal_waits"])
    FlagEvent.objects.create(flag=flag, kind=FlagEventKind.APPEALED, at=now, by=by)
    return flag


@transaction.atomic
def forget_flags(*, user_id: UUID) -> None:
    """What was seen of a person who is erased, and what they said about it; that there were flags and who decided them
    stays."""
    FlagEvidence.objects.filter(flag__user_id=user_id).delete()
    Flag.objects.filter(user_id=user_id).update(appeal="")


def _tell_decided(flag: Flag, competition: Competition, decision: Decision, now: datetime) -> None:
    notify_people(
        event=Event.FLAG_DECIDED,
        told={
            flag.user_id: {
                "competition": competition.name,
                "day": flag.day.isoformat(),
                "decision": decision.value,
                "reason": flag.reason,
            }
        },
        dedupe_key=f"flag_decided:{flag.id}:{flag.decided_at}",
        competition_id=competition.id,
        now=now,
    )


def _locked(flag_id: UUID) -> Flag:
    """The flag, its person locked. Raises NotFound."""
    lock_people(Flag.objects.filter(id=flag_id).values_list("user_id", flat=True))
    flag = Flag.objects.filter(id=flag_id).first()
    if flag is None:
        raise NotFound("There is no such flag.")
    return flag


def _moment(flag: Flag, competition: Competition, now: datetime) -> datetime:
    """When it is decided, by the order in which the person was locked: after everything that was found, and, where the
    standings are final, after what they were frozen with."""
    found = [piece.found_at for piece in flag.evidence.all()]
    return max([now, *found, *([competition.closes_at] if competition.status == Status.COMPLETED else [])])


def _is_set_aside(flag: Flag, at: datetime) -> bool:
    """Whether nothing of it counted then."""
    pair = flag.competition_id, flag.user_id
    held = [hold for hold in holds_among([pair], at).get(pair, ()) if hold.flag_id == flag.id]
    return len(held) == flag.evidence.count()


def _sign(flag: Flag, decision: Decision, reason: str, by: User, at: datetime) -> None:
    flag.state, flag.held, flag.appeal_waits = decision.state, False, False
    flag.decided_at, flag.decided_by, flag.reason = at, by, reason
    flag.save(update_fields=["state", "held", "appeal_waits", "decided_at", "decided_by", "reason"])
    FlagEvent.objects.create(flag=flag, kind=FlagEventKind.DECIDED, decision=decision, text=reason, at=at, by=by)


def _carry_out(flag: Flag, competition: Competition, *, was_disqualified: bool, by: User, now: datetime) -> None:
    """Counts the person anew, and takes them off the board or puts them back."""
    final = competition.status == Status.COMPLETED
    if not final:
        count_activity(competitions=[competition], user_ids=[flag.user_id], now=now)
    disqualified = flag.state == FlagState.DISQUALIFIED
    if disqualified == was_disqualified or (was_disqualified and _disqualified_elsewhere(flag)):
        return
    if final:
        _correct(flag, disqualified=disqualified, by=by, now=now)
    elif disqualified:
        disqualify_participant(competition=competition, user_id=flag.user_id, reason=flag.reason, now=now)
    else:
        reinstate_participant(competition=competition, user_id=flag.user_id, now=now)


def _correct(flag: Flag, *, disqualified: bool, by: User, now: datetime) -> None:
    """Has the standings frozen anew, unless the person is off them, or on them, already."""
    standings = final_standings(flag.competition_id)
    assert standings is not None
    if disqualified and any(row.user_id == flag.user_id for row in standings.rows):
        off, on = [flag.user_id], []
    elif not disqualified and flag.user_id in standings.disqualified:
        off, on = [], [flag.user_id]
    else:
        return
    correct_standings(
        competition_id=flag.competition_id, by=by, reason=flag.reason, disqualify=off, reinstate=on, now=now
    )


def _disqualified_elsewhere(flag: Flag) -> bool:
    """By another flag of the same competition."""
    others = Flag.objects.filter(competition_id=flag.competition_id, user_id=flag.user_id).exclude(id=flag.id)
    return others.filter(state=FlagState.DISQUALIFIED).exists()
