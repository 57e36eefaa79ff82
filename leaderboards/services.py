"""Everything that moves a row of a board."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.queries import held, participants_among
from competitions.rules import ScoreSource, Status
from competitions.services.enrolment import CompetitionOver, NotParticipating
from config.core.errors import Conflict, NotFound, Refusal
from config.core.metrics import MIRROR_FAILURES
from config.core.redis import RedisError
from config.core.sql import Value, columns
from config.core.tracing import span
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


@dataclass(frozen=True)
class Report:
    """A client's own totals so far, absolute, by the names of Totals; what is not named stays as it was reported last.
    ``now``: when it arrived."""

    competition: Competition
    user_id: UUID
    reported: Mapping[str, int]
    now: datetime


@dataclass(slots=True)
class _Row:
    """What of a standing makes its score. ``counted`` and ``moved_at`` are None until something changes, ``reached_at``
    until the score does; ``score_before``: as it was read."""

    id: int
    competition_id: UUID
    adjustment_points: int
    score: int
    synced: Totals
    reported: Totals
    counted: Totals | None = None
    moved_at: datetime | None = None
    reached_at: datetime | None = None
    score_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.score_before = self.score


def record_synced_totals(
    *, totals: Sequence[Total], now: datetime, arrived_at: Mapping[UUID, datetime] | None = None
) -> None:
    """Scores and places these people anew; ``arrived_at`` says of whom it does so as of another moment than now. Inside
    a transaction, with the people locked and the rules held. What is unchanged keeps its version, its place among
    equals and its ``last_synced_at``."""
    rows = _rows_of([(total.competition_id, total.user_id) for total in totals])
    rules = _rules_of({total.competition_id for total in totals})
    for total, row in zip(totals, rows, strict=True):
        if row is not None and row.synced != total.totals:
            row.synced = total.totals
            _count_anew(row, rules[row.competition_id], (arrived_at or {}).get(total.user_id, now))
    _write(rows, now)


def report_totals(*, competition: Competition, user_id: UUID, reported: Mapping[str, int], now: datetime) -> None:
    """Takes a client's own totals. The same report again changes nothing.

    Raises OnlySyncedCounts, NotStarted, CompetitionOver, NotParticipating.
    """
    [refusal] = report_together([Report(competition, user_id, reported, now)])
    if refusal is not None:
        raise refusal


@transaction.atomic
def report_together(reports: Sequence[Report]) -> list[Refusal | None]:
    """Takes several clients' reports in one transaction, as if they had come one after another, and says to each why it
    is refused: OnlySyncedCounts, NotStarted, CompetitionOver, NotParticipating. The number of statements does not
    depend on how many they are."""
    lock_people({report.user_id for report in reports})
    competitions = {c.id: c for c in held(Competition.objects.filter(id__in={r.competition.id for r in reports}))}
    pairs = list({(report.competition.id, report.user_id) for report in reports})
    here, rows = participants_among(pairs), dict(zip(pairs, _rows_of(pairs), strict=True))
    refusals: list[Refusal | None] = []
    for report in reports:
        pair = report.competition.id, report.user_id
        competition = competitions.get(report.competition.id)
        refusal = _refusal(competition, report.now, takes_part=pair in here)
        refusals.append(refusal)
        row = rows[pair]
        if refusal is None and competition is not None and row is not None:
            _report(row, competition, report)
    if reports:
        _write(rows.values(), max(report.now for report in reports))
    return refusals


def _refusal(competition: Competition | None, now: datetime, *, takes_part: bool) -> Refusal | None:
    if competition is None:
        return NotFound("There is no such competition.")
    if competition.score_source == ScoreSource.SYNCED:
        return OnlySyncedCounts()
    status = competition.status_at(now)
    frozen = competition.status == Status.COMPLETED  # while this report, sent in time, waited for its turn
    if frozen or status in (Status.COMPLETED, Status.CANCELLED):
        return CompetitionOver()
    if status in (Status.DRAFT, Status.UPCOMING):
        return NotStarted()
    return None if takes_part else NotParticipating("This person does not take part in the competition.")


def _report(row: _Row, competition: Competition, report: Report) -> None:
    reported = replace(row.reported, **report.reported)
    if reported != row.reported:
        row.reported = reported
        _count_anew(row, competition, report.now)


@transaction.atomic
def open_standings(*, competition: Competition, user_ids: Sequence[UUID], joined_at: datetime) -> None:
    """Puts people on the board, at zero or where they left it. Raises CompetitionOver once it is frozen."""
    _refuse_if_frozen(competition.id)
    known = {standing.user_id: standing for standing in _on_and_off(competition.id, user_ids)}
    opened = []
    for user_id in user_ids:
        standing = known.get(user_id) or Standing(competition=competition, user_id=user_id, reached_at=joined_at)
        standing.joined_at, standing.on_board = joined_at, not standing.disqualified_reason
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
def disqualify_participant(*, competition: Competition, user_id: UUID, reason: str, now: datetime) -> None:
    """Takes somebody off the board for good, also if they leave and come back. Raises CompetitionOver once it is
    frozen: then it takes a correction. A second time changes nothing."""
    _judge(competition, user_id, reason, now)


@transaction.atomic
def reinstate_participant(*, competition: Competition, user_id: UUID, now: datetime) -> None:
    """Puts somebody who was disqualified back, if they still take part. Raises CompetitionOver once it is frozen."""
    _judge(competition, user_id, "", now)


def _judge(competition: Competition, user_id: UUID, reason: str, now: datetime) -> None:
    _refuse_if_frozen(competition.id)
    standings = [s for s in _on_and_off(competition.id, [user_id]) if bool(s.disqualified_reason) != bool(reason)]
    for standing in standings:
        standing.competition, standing.disqualified_reason = competition, reason
    correct_rows(standings=standings, now=now)


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
    here = participants_among([(standing.competition_id, standing.user_id) for standing in standings])
    for standing in standings:
        standing.score = _count(standing)
        takes_part = (standing.competition_id, standing.user_id) in here
        standing.on_board = takes_part and not standing.disqualified_reason
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


def _rows_of(participants: Sequence[tuple[UUID, UUID]]) -> list[_Row | None]:
    """In the order of these competitions and people; None for who never took part."""
    rows: list[_Row | None] = [None] * len(participants)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT named.place - 1, s.id, s.adjustment_points, s.score,
                   s.synced_steps, s.synced_distance_mm, s.synced_energy_cal, s.synced_active_seconds,
                   s.reported_steps, s.reported_distance_mm, s.reported_energy_cal, s.reported_active_seconds
              FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS named (competition_id, user_id, place)
              JOIN leaderboards_standing s USING (competition_id, user_id)
            """,
            columns(participants, 2),
        )
        for place, standing_id, points, score, *amounts in cursor.fetchall():
            competition_id, _ = participants[place]
            synced, reported = Totals(*amounts[:4]), Totals(*amounts[4:])
            rows[place] = _Row(standing_id, competition_id, points, score, synced, reported)
    return rows


