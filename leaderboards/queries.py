"""Reading boards: from Redis when its copy is as new as PostgreSQL, from PostgreSQL itself when it is not."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from accounts.pictures.names import SMALL, picture_url
from competitions.models import Competition
from competitions.queries import access_competition, public_competitions, viewers_among
from competitions.rules import Status, TieRule
from config.core.cache import Cached
from config.core.errors import NotFound
from config.core.json import dump_json
from config.core.metrics import BOARD_READS
from config.core.redis import RedisError
from leaderboards import mirror
from leaderboards.models import Board, Correction, FinalStandings, Standing
from leaderboards.ranking import Placing, ranks_of
from leaderboards.rebuilding import rebuild_board_later
from leaderboards.rows import StoredPage, row_of, stored_page, stored_page_around, wire_time

log = structlog.get_logger(__name__)

_MIRROR_TRIES = 3
_WINDOWS_WORTH_A_BOARD = 40
"""A window costs about as much as reading so many rows of a whole board …"""
_WHOLE_BOARD = 5_000
"""… which more rows than this are too many to read at once."""
_COPIED_AT_ONCE = 20_000
_STANDINGS_WORDS = {Status.ENDED: "provisional", Status.COMPLETED: "final"}
_pages = Cached("page", ttl_seconds=60)


@dataclass(frozen=True)
class BoardPage:
    """Consecutive entries of a board, best first, as the wire shows them. ``updated_at`` is RFC 3339; ``offset`` is how
    many stand before the first."""

    competition_id: str
    epoch: str
    version: int
    updated_at: str
    tie_rule: str
    total: int
    offset: int
    entries: Sequence[dict[str, Any]]


def access_board(viewer: User, competition_id: UUID) -> Competition:
    """Whoever may see the competition may see its board. Raises NotFound."""
    return access_competition(viewer, competition_id)


def refused_viewers(competition_id: UUID, viewer_ids: Collection[UUID | None]) -> set[UUID | None]:
    """Who of a board's watchers may not watch any more; None stands for those with a public board's ticket."""
    people = {viewer_id for viewer_id in viewer_ids if viewer_id is not None}
    refused: set[UUID | None] = set(people - viewers_among(competition_id, people)) if people else set()
    if None in viewer_ids and not public_competitions().filter(id=competition_id).exists():
        refused.add(None)
    return refused


def board_page(competition: Competition, *, offset: int, limit: int) -> BoardPage:
    """A page as it is now. Whoever reads a version first puts it together for all servers."""
    board = Board.objects.get(competition_id=competition.id)

    def put_together() -> dict[str, Any]:
        return asdict(_page(competition, board, offset=offset, limit=limit))

    return BoardPage(
        **_pages.get(f"{board.epoch}:{board.version}:{competition.tie_rule}:{offset}:{limit}", put_together)
    )


def _page(competition: Competition, board: Board, *, offset: int, limit: int) -> BoardPage:
    from_mirror = partial(mirror.read_page, competition.id, offset=offset, limit=limit)
    return _read(competition, board, from_mirror, partial(stored_page, competition.id, offset=offset, limit=limit))


def board_around(competition: Competition, user_id: UUID, *, limit: int) -> BoardPage:
    """A window with that person in the middle. Raises NotFound when they are not on the board."""
    board = Board.objects.get(competition_id=competition.id)
    from_mirror = partial(mirror.read_around, competition.id, user_id, limit=limit)
    stored = partial(stored_page_around, competition.id, user_id, limit=limit)
    return _read(competition, board, from_mirror, stored)


def entry_of(competition: Competition, user_id: UUID) -> dict[str, Any]:
    """One person's entry with their rank. Raises NotFound."""
    return board_around(competition, user_id, limit=1).entries[0]


