"""Storing samples: which of those sent say something new, and what they take the place of.

Of several versions of a sample the newest stands, a deletion is final, and a window that is said to be complete removes
what it does not have, until it is sent again. What stood once is kept.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from competitions.rules import DeviceKind
from config.core.sql import columns
from fitness.plausibility import StoredSample
from fitness.reckoning import days_touched, microseconds
from fitness.rules import Channel, Recording, SampleType
from fitness.samples import SampleReading, SourceKey

Id = tuple[UUID, str]
"""A person, and the sender's id of a sample."""

MOST_SOURCES = 200
"""Of one person, for ever: apps on devices. They are merged against one another, and each may be flagged."""


@dataclass(frozen=True)
class SampleChanges:
    """What one person's devices say is new: samples, ids that were deleted, and a window, its end exclusive, of which
    everything that came this way and starts inside it is among the samples."""

    user_id: UUID
    channel: Channel
    samples: Sequence[SampleReading] = ()
    deleted: Collection[str] = ()
    complete: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Refused:
    """A sample, by its place among those sent, that contradicts what is stored, or is of one source too many."""

    place: int
    errors: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Known:
    """What stands under an id; without a row, what the same request said of it before."""

    sample: SampleReading
    row: int | None = None


@dataclass
class Plan:
    """What is to be written of somebody's changes. ``gone``: rows that stand no more, with whether a window removed
    them."""

    changes: SampleChanges
    new: dict[str, SampleReading] = field(default_factory=dict)
    gone: dict[int, tuple[SampleReading, bool]] = field(default_factory=dict)
    buried: set[str] = field(default_factory=set)
    accepted: int = 0
    unchanged: int = 0
    removed: int = 0
    refused: list[Refused] = field(default_factory=list)

    def spans(self) -> Iterator[SampleReading]:
        """Everything that it puts in or takes out."""
        yield from self.new.values()
        yield from (sample for sample, _ in self.gone.values())

    def days(self) -> set[date]:
        """On which something may count otherwise than before, wherever its person was."""
        touched = {days_touched(microseconds(s.start_at), microseconds(s.end_at), None) for s in self.spans()}
        return {first + timedelta(days=ahead) for first, last in touched for ahead in range((last - first).days + 1)}


def plan_samples(sent: Sequence[SampleChanges]) -> list[Plan]:
    """Compares what different people sent with what is stored: three statements at most. The people are locked."""
    known, buried = _stored([(c.user_id, id_) for c in sent for id_ in _ids(c)])
    sources = _sources_of({changes.user_id for changes in sent if changes.samples})
    inside = _inside_windows([changes for changes in sent if changes.complete])
    plans = []
    for changes in sent:
        plan = Plan(changes, buried=set(changes.deleted))
        theirs, already = known.get(changes.user_id, {}), buried.get(changes.user_id, set())
        _plan_deletions(plan, theirs, inside.get(changes.user_id, {}))
        dead = plan.buried | already
        for place, sample in enumerate(changes.samples):
            if _has_room(sources.setdefault(changes.user_id, set()), sample.source):
                _plan_sample(plan, place, sample, theirs, dead)
            else:
                plan.refused.append(Refused(place, {"source": [f"You have {MOST_SOURCES} sources already."]}))
        plan.buried -= already
        plans.append(plan)
    return plans


def write_samples(plans: Sequence[Plan], at: Mapping[UUID, datetime]) -> dict[UUID, list[StoredSample]]:
    """Says what is new of each person; ``at``: the moment that theirs counts as arrived. The number of statements does
    not depend on how much it is."""
    sources = _write_sources(plans, at)
    _bury([(plan.changes.user_id, id_, at[plan.changes.user_id]) for plan in plans for id_ in plan.buried])
    _supersede([(row, at[p.changes.user_id], by_window) for p in plans for row, (_, by_window) in p.gone.items()])
    return _insert(plans, sources, at)