def _rules_of(competition_ids: Collection[UUID]) -> dict[UUID, Competition]:
    """As far as they score: the other columns are not loaded."""
    wanted = "SELECT id, score_source, metric, weights FROM competitions_competition WHERE id = ANY(%s)"
    return {c.id: c for c in Competition.objects.raw(wanted, [list(competition_ids)])}


def _count_anew(row: _Row, competition: Competition, now: datetime) -> None:
    row.counted, score = counted_score(competition, row.synced, row.reported, row.adjustment_points)
    row.moved_at = now
    if score != row.score:
        row.score, row.reached_at = score, now


def _write(rows: Iterable[_Row | None], now: datetime) -> None:
    """Those of them that moved, under their boards' next versions; has it shown once it is committed, and those told
    who are overtaken by it."""
    moved = [row for row in rows if row is not None and row.moved_at is not None]
    if not moved:
        return
    versions = _next_versions({row.competition_id for row in moved}, now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH moved AS (
            UPDATE leaderboards_standing s
               SET synced_steps = m.synced_steps, synced_distance_mm = m.synced_distance_mm,
                   synced_energy_cal = m.synced_energy_cal, synced_active_seconds = m.synced_active_seconds,
                   reported_steps = m.reported_steps, reported_distance_mm = m.reported_distance_mm,
                   reported_energy_cal = m.reported_energy_cal, reported_active_seconds = m.reported_active_seconds,
                   steps = m.steps, distance_mm = m.distance_mm, energy_cal = m.energy_cal,
                   active_seconds = m.active_seconds, score = m.score,
                   reached_at = coalesce(m.reached_at, s.reached_at), last_synced_at = m.at, updated_at = m.at,
                   version = m.version
              FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bigint[],
                          %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                          %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                          %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
                   AS m (id, version, at, reached_at, score_before, score,
                         synced_steps, synced_distance_mm, synced_energy_cal, synced_active_seconds,
                         reported_steps, reported_distance_mm, reported_energy_cal, reported_active_seconds,
                         steps, distance_mm, energy_cal, active_seconds)
             WHERE s.id = m.id
            RETURNING s.competition_id, s.user_id, m.score_before, m.score)
            INSERT INTO leaderboards_climb (competition_id, user_id, from_score)
            SELECT competition_id, user_id, score_before FROM moved WHERE score > score_before
            """,
            columns([_written(row, versions[row.competition_id]) for row in moved], 18),
        )
    _show_on_commit(versions)


def _written(row: _Row, version: int) -> tuple[Value, ...]:
    synced, reported, counted = row.synced, row.reported, row.counted or Totals()
    return (
        *(row.id, version, row.moved_at, row.reached_at, row.score_before, row.score),
        *(synced.steps, synced.distance_mm, synced.energy_cal, synced.active_seconds),
        *(reported.steps, reported.distance_mm, reported.energy_cal, reported.active_seconds),
        *(counted.steps, counted.distance_mm, counted.energy_cal, counted.active_seconds),
    )


def _on_and_off(competition_id: UUID, user_ids: Sequence[UUID]) -> Iterable[Standing]:
    return Standing.objects.filter(competition_id=competition_id, user_id__in=user_ids)


def _rescore(standing: Standing, now: datetime) -> None:
    score = _count(standing)
    if score != standing.score:
        standing.score, standing.reached_at = score, now


def _count(standing: Standing) -> int:
    """Sets the totals that the rules count, and says their score with its correction."""
    counted, score = counted_score(standing.competition, standing.synced, standing.reported, standing.adjustment_points)
    standing.steps, standing.distance_mm = counted.steps, counted.distance_mm
    standing.energy_cal, standing.active_seconds = counted.energy_cal, counted.active_seconds
    return score


def counted_score(competition: Competition, synced: Totals, reported: Totals, adjustment: int) -> tuple[Totals, int]:
    """The totals that the rules count, and their score with its correction."""
    counted = counted_totals(competition.score_source, synced, reported)
    points = score_of(counted, competition.metric, competition.weights)
    return counted, adjusted_score(points, adjustment)


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


def hold_boards(competition_ids: Iterable[UUID]) -> None:
    """Locks these boards until the commit, for whoever moves some after others in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT competition_id FROM leaderboards_board WHERE competition_id = ANY(%s)
             ORDER BY competition_id FOR NO KEY UPDATE
            """,
            [list(competition_ids)],
        )


def _next_versions(competition_ids: Iterable[UUID], now: datetime) -> dict[UUID, int]:
    """Locks these boards until the commit, in the order of their ids, so that two writers never wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH locked AS (
                 SELECT competition_id FROM leaderboards_board WHERE competition_id = ANY(%s)
                  ORDER BY competition_id FOR NO KEY UPDATE)
            UPDATE leaderboards_board b SET version = version + 1, updated_at = %s
              FROM locked WHERE b.competition_id = locked.competition_id
            RETURNING b.competition_id, version
            """,
            [list(competition_ids), now],
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
        with span("show boards"):
            mirror.catch_up(ids)
            announce_boards(ids)
    except (RedisError, OSError) as error:
        MIRROR_FAILURES.inc()
        log.warning("board_change_not_mirrored", error=type(error).__name__, boards=len(ids))