def _read(
    competition: Competition,
    board: Board,
    from_mirror: Callable[[], mirror.MirrorPage | None],
    stored: Callable[[], StoredPage | None],
) -> BoardPage:
    """PostgreSQL says which version is the present one; only a copy that is at least as new may answer."""
    try:
        for _ in range(_MIRROR_TRIES):
            page = from_mirror()
            if page is not None and _is_of_another_history(page, board):
                mirror.drop_mirror(competition.id)
                page = None
            if page is None:
                if not _copied(competition):
                    break  # PostgreSQL knows as well
            elif page.version < board.version:
                mirror.catch_up([competition.id])
            else:
                BOARD_READS.labels(source="mirror").inc()
                return _from_mirror(competition, page)
    except RedisError as error:
        log.warning("board_read_from_postgresql", error=type(error).__name__)
    BOARD_READS.labels(source="postgresql").inc()
    return _from_postgresql(competition, stored())


def _copied(competition: Competition) -> bool:
    """A small board is copied while its reader waits. A big one would take many seconds, so a worker does it. False
    also when somebody else is at it."""
    if competition.participant_count <= _COPIED_AT_ONCE:
        return mirror.rebuild_mirror(competition.id)
    rebuild_board_later(competition.id)
    return False


def _is_of_another_history(page: mirror.MirrorPage, board: Board) -> bool:
    """A copy can be ahead of the version that was asked for a moment ago, never of the one asked for now; unless
    PostgreSQL was restored from a backup that is older than the copy."""
    lost_future = page.version > board.version and page.version > Board.objects.get(pk=board.pk).version
    return lost_future or page.epoch != str(board.epoch)


def _from_mirror(competition: Competition, page: mirror.MirrorPage) -> BoardPage:
    if page.offset < 0:
        raise NotFound("This person is not on the board.")
    rows = [orjson.loads(row) for row in page.rows]
    entries = _ranked(competition, rows, page.offset, page.above_first)
    updated_at = page.updated_at.replace("+00:00", "Z")
    tie_rule = competition.tie_rule
    return BoardPage(
        str(competition.id), page.epoch, page.version, updated_at, tie_rule, page.total, page.offset, entries
    )


def _from_postgresql(competition: Competition, page: StoredPage | None) -> BoardPage:
    if page is None:
        raise NotFound("This person is not on the board.")
    board = page.board
    rows = [orjson.loads(dump_json(row_of(board.competition_id, row))) for row in page.rows]
    entries = _ranked(competition, rows, page.offset, page.above_first)
    updated_at, tie_rule = wire_time(board.updated_at), competition.tie_rule
    return BoardPage(
        str(competition.id), board.epoch, board.version, updated_at, tie_rule, page.total, page.offset, entries
    )


def _ranked(competition: Competition, rows: list[dict[str, Any]], offset: int, above: int) -> list[dict[str, Any]]:
    ranks = ranks_of([row["score"] for row in rows], competition.tie_rule, offset=offset, above_first=above)
    return [
        row | {"rank": rank, "avatar": picture_url(row["user_id"], row["avatar"], SMALL)}
        for row, rank in zip(rows, ranks, strict=True)
    ]


def standings_in_board_order(competition_id: UUID) -> QuerySet[Standing]:
    """`ranking`'s order, said in SQL."""
    on_board = Standing.objects.filter(competition_id=competition_id, on_board=True)
    return on_board.order_by("-score", "reached_at", "joined_at", "user_id")


def _before(standing: Any) -> Q:
    """Rows that stand before this one, which may be an OuterRef holder."""
    score, reached_at, joined_at = standing.score, standing.reached_at, standing.joined_at
    return (
        Q(score__gt=score)
        | Q(score=score, reached_at__lt=reached_at)
        | Q(score=score, reached_at=reached_at, joined_at__lt=joined_at)
        | Q(score=score, reached_at=reached_at, joined_at=joined_at, user_id__lt=standing.user_id)
    )


class _Outer:
    score = OuterRef("score")
    reached_at = OuterRef("reached_at")
    joined_at = OuterRef("joined_at")
    user_id = OuterRef("user_id")


def standings_of_person(user_id: UUID) -> QuerySet[Standing]:
    """The person's places on all boards, each with its competition and what `rank_by_standing` needs."""
    return standings_of_people([user_id])


