"""Whether final standings are what they should be, worked out again from what is stored.

This shares nothing with `leaderboards.settling` but the scoring itself, which is what a scoring version stands for: the
documents are read as JSON, put in order and numbered here, and the totals are counted again from every reading as it
was known when the grace ended.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from accounts.models import User
from competitions.models import Competition
from competitions.queries import participants_of, rules_versions
from competitions.rules import ScoreSource, TieRule
from fitness.services.counting import totals_when_closed
from leaderboards.models import FinalStandings
from leaderboards.queries import final_standings_history
from leaderboards.scoring import MAX_SCORE, SCORING_VERSION, Totals, score_of

_FORMAT = "pacesetter-standings/1"
_ORDER = ("reached_at", "joined_at", "user_id")


@dataclass(frozen=True)
class StandingsCheck:
    """``problems`` is empty when all is well; ``erased``: people on the list whose activity is gone because they asked
    for it, so that their totals cannot be worked out any more."""

    competition_id: UUID
    number: int
    participants: int
    erased: Sequence[UUID]
    problems: Sequence[str]


def check_standings(competition: Competition) -> list[StandingsCheck]:
    """One check per snapshot, the first one first; none where nothing was frozen."""
    history = list(final_standings_history(competition.id))
    if not history:
        return []
    world = _World.of(competition)
    checks = []
    for place, snapshot in enumerate(history, start=1):
        before = history[place - 2] if place > 1 else None
        problems = [*_chain_problems(snapshot, place, before)]
        document = _parsed(snapshot.document)
        problems += [*_document_problems(snapshot, document, world)]
        listed = _listed(document)
        erased = sorted(listed & world.erased)
        checks.append(StandingsCheck(competition.id, snapshot.number, len(listed), erased, problems))
    return checks


@dataclass(frozen=True)
class _World:
    """What the documents must agree with."""

    competition: Competition
    totals: Mapping[UUID, Totals]
    people: frozenset[UUID]
    erased: frozenset[UUID]
    rules: Sequence[tuple[int, str]]  # the number of each frozen version, and what its document's digest is

    @classmethod
    def of(cls, competition: Competition) -> "_World":
        people = frozenset(participants_of(competition.id).values_list("user_id", flat=True))
        erased = User.objects.filter(id__in=people, erased_at__isnull=False).values_list("id", flat=True)
        versions = rules_versions(competition.id).values_list("number", "document")
        rules = [(number, sha256(text.encode()).hexdigest()) for number, text in versions]
        return cls(competition, totals_when_closed(competition), people, frozenset(erased), rules)


def _chain_problems(snapshot: FinalStandings, place: int, before: FinalStandings | None) -> Iterator[str]:
    if snapshot.number != place:
        yield f"number {place} is missing"
    if sha256(snapshot.document.encode()).hexdigest() != snapshot.digest:
        yield "the digest is not the document's"
    if snapshot.previous_digest != (before.digest if before else ""):
        yield "the previous digest is not that of the standings before"


def _parsed(text: str) -> Mapping[str, Any]:
    """The document, or nothing that could pass for one."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _listed(document: Mapping[str, Any]) -> set[UUID]:
    return {UUID(row["user_id"]) for row in _rows(document, "standings") if _is_id(row.get("user_id"))}


