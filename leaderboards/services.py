"""Everything that moves a row of a board."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from accounts.services import lock_people
from competitions.models import Competition
from competitions.queries import held, participation
from competitions.rules import ScoreSource, Status
from competitions.services.enrolment import CompetitionOver, NotParticipating
from config.core.errors import Conflict
from config.core.metrics import MIRROR_FAILURES
from config.core.redis import RedisError
from leaderboards import mirror
from leaderboards.announce import announce_boards
from leaderboards.models import Board, FinalStandings, Standing
from leaderboards.scoring import Totals, adjusted_score, counted_totals, score_of

log = structlog.get_logger(__name__)

_WRITTEN = [field.name for field in Standing._meta.concrete_fields if field.name not in ("id", "competition", "user")]


class OnlySyncedCounts(Conflict):
    message = "Only synced activity counts in this competition; send it to /api/v1/fitness/sync."


class NotStarted(Conflict):
    message = "The competition has not started."


@dataclass(frozen=True)
class Total:
    """What somebody's activity adds up to in a competition, worked out by whoever holds the activity."""

    competition_id: UUID
    user_id: UUID
    totals: Totals


def record_synced_totals(*, totals: Sequence[Total], now: datetime) -> None:
    """Scores and places these people anew. Inside a transaction, with the people locked and the rules held. What is
    unchanged keeps its version, its place among equals and its ``last_synced_at``."""
    standings = _standings_of(totals)
    changed = []
    for total in totals:
        standing = standings.get((total.competition_id, total.user_id))
        if standing is not None and standing.synced != total.totals:
            _set_synced(standing, total.totals)
            _rescore(standing, now)
            standing.last_synced_at = now
            changed.append(standing)
    _save(changed, now)


@transaction.atomic
def report_totals(*, competition: Competition, user_id: UUID, reported: Mapping[str, int], now: datetime) -> None:
    """A client's own totals so far, absolute, by the names of Totals; what is not named stays as it was reported last.
    The same report again changes nothing.

    Raises OnlySyncedCounts, NotStarted, CompetitionOver, NotParticipating.
    """
    lock_people([user_id])
    competition = held(Competition.objects.filter(id=competition.id))[0]
    if competition.score_source == ScoreSource.SYNCED:
        raise OnlySyncedCounts
    status = competition.status_at(now)
    frozen = competition.status == Status.COMPLETED  # while this report, sent in time, waited for its turn
    if frozen or status in (Status.COMPLETED, Status.CANCELLED):
        raise CompetitionOver
    if status in (Status.DRAFT, Status.UPCOMING):
        raise NotStarted
    if participation(competition.id, user_id) is None:
        raise NotParticipating("This person does not take part in the competition.")
    standing = Standing.objects.select_related("competition").get(competition=competition, user_id=user_id)
    totals = replace(standing.reported, **reported)
    if standing.reported != totals:
        _set_reported(standing, totals)
        _rescore(standing, now)
        standing.last_synced_at = now
        _save([standing], now)


@transaction.atomic
def open_standings(*, competition: Competition, user_ids: Sequence[UUID], joined_at: datetime) -> None:
    """Puts people on the board, at zero or where they left it. Raises CompetitionOver once it is frozen."""
    _refuse_if_frozen(competition.id)
    known = {standing.user_id: standing for standing in _on_and_off(competition.id, user_ids)}
    opened = []
    for user_id in user_ids:
        standing = known.get(user_id) or Standing(competition=competition, user_id=user_id, reached_at=joined_at)
        standing.joined_at, standing.on_board = joined_at, True
        opened.append(standing)
    _save(opened, joined_at)


@transaction.atomic
def close_standing(*, competition: Competition, user_id: UUID, left_at: datetime) -> None:
    """Takes somebody off the board. Raises CompetitionOver once it is frozen."""
    _refuse_if_frozen(competition.id)
    standings = list(_on_and_off(competition.id, [user_id]))
    for standing in standings:
        standing.on_board = False
    _save(standings, left_at)


@transaction.atomic
def rescore_competition(*, competition: Competition, now: datetime) -> None:
    """After a change of the rules: the same totals under the new ones."""
    standings = list(Standing.objects.filter(competition=competition).select_related("competition"))
    for standing in standings:
        standing.competition = competition
        _rescore(standing, now)
    _save(standings, now)


@transaction.atomic
def correct_rows(*, standings: Sequence[Standing], now: datetime) -> None:
    """Shows standings whose adjustment or disqualification was changed. A correction says what would have been right
    all along, so ``reached_at`` stays, and taking it back leaves everything as it was."""
    for standing in standings:
        standing.score = _count(standing)
        standing.on_board = not standing.disqualified_reason
    _save(standings, now)