def _has_room(sources: set[SourceKey], source: SourceKey) -> bool:
    """Whether it is one of them, or becomes one."""
    if len(sources) < MOST_SOURCES:
        sources.add(source)
    return source in sources


def _sources_of(user_ids: Collection[UUID]) -> dict[UUID, set[SourceKey]]:
    known: dict[UUID, set[SourceKey]] = {}
    if user_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT user_id, app, device, kind FROM fitness_datasource WHERE user_id = ANY(%s)", [list(user_ids)]
            )
            for user_id, app, device, kind in cursor.fetchall():
                known.setdefault(user_id, set()).add(SourceKey(app, device, DeviceKind(kind)))
    return known


def _ids(changes: SampleChanges) -> set[str]:
    return {sample.external_id for sample in changes.samples} | set(changes.deleted)


def _plan_deletions(plan: Plan, theirs: Mapping[str, _Known], inside: Mapping[str, _Known]) -> None:
    sent = {sample.external_id for sample in plan.changes.samples}
    for id_ in plan.buried:
        if id_ in theirs:
            _take_out(plan, theirs[id_], by_window=False)
    for id_, known in inside.items():
        if id_ not in sent and known.row not in plan.gone:
            _take_out(plan, known, by_window=True)
    plan.removed = len(plan.gone)


def _take_out(plan: Plan, known: _Known, *, by_window: bool) -> None:
    if known.row is not None:
        plan.gone[known.row] = known.sample, by_window


def _plan_sample(
    plan: Plan, place: int, sample: SampleReading, theirs: dict[str, _Known], dead: Collection[str]
) -> None:
    known = theirs.get(sample.external_id)
    if sample.external_id in dead or (known and (_says(known, sample) or known.sample.version > sample.version)):
        plan.unchanged += 1
    elif known and known.sample.version == sample.version:
        says = "This sample is stored with other values under the same version; send a change with a larger version."
        plan.refused.append(Refused(place, {"version": [says]}))
    else:
        if known:
            _take_out(plan, known, by_window=False)
        plan.new[sample.external_id] = sample
        theirs[sample.external_id] = _Known(sample)
        plan.accepted += 1


def _says(known: _Known, sample: SampleReading) -> bool:
    """Whether it is the same sample. The zone may have been that of the person's profile, which is another by now."""
    return known.sample == replace(sample, zone=known.sample.zone)


_SAMPLE = """s.id, s.external_id, s.version, src.app, src.device, src.kind, s.type, s.start_at, s.end_at, s.amount,
           s.recording, s.zone"""


def _known(row: int, id_: str, version: int, app: str, device: str, kind: str, type_: str, *rest: Any) -> _Known:
    start_at, end_at, amount, recording, zone = rest
    source = SourceKey(app, device, DeviceKind(kind))
    type_, recording = SampleType(type_), Recording(recording)
    return _Known(SampleReading(id_, version, source, type_, start_at, end_at, amount, recording, zone), row)