def _rows(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = document.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _is_id(text: Any) -> bool:
    try:
        return bool(str(UUID(text)) == text)
    except (ValueError, TypeError, AttributeError):
        return False


def _document_problems(snapshot: FinalStandings, document: Mapping[str, Any], world: _World) -> Iterator[str]:
    if document.get("format") != _FORMAT:
        yield f"the document is not {_FORMAT}"
        return
    yield from _head_problems(snapshot, document)
    yield from _rule_problems(document, world)
    if document.get("scoring_version") != SCORING_VERSION:
        yield f"made with scoring version {document.get('scoring_version')}, this server knows {SCORING_VERSION}"
        return
    try:
        yield from _people_problems(document, world)
        yield from _order_problems(document)
        for row in document["standings"]:
            yield from _row_problems(row, document["rules"], world)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        yield f"the document cannot be read: {type(error).__name__} {error}"


def _head_problems(snapshot: FinalStandings, document: Mapping[str, Any]) -> Iterator[str]:
    head = {
        "competition": str(snapshot.competition_id),
        "number": snapshot.number,
        "previous": snapshot.previous_digest,
        "scoring_version": snapshot.scoring_version,
        "frozen_at": _moment(snapshot.frozen_at),
        "frozen_by": str(snapshot.frozen_by_id) if snapshot.frozen_by_id else None,
        "reason": snapshot.reason,
    }
    for name, value in head.items():
        if document.get(name) != value:
            yield f"{name} is {document.get(name)!r} in the document and {value!r} beside it"


def _rule_problems(document: Mapping[str, Any], world: _World) -> Iterator[str]:
    """What people joined under is fixed from the start on, and nothing changes once it is over: the competition's rules
    are still those that were frozen, in their last version if there are versions."""
    competition = world.competition
    number, digest = world.rules[-1] if world.rules else (None, None)
    fixed = {
        "metric": competition.metric,
        "weights": {name: str(weight) for name, weight in competition.weights.items()},
        "score_source": competition.score_source,
        "tie_rule": competition.tie_rule,
        "first_day": str(competition.starts_on),
        "last_day": str(competition.last_on),
        "closes_at": _moment(competition.closes_at),
        "rules_version": number,
        "rules_digest": digest,
    }
    frozen = document.get("rules")
    for name, value in fixed.items():
        if not isinstance(frozen, dict) or frozen.get(name) != value:
            yield f"the rule {name} is not the competition's, {value!r}"


def _people_problems(document: Mapping[str, Any], world: _World) -> Iterator[str]:
    listed = Counter(UUID(row["user_id"]) for row in [*document["standings"], *document["disqualified"]])
    for user_id in sorted(user_id for user_id, times in listed.items() if times > 1):
        yield f"{user_id} is listed more than once"
    for user_id in sorted(listed.keys() - world.people):
        yield f"{user_id} is listed and does not take part"
    for user_id in sorted(world.people - listed.keys()):
        yield f"{user_id} takes part and is not listed"


def _order_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """More points first, then whoever reached them first, joined first, has the smaller id."""
    rows = document["standings"]
    in_order = sorted(rows, key=lambda row: (-row["score"], *(_sortable(row[name]) for name in _ORDER)))
    shared = document["rules"]["tie_rule"] == TieRule.SHARED
    better = {row["score"]: place for place, row in reversed(list(enumerate(in_order, start=1)))}
    for place, (found, expected) in enumerate(zip(rows, in_order, strict=True), start=1):
        if found["user_id"] != expected["user_id"]:
            yield f"{found['user_id']} stands at place {place}, where {expected['user_id']} belongs"
            return  # everybody behind may be moved by it
    for place, row in enumerate(in_order, start=1):
        rank = better[row["score"]] if shared else place
        if row["rank"] != rank:
            yield f"{row['user_id']} has rank {row['rank']} instead of {rank}"


def _sortable(value: str) -> Any:
    return UUID(value).bytes if _is_id(value) else datetime.fromisoformat(value)


def _row_problems(row: Mapping[str, Any], rules: Mapping[str, Any], world: _World) -> Iterator[str]:
    user_id = UUID(row["user_id"])
    counted = _counted(rules["score_source"], row["synced"], row["reported"])
    if row["counted"] != counted:
        yield f"{user_id}: {row['counted']} counted instead of {counted}"
    points = score_of(Totals(**counted), rules["metric"], rules["weights"])
    score = min(max(points + row["adjustment_points"], 0), MAX_SCORE)
    if row["score"] != score:
        yield f"{user_id} has {row['score']} points instead of {score}"
    if rules["score_source"] == ScoreSource.REPORTED or user_id in world.erased:
        return  # activity counts for nothing there, or is gone
    synced = asdict(world.totals.get(user_id, Totals()))
    if row["synced"] != synced:
        yield f"{user_id}: {row['synced']} synced, but the activity that arrived in time makes {synced}"


def _counted(source: str, synced: Mapping[str, int], reported: Mapping[str, int]) -> dict[str, int]:
    taken = {ScoreSource.SYNCED: [synced], ScoreSource.REPORTED: [reported], ScoreSource.EITHER: [synced, reported]}
    return {name: max(totals[name] for totals in taken[ScoreSource(source)]) for name in synced}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