@transaction.atomic
def redraw_person(*, user_id: UUID, now: datetime) -> None:
    """Shows a new name or picture on every board the person stands on. Only the version moves: the scores may be
    somebody else's to change at this moment."""
    standings = Standing.objects.filter(user_id=user_id, on_board=True)
    versions = _next_versions(standings.values_list("competition_id", flat=True), now)
    board = Board.objects.filter(competition_id=OuterRef("competition_id"))
    standings.update(version=Subquery(board.values("version")), updated_at=now)
    _show_on_commit(versions)


def _refuse_if_frozen(competition_id: UUID) -> None:
    """Whoever joins or leaves holds the competition's row, as a freeze does, so this sees one that came first."""
    if FinalStandings.objects.filter(competition_id=competition_id).exists():
        raise CompetitionOver


def _standings_of(totals: Sequence[Total]) -> dict[tuple[UUID, UUID], Standing]:
    found = Standing.objects.filter(
        competition_id__in={total.competition_id for total in totals},
        user_id__in={total.user_id for total in totals},
    ).select_related("competition")
    return {(standing.competition_id, standing.user_id): standing for standing in found}


def _on_and_off(competition_id: UUID, user_ids: Sequence[UUID]) -> Iterable[Standing]:
    return Standing.objects.filter(competition_id=competition_id, user_id__in=user_ids)


def _set_synced(standing: Standing, totals: Totals) -> None:
    standing.synced_steps = totals.steps
    standing.synced_distance_mm = totals.distance_mm
    standing.synced_energy_cal = totals.energy_cal
    standing.synced_active_seconds = totals.active_seconds


def _set_reported(standing: Standing, totals: Totals) -> None:
    standing.reported_steps = totals.steps
    standing.reported_distance_mm = totals.distance_mm
    standing.reported_energy_cal = totals.energy_cal
    standing.reported_active_seconds = totals.active_seconds


def _rescore(standing: Standing, now: datetime) -> None:
    score = _count(standing)
    if score != standing.score:
        standing.score, standing.reached_at = score, now


def _count(standing: Standing) -> int:
    """Sets the totals that the rules count, and says their score with its correction."""
    competition = standing.competition
    counted = counted_totals(competition.score_source, standing.synced, standing.reported)
    standing.steps, standing.distance_mm = counted.steps, counted.distance_mm
    standing.energy_cal, standing.active_seconds = counted.energy_cal, counted.active_seconds
    points = score_of(counted, competition.metric, competition.weights)
    return adjusted_score(points, standing.adjustment_points)


def _save(standings: Sequence[Standing], now: datetime) -> None:
    """Writes rows under their boards' next versions, and has it shown once it is committed."""
    if not standings:
        return
    versions = _next_versions({standing.competition_id for standing in standings}, now)
    for standing in standings:
        standing.version, standing.updated_at = versions[standing.competition_id], now
    Standing.objects.bulk_create(
        standings,
        update_conflicts=True,
        unique_fields=["competition", "user"],
        update_fields=_WRITTEN,
        batch_size=2000,
    )
    _show_on_commit(versions)


def _next_versions(competition_ids: Iterable[UUID], now: datetime) -> dict[UUID, int]:
    """Locks these boards until the commit, in the order of their ids, so that two writers never wait for each other."""
    ids = sorted(competition_ids)
    list(Board.objects.select_for_update(no_key=True).filter(competition_id__in=ids).order_by("competition_id"))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE leaderboards_board SET version = version + 1, updated_at = %s"
            " WHERE competition_id = ANY(%s) RETURNING competition_id, version",
            [now, ids],
        )
        return dict(cursor.fetchall())


def _show_on_commit(versions: Mapping[UUID, int]) -> None:
    if versions:
        transaction.on_commit(lambda: show_boards(versions), robust=True)


def forget_board(*, competition_id: UUID) -> None:
    def drop() -> None:
        with suppress(RedisError):
            mirror.drop_mirror(competition_id)

    transaction.on_commit(drop)


def show_boards(competition_ids: Iterable[UUID]) -> None:
    """Copies committed changes to Redis and tells the servers that have watchers. What fails here is made good by the
    next reader, who compares versions with PostgreSQL."""
    ids = list(competition_ids)
    try:
        mirror.catch_up(ids)
        announce_boards(ids)
    except (RedisError, OSError) as error:
        MIRROR_FAILURES.inc()
        log.warning("board_change_not_mirrored", error=type(error).__name__, boards=len(ids))
