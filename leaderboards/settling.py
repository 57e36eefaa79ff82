"""From a board to the standings that stay: freezing them once the grace is over, and correcting them, before that and
after it, with a name to it.

Whoever freezes or corrects holds the competition's rules alone (`lock_competition`), so no sync and no report lands
between what is read and what is written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.notices import Event
from competitions.documents import fixed_rules
from competitions.models import Competition
from competitions.queries import participants_among, participants_of, rules_versions
from competitions.rules import Status
from competitions.services.enrolment import CompetitionOver
from competitions.services.lifecycle import move_status
from config.core.clock import written_moment
from config.core.errors import Conflict, Forbidden, Invalid
from config.core.json import canonical_json
from leaderboards.documents import FinalRow, standings_document
from leaderboards.models import Correction, FinalStandings, Standing
from leaderboards.queries import final_standings, standings_in_board_order
from leaderboards.ranking import ranks_of
from leaderboards.rows import wire_time
from leaderboards.scoring import MAX_SCORE, SCORING_VERSION
from leaderboards.services import NotStarted, correct_rows, disqualify_participant, reinstate_participant
from leaderboards.telling import announce, tell_corrected


class StandingsNotFinal(Conflict):
    message = "The standings are not final yet."


class NeverFinal(Conflict):
    message = "A draft or a cancelled competition has no final standings."


class OtherCorrection(Conflict):
    message = "There is another correction with this id."


@transaction.atomic
def settle_competition(*, competition_id: UUID, now: datetime) -> FinalStandings:
    """The newest final standings, frozen now if nobody did so before. A second time changes nothing.

    Raises NotFound, NeverFinal, StandingsNotFinal, which says from when they will be.
    """
    competition = move_status(competition_id=competition_id, now=now)
    if competition.status in (Status.DRAFT, Status.CANCELLED):
        raise NeverFinal
    if competition.status != Status.COMPLETED:
        raise StandingsNotFinal(f"The standings are final from {wire_time(competition.closes_at)} on.")
    return freeze_standings(competition=competition, now=now)


def freeze_standings(*, competition: Competition, now: datetime) -> FinalStandings:
    """Number 1, by the clock. Inside a transaction that holds the completed competition locked. A second time changes
    nothing, and says the newest."""
    return final_standings(competition.id) or _freeze(competition, None, None, "", now)


@transaction.atomic
def correct_standings(
    *,
    competition_id: UUID,
    by: User,
    reason: str,
    disqualify: Collection[UUID] = (),
    reinstate: Collection[UUID] = (),
    adjust: Mapping[UUID, int] | None = None,
    now: datetime,
) -> FinalStandings:
    """Freezes the standings anew, with an author and a reason, and shows them on the board.

    ``disqualify`` takes people off, ``reinstate`` puts the disqualified back, ``adjust`` says how many points more (or,
    negative, fewer) than their totals make somebody has: not in addition to an earlier adjustment, but instead of it.
    Raises NotFound, NeverFinal, StandingsNotFinal, and Invalid for a blank reason, for nothing to do, and for people of
    whom it cannot be said.
    """
    before = settle_competition(competition_id=competition_id, now=now)
    adjustments = dict(adjust or {})
    _refuse_unclear(reason, disqualify, reinstate, adjustments)
    named = {*disqualify, *reinstate, *adjustments}
    found = Standing.objects.filter(competition_id=competition_id, user_id__in=named).select_related("competition")
    standings = {standing.user_id: standing for standing in found}
    _refuse_strangers(standings, disqualify, reinstate, adjustments)
    adjusted = {standings[user_id]: points for user_id, points in adjustments.items()}
    corrections = Correction.objects.bulk_create(_differences(adjusted, by, reason.strip(), now))
    for user_id, standing in standings.items():
        if user_id in disqualify:
            standing.disqualified_reason = reason.strip()
        elif user_id in reinstate:
            standing.disqualified_reason = ""
        standing.adjustment_points = adjustments.get(user_id, standing.adjustment_points)
    correct_rows(standings=list(standings.values()), now=now)
    tell_corrected(corrections=corrections, now=now)
    return _freeze(before.competition, before, by, reason.strip(), now)


def _differences(adjusted: Mapping[Standing, int], by: User, reason: str, now: datetime) -> list[Correction]:
    """What brings each of these standings to so many points beside its totals."""
    return [
        Correction(
            competition_id=standing.competition_id,
            user_id=standing.user_id,
            points=points - standing.adjustment_points,
            reason=reason,
            made_by=by,
            made_at=now,
        )
        for standing, points in adjusted.items()
        if points != standing.adjustment_points
    ]


@transaction.atomic
def add_correction(
    *,
    competition_id: UUID,
    user_id: UUID,
    points: int,
    reason: str,
    by: User,
    correction_id: UUID | None = None,
    now: datetime,
) -> tuple[Correction, bool]:
    """Gives somebody so many points, or takes them, beside what earlier corrections did; once the standings are final
    they are frozen anew. The same correction under the same id again changes nothing; says whether this one is new.

    Raises Forbidden for oneself, NotFound, NotStarted, CompetitionOver for a cancelled one, OtherCorrection, and
    Invalid for a blank reason, for no points or too many, and for somebody who is not on the board.
    """
    if user_id == by.id:
        raise Forbidden("Nobody corrects their own score; ask a colleague.")
    competition = move_status(competition_id=competition_id, now=now)
    correction_id = correction_id or uuid4()
    asked = {"competition_id": competition_id, "user_id": user_id, "points": points, "reason": reason.strip()}
    if known := Correction.objects.filter(id=correction_id).first():
        if any(getattr(known, name) != value for name, value in asked.items()):
            raise OtherCorrection
        return known, False
    standing = _correctable(competition, user_id, points, reason)
    before = freeze_standings(competition=competition, now=now) if competition.status == Status.COMPLETED else None
    try:
        with transaction.atomic():
            correction = Correction.objects.create(id=correction_id, made_by=by, made_at=now, **asked)
    except IntegrityError:  # in another competition at the same moment
        raise OtherCorrection from None
    standing.adjustment_points += points
    correct_rows(standings=[standing], now=now)
    tell_corrected(corrections=[correction], now=now)
    if before is not None:
        _freeze(competition, before, by, correction.reason, now)
    return correction, True


@transaction.atomic
def judge_participant(
    *, competition_id: UUID, user_id: UUID, disqualify: bool, reason: str, by: User, now: datetime
) -> bool:
    """Takes a participant off the board, or puts one who was disqualified back; once the standings are final they are
    frozen anew. What is so already stays as it is; says whether anything has changed.

    Raises Forbidden for oneself, NotFound, NotStarted, CompetitionOver for a cancelled one, and Invalid for a blank
    reason and for somebody who does not take part.
    """
    if user_id == by.id:
        raise Forbidden("Nobody judges themselves; ask a colleague.")
    competition = move_status(competition_id=competition_id, now=now)
    _refuse_without_standings(competition)
    if not reason.strip():
        raise Invalid(details={"reason": ["Say why, for whoever asks later."]})
    standing = Standing.objects.filter(competition=competition, user_id=user_id).first()
    if standing is None or not participants_among([(competition_id, user_id)]):
        raise Invalid(details={"user_id": ["This person does not take part."]})
    if bool(standing.disqualified_reason) == disqualify:
        return False
    if competition.status == Status.COMPLETED:
        off, on = ([user_id], []) if disqualify else ([], [user_id])
        correct_standings(competition_id=competition_id, by=by, reason=reason, disqualify=off, reinstate=on, now=now)
    elif disqualify:
        disqualify_participant(competition=competition, user_id=user_id, reason=reason.strip(), now=now)
    else:
        reinstate_participant(competition=competition, user_id=user_id, now=now)
    return True


def _correctable(competition: Competition, user_id: UUID, points: int, reason: str) -> Standing:
    """Raises NotStarted, CompetitionOver, Invalid."""
    _refuse_without_standings(competition)
    board = Standing.objects.filter(competition=competition, on_board=True).select_related("competition")
    standing = board.filter(user_id=user_id).first()
    errors: dict[str, list[str]] = {}
    if standing is None:
        errors["user_id"] = ["This person is not on the board."]
    if points == 0:
        errors["points"] = ["Give or take some points."]
    elif abs(points + (standing.adjustment_points if standing else 0)) > MAX_SCORE:
        errors["points"] = [f"All corrections of a person make {MAX_SCORE} points at most."]
    if not reason.strip():
        errors["reason"] = ["Say why, for whoever asks later."]
    if errors or standing is None:
        raise Invalid(details=errors)
    return standing


def _refuse_without_standings(competition: Competition) -> None:
    """Raises NotStarted, CompetitionOver."""
    if competition.status in (Status.DRAFT, Status.UPCOMING):
        raise NotStarted
    if competition.status == Status.CANCELLED:
        raise CompetitionOver


def _refuse_unclear(
    reason: str, disqualify: Collection[UUID], reinstate: Collection[UUID], adjust: Mapping[UUID, int]
) -> None:
    errors: dict[str, list[str]] = {}
    if not reason.strip():
        errors["reason"] = ["Say why, for whoever asks later."]
    if not (disqualify or reinstate or adjust):
        errors["disqualify"] = ["Name somebody to disqualify, to reinstate or to adjust."]
    if both := set(disqualify) & set(reinstate):
        errors["reinstate"] = [f"{_listed(both)} cannot be disqualified and reinstated at once."]
    if any(abs(points) > MAX_SCORE for points in adjust.values()):
        errors["adjust"] = [f"Adjust by {MAX_SCORE} points at most."]
    if errors:
        raise Invalid(details=errors)


def _refuse_strangers(
    standings: Mapping[UUID, Standing],
    disqualify: Collection[UUID],
    reinstate: Collection[UUID],
    adjust: Mapping[UUID, int],
) -> None:
    on_board = {user_id for user_id, standing in standings.items() if standing.on_board}
    disqualified = {user_id for user_id, standing in standings.items() if standing.disqualified_reason}
    complaints = {
        "disqualify": (set(disqualify) - on_board, "not on the board"),
        "reinstate": (set(reinstate) - disqualified, "not disqualified"),
        "adjust": (set(adjust) - on_board - set(reinstate), "not on the board"),
    }
    errors = {field: [f"{_listed(people)}: {why}."] for field, (people, why) in complaints.items() if people}
    if errors:
        raise Invalid(details=errors)


def _listed(people: Iterable[UUID]) -> str:
    return ", ".join(sorted(str(user_id) for user_id in people))


def _freeze(
    competition: Competition, before: FinalStandings | None, by: User | None, reason: str, now: datetime
) -> FinalStandings:
    number, previous = (before.number + 1, before.digest) if before else (1, "")
    head = {
        "competition": str(competition.id),
        "number": number,
        "previous": previous,
        "scoring_version": SCORING_VERSION,
        "frozen_at": written_moment(now),
        "frozen_by": str(by.id) if by else None,
        "reason": reason,
    }
    standings = list(standings_in_board_order(competition.id))
    rows = _final_rows(standings, competition.tie_rule)
    document = canonical_json(standings_document(head, _rules(competition), rows, _disqualified(competition.id)))
    announce(event=Event.FINAL_RESULT, competition=competition, number=number, now=now)
    return FinalStandings.objects.create(
        competition=competition,
        number=number,
        document=document,
        digest=sha256(document.encode()).hexdigest(),
        previous_digest=previous,
        scoring_version=SCORING_VERSION,
        frozen_at=now,
        frozen_by=by,
        reason=reason,
    )


def _rules(competition: Competition) -> dict[str, Any]:
    """What decided who stands where, and what was at stake, as it was when the competition started; and which of its
    frozen rules held, unless it was over before rules were frozen."""
    version = rules_versions(competition.id).last()
    named = {"rules_version": version.number, "rules_digest": version.digest} if version else {}
    return fixed_rules(competition) | named


def _final_rows(standings: Sequence[Standing], tie_rule: str) -> Iterable[FinalRow]:
    ranks = ranks_of([standing.score for standing in standings], tie_rule, offset=0, above_first=0)
    for rank, standing in zip(ranks, standings, strict=True):
        yield FinalRow(
            user_id=standing.user_id,
            rank=rank,
            score=standing.score,
            reached_at=standing.reached_at,
            joined_at=standing.joined_at,
            synced=standing.synced,
            reported=standing.reported,
            counted=standing.totals,
            adjustment_points=standing.adjustment_points,
        )


def _disqualified(competition_id: UUID) -> dict[UUID, str]:
    here = participants_of(competition_id).values("user_id")  # whoever was disqualified may have left before the end
    disqualified = Standing.objects.filter(competition_id=competition_id, user_id__in=here)
    disqualified = disqualified.exclude(disqualified_reason="")
    return dict(disqualified.order_by("user_id").values_list("user_id", "disqualified_reason"))