def standings_of_people(user_ids: Collection[UUID]) -> QuerySet[Standing]:
    theirs = Standing.objects.filter(user_id__in=user_ids, on_board=True).select_related("competition__board")
    return theirs.order_by("-competition__start_at", "competition_id")


def rank_by_standing(standings: Collection[Standing]) -> dict[int, int]:
    """The ranks of standings out of `standings_of_people`, by their keys: from the copies in Redis that are as new as
    PostgreSQL, and counted by PostgreSQL where there is none. However many they are, it takes three statements at most.
    """
    ranks = _mirrored_ranks(standings)
    uncopied = [standing.pk for standing in standings if standing.pk not in ranks]
    return ranks | (_counted_ranks(uncopied) if uncopied else {})


def _counted_ranks(standing_ids: Collection[int]) -> dict[int, int]:
    others = Standing.objects.filter(competition_id=OuterRef("competition_id"), on_board=True).order_by()
    counted = {
        name: Coalesce(Subquery(rows.values("competition_id").annotate(rows=Count("*")).values("rows")), 0)
        for name, rows in {
            "better": others.filter(Q(score__gt=OuterRef("score"))),
            "before": others.filter(_before(_Outer)),
        }.items()
    }
    rows: Any = Standing.objects.filter(pk__in=standing_ids).annotate(**counted)
    return {
        pk: _rank(tie_rule, before, better)
        for pk, tie_rule, before, better in rows.values_list("pk", "competition__tie_rule", "before", "better")
    }


def _mirrored_ranks(standings: Collection[Standing]) -> dict[int, int]:
    """Of those whose board has a copy in Redis that is at least as new as when they were read."""
    asked = [(standing.competition_id, standing.user_id) for standing in standings]
    try:
        pages = mirror.read_places(asked)
        if behind := {s.competition_id for s, page in zip(standings, pages, strict=True) if _is_behind(s, page)}:
            mirror.catch_up(behind)
            pages = mirror.read_places(asked)
    except RedisError as error:
        log.warning("ranks_counted_by_postgresql", error=type(error).__name__)
        return {}
    found = [(s, page) for s, page in zip(standings, pages, strict=True) if page is not None and page.offset >= 0]
    ahead = {s.competition_id for s, page in found if page.version > s.competition.board.version}
    versions = board_versions(ahead) if ahead else {}  # a copy newer than all of PostgreSQL is of another history
    return {
        s.pk: _rank(s.competition.tie_rule, page.offset, page.above_first)
        for s, page in found
        if page.epoch == str(s.competition.board.epoch) and not _is_behind(s, page)
        if page.version <= versions.get(s.competition_id, s.competition.board.version)
    }


def _is_behind(standing: Standing, page: mirror.MirrorPage | None) -> bool:
    return page is not None and page.version < standing.competition.board.version


def _rank(tie_rule: str, before: int, better: int) -> int:
    return ranks_of([0], tie_rule, offset=before, above_first=better)[0]


def standings_to_climb(user_id: UUID) -> QuerySet[Standing]:
    """`standings_of_person`, each with what `points_to_next_rank` needs: still one statement."""
    others = Standing.objects.filter(competition_id=OuterRef("competition_id"), on_board=True)
    better = others.filter(score__gt=OuterRef("score")).order_by("score")
    before = others.filter(_before(_Outer), score__gte=OuterRef("score")).order_by("score")
    nearest = {
        "nearest_better": Subquery(better.values("score")[:1]),
        "nearest_before": Subquery(before.values("score")[:1]),
    }
    return standings_of_person(user_id).annotate(**nearest)


def points_to_next_rank(standing: Standing) -> int | None:
    """Of a standing out of `standings_to_climb`; None for whoever leads. An equal score gives the same number where
    ranks are shared; elsewhere whoever had it earlier stays before."""
    if standing.competition.tie_rule == TieRule.SHARED:
        target = standing.nearest_better  # type: ignore[attr-defined]  # annotated in `standings_to_climb`
        return None if target is None else int(target) - standing.score
    target = standing.nearest_before  # type: ignore[attr-defined]  # annotated in `standings_to_climb`
    return None if target is None else int(target) + 1 - standing.score