def _stored(ids: Collection[Id]) -> tuple[dict[UUID, dict[str, _Known]], dict[UUID, set[str]]]:
    """What stands under these ids, and which of them were deleted, of each person."""
    known: dict[UUID, dict[str, _Known]] = {}
    buried: dict[UUID, set[str]] = {}
    if not ids:
        return known, buried
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT sent.user_id, sent.external_id, t.id IS NOT NULL, {_SAMPLE}
              FROM unnest(%s::uuid[], %s::text[]) AS sent (user_id, external_id)
              LEFT JOIN fitness_sample s ON s.user_id = sent.user_id AND s.external_id = sent.external_id
                                        AND s.superseded_at IS NULL
              LEFT JOIN fitness_datasource src ON src.id = s.source_id
              LEFT JOIN fitness_tombstone t ON t.user_id = sent.user_id AND t.external_id = sent.external_id
             WHERE s.id IS NOT NULL OR t.id IS NOT NULL
            """,  # noqa: S608 - constants
            columns(ids, 2),
        )
        for user_id, id_, dead, *sample in cursor.fetchall():
            if dead:
                buried.setdefault(user_id, set()).add(id_)
            if sample[0] is not None:
                known.setdefault(user_id, {})[id_] = _known(*sample)
    return known, buried


def _inside_windows(sent: Sequence[SampleChanges]) -> dict[UUID, dict[str, _Known]]:
    """What of each person starts inside their complete window and came the same way."""
    inside: dict[UUID, dict[str, _Known]] = {}
    if not sent:
        return inside
    windows = [(changes.user_id, changes.channel, *(changes.complete or ())) for changes in sent]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.user_id, {_SAMPLE}
              FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                   AS said (user_id, channel, complete_from, complete_to)
              JOIN fitness_sample s ON s.user_id = said.user_id AND s.channel = said.channel
               AND s.start_at >= said.complete_from AND s.start_at < said.complete_to AND s.superseded_at IS NULL
              JOIN fitness_datasource src ON src.id = s.source_id
            """,  # noqa: S608 - constants
            columns(windows, 4),
        )
        for user_id, *sample in cursor.fetchall():
            inside.setdefault(user_id, {})[sample[1]] = _known(*sample)
    return inside


def _write_sources(plans: Iterable[Plan], at: Mapping[UUID, datetime]) -> dict[tuple[UUID, SourceKey], int]:
    """The ids of all sources of which something changes."""
    named = {(plan.changes.user_id, sample.source) for plan in plans for sample in plan.spans()}
    if not named:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_datasource (user_id, app, device, kind, synced_at)
            SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
                ON CONFLICT (user_id, app, device, kind) DO UPDATE SET synced_at = excluded.synced_at
            RETURNING id, user_id, app, device, kind
            """,
            columns([(user_id, *source, at[user_id]) for user_id, source in named], 5),
        )
        return {
            (user_id, SourceKey(app, device, DeviceKind(kind))): id_
            for id_, user_id, app, device, kind in cursor.fetchall()
        }


def _bury(rows: Collection[tuple[UUID, str, datetime]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO fitness_tombstone (user_id, external_id, deleted_at)
                SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[])
                """,
                columns(rows, 3),
            )


def _supersede(rows: Collection[tuple[int, datetime, bool]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE fitness_sample s SET superseded_at = gone.at, removed_by_window = gone.by_window
                  FROM unnest(%s::bigint[], %s::timestamptz[], %s::boolean[]) AS gone (id, at, by_window)
                 WHERE s.id = gone.id
                """,
                columns(rows, 3),
            )


def _insert(
    plans: Sequence[Plan], sources: Mapping[tuple[UUID, SourceKey], int], at: Mapping[UUID, datetime]
) -> dict[UUID, list[StoredSample]]:
    rows = [
        (
            *(plan.changes.user_id, sources[plan.changes.user_id, sample.source], sample.external_id, sample.version),
            *(plan.changes.channel, sample.type, sample.start_at, sample.end_at, sample.amount, sample.recording),
            *(sample.zone, at[plan.changes.user_id]),
        )
        for plan in plans
        for sample in plan.new.values()
    ]
    stored: dict[UUID, list[StoredSample]] = {}
    if not rows:
        return stored
    new = {(plan.changes.user_id, id_): sample for plan in plans for id_, sample in plan.new.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_sample (user_id, source_id, external_id, version, channel, type, start_at, end_at,
                                        amount, recording, zone, synced_at, removed_by_window)
            SELECT *, false
              FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[],
                          %s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
            RETURNING user_id, external_id, id, source_id
            """,
            columns(rows, 12),
        )
        for user_id, external_id, id_, source_id in cursor.fetchall():
            s = new[user_id, external_id]
            stored.setdefault(user_id, []).append(
                StoredSample(id_, source_id, s.type, s.start_at, s.end_at, s.amount, s.recording)
            )
    return stored