def competitions_won(user_id: UUID, now: datetime) -> int:
    """Completed competitions in which the person came first, with a score above zero."""
    completed = Competition.objects.all().with_status(Status.COMPLETED, now)
    standings = standings_of_person(user_id).filter(score__gt=0, competition__in=completed)
    return sum(rank == 1 for rank in rank_by_standing(list(standings)).values())


def standings_now(competition: Competition, now: datetime) -> tuple[str, datetime | None]:
    """``live``, ``provisional`` (late phones may still send, or it was cancelled) or ``final``, and since or from when
    they are final: None where they never will be."""
    status = competition.status_at(now)
    if status in (Status.DRAFT, Status.CANCELLED):
        return ("live" if status == Status.DRAFT else "provisional"), None
    return _STANDINGS_WORDS.get(status, "live"), competition.closes_at


def placings_now(competition: Competition) -> list[tuple[int, Placing]]:
    """Everybody on the board as it stands, best first, with their ranks."""
    placings = [standing.placing for standing in standings_in_board_order(competition.id)]
    ranks = ranks_of([placing.score for placing in placings], competition.tie_rule, offset=0, above_first=0)
    return list(zip(ranks, placings, strict=True))


def final_standings(competition_id: UUID) -> FinalStandings | None:
    """The newest that were frozen: what prizes go by. None before the grace is over."""
    return final_standings_history(competition_id).last()


def final_standings_history(competition_id: UUID) -> QuerySet[FinalStandings]:
    """All that were frozen, the first one first; each further one is a correction."""
    return FinalStandings.objects.filter(competition_id=competition_id).order_by("number")


def corrections_of(competition_id: UUID, user_id: UUID | None = None) -> QuerySet[Correction]:
    """That person's in this competition (everybody's for None), the first one first."""
    corrections = Correction.objects.filter(competition_id=competition_id).order_by("made_at", "id")
    return corrections if user_id is None else corrections.filter(user_id=user_id)


def board_versions(competition_ids: Iterable[UUID]) -> dict[UUID, int]:
    return dict(Board.objects.filter(competition_id__in=list(competition_ids)).values_list("competition_id", "version"))


def mirrored_entries(competition: Competition, *, page_size: int) -> Iterator[tuple[str, int, int]]:
    """The whole copy in Redis as (user id, score, rank), best first, whatever PostgreSQL says. Raises RedisError."""
    offset = 0
    while (page := mirror.read_page(competition.id, offset=offset, limit=page_size)) is not None and page.rows:
        for entry in _from_mirror(competition, page).entries:
            yield entry["user_id"], entry["score"], entry["rank"]
        offset += len(page.rows)


def board_windows(competition: Competition, wanted: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], BoardPage]:
    """For each (person, neighbours): their row with so many on each side, pushed in at the ends of the board; an empty
    page for whoever is not on it. Where those who want one are a good part of the board, it is read whole, once."""
    if not wanted:
        return {}
    first = board_page(competition, offset=0, limit=1)
    if first.total > min(_WHOLE_BOARD, len(wanted) * _WINDOWS_WORTH_A_BOARD):
        return {(user_id, size): _window(competition, first, user_id, size) for user_id, size in wanted}
    board = Board.objects.get(competition_id=competition.id)
    whole = _page(competition, board, offset=0, limit=_WHOLE_BOARD + 100)  # and some who join meanwhile
    position_of = {UUID(entry["user_id"]): position for position, entry in enumerate(whole.entries)}
    return {(user_id, size): _cut(whole, position_of.get(user_id), size) for user_id, size in wanted}


def _window(competition: Competition, first: BoardPage, user_id: UUID, size: int) -> BoardPage:
    try:
        return board_around(competition, user_id, limit=2 * size + 1)
    except NotFound:
        return replace(first, entries=[])


def _cut(whole: BoardPage, position: int | None, size: int) -> BoardPage:
    if position is None:
        return replace(whole, entries=[])
    rows = 2 * size + 1
    offset = max(0, min(position - size, len(whole.entries) - rows))
    return replace(whole, offset=offset, entries=whole.entries[offset : offset + rows])
