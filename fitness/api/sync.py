"""The sync as it crosses the wire, whoever carries it: records become readings, samples become changes, results become
an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.queries import people_by_id
from config.core.api import envelope
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.errors import Forbidden, Invalid
from config.core.metrics import RECORDS, RECORDS_REFUSED, SYNCS
from fitness.rules import Channel, Reading, UnbelievableRecord, read_record
from fitness.samples import SampleReading, read_id, read_moment, read_sample
from fitness.services.samples import SampleChanges
from fitness.services.syncing import Batch, SyncResult

MAX_RECORDS = 1000
MAX_SAMPLES = 10_000

Errors = Mapping[str, Sequence[str]]
Rejected = Mapping[str, Any]
"""``index`` of a record or sample in the body and its ``errors`` by field; ``list`` where it is about neither."""

_OF_SAMPLES = ("samples", "deleted", "complete_from", "complete_to")


@dataclass(frozen=True)
class Sync:
    """What of a body is to be stored, and what of it cannot be. ``places``: where each sample stood in the body."""

    batch: Batch
    rejected: Sequence[Rejected]
    places: Sequence[int] = field(default=())


def read_sync(sender: User | None, body: Any, now: datetime) -> Sync:
    """``sender`` is None for a service, whose key holds the scope; only for that is the database asked.

    Raises Invalid when there is nothing acceptable at all, Forbidden when a person names somebody else.
    """
    if not isinstance(body, dict):
        raise Invalid(details={"body": ["Write a JSON object."]})
    if any(name in body for name in _OF_SAMPLES):
        return _read_samples(sender, body, now)
    return _read_records(sender, body, now)


def sync_answer(result: SyncResult, sync: Sync) -> dict[str, Any]:
    """The body of the answer; counts what became of the records."""
    refused = [{"index": sync.places[one.place], "errors": one.errors} for refused in result.refused for one in refused]
    SYNCS.inc()
    _count(accepted=result.accepted, unchanged=result.unchanged)
    _count_refused(refused)
    data: dict[str, Any] = {
        "accepted": result.accepted,
        "unchanged": result.unchanged,
        "rejected": [*sync.rejected, *refused],
        "counted_in": result.counted_in,
    }
    if sync.batch.samples:
        data["removed"] = result.removed
    return envelope(data, message="Activity stored.")


def _count(**outcomes: int) -> None:
    for outcome, count in outcomes.items():
        RECORDS.labels(outcome=outcome).inc(count)


_REASONS = frozenset(
    "active_minutes calories complete_from complete_to date deleted distance end id recording source start steps type"
    " unit user_id value version zone".split()
)


def _count_refused(rejected: Sequence[Rejected]) -> None:
    """By the first field that was wrong. The names are ours; a client's own word would make a series of its own."""
    _count(rejected=len(rejected))
    for one in rejected:
        wrong = next(iter(one["errors"]), "").partition(".")[0]
        RECORDS_REFUSED.labels(reason=wrong if wrong in _REASONS else "other").inc()


def _people(sender: User | None, names: Sequence[Any]) -> Mapping[UUID, User]:
    """Who may be meant, by id. Raises Forbidden when a person names somebody else."""
    if sender is None:
        return people_by_id({user_id for user_id in map(_uuid, names) if user_id})
    if any(isinstance(name, str) and not _is(sender, name) for name in names):
        raise Forbidden("You may only sync your own activity.")
    return {sender.id: sender}


def _owner(name: Any, sender: User | None, people: Mapping[UUID, User]) -> User:
    """Whose it is: what a person sends is their own, a service names the person. Raises UnbelievableRecord when it
    names nobody."""
    if sender is not None and (name is None or _is(sender, name)):
        return sender
    user_id = _uuid(name)
    if user_id is None or user_id not in people:
        raise UnbelievableRecord({"user_id": ["There is no such person."]})
    return people[user_id]


def _is(sender: User, name: Any) -> bool:
    return name == "me" or _uuid(name) == sender.id


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


# --- Day totals ---


def _read_records(sender: User | None, body: Mapping[str, Any], now: datetime) -> Sync:
    records, is_batch = _records_of(body)
    people = _people(sender, [record.get("user_id") for record in records if isinstance(record, dict)])
    readings: list[Reading] = []
    rejected: list[Rejected] = []
    for index, record in enumerate(records):
        try:
            name = record.get("user_id") if isinstance(record, dict) else None
            readings.append(_read(record, _owner(name, sender, people), now))
        except UnbelievableRecord as error:
            rejected.append({"index": index, "errors": error.errors})
    _count_refused(rejected)
    if not readings:
        raise Invalid("No record was acceptable.", details=_details(rejected, "records" if is_batch else ""))
    return Sync(Batch(readings, now), rejected)


def _records_of(body: Mapping[str, Any]) -> tuple[Sequence[Any], bool]:
    """The body's records, and whether it was a batch. Raises Invalid."""
    if "records" not in body:
        return [body], False
    return _listed(body, "records", MAX_RECORDS, at_least=1), True


def _listed(body: Mapping[str, Any], name: str, most: int, *, at_least: int = 0) -> list[Any]:
    listed = body.get(name, [])
    if not isinstance(listed, list) or len(listed) < at_least:
        raise Invalid(details={name: ["Write a list" + (" with at least one record." if at_least else ".")]})
    if len(listed) > most:
        raise Invalid(details={name: [f"Send {most} {'ids' if name == 'deleted' else name} at most at once."]})
    return listed


def _read(record: Any, person: User, now: datetime) -> Reading:
    today, latest = _today(person, now)
    return read_record(record, user_id=person.id, today=today, latest_day=latest)


def _today(person: User, now: datetime) -> tuple[date, date]:
    """Today where the person is, and the last day that has begun there; somebody who has not said where that is may be
    anywhere on Earth."""
    return day_in(person.timezone or "UTC", now), day_in(person.timezone or EARLIEST_ZONE, now)


def _details(rejected: Sequence[Rejected], name: str) -> dict[str, list[str]]:
    """By field; ``name`` of the list that they stood in, if it was one."""
    if not name:
        return dict(rejected[0]["errors"])
    return {
        f"{r.get('list', name)}[{r['index']}].{field}" if "index" in r else field: texts
        for r in rejected
        for field, texts in r["errors"].items()
    }


# --- Samples ---


def _read_samples(sender: User | None, body: Mapping[str, Any], now: datetime) -> Sync:
    if "records" in body:
        raise Invalid(details={"records": ["Send records or samples, not both at once."]})
    raw, deleted = _listed(body, "samples", MAX_SAMPLES), _listed(body, "deleted", MAX_SAMPLES)
    try:
        owner = _owner(body.get("user_id"), sender, _people(sender, [body.get("user_id")]))
    except UnbelievableRecord as error:
        raise Invalid(details=error.errors) from None
    samples, places, rejected = _samples(raw, owner, now)
    gone = _ids(deleted, rejected)
    complete = _window(body, rejected)
    _count_refused(rejected)
    if not (samples or gone or complete):
        raise Invalid("No sample was acceptable.", details=_details(rejected, "samples") or {"samples": [_NOTHING]})
    changes = SampleChanges(owner.id, Channel.PUSH, samples, gone, complete)
    return Sync(Batch((), now, [changes]), rejected, places)


_NOTHING = "Send at least one sample, an id in deleted, or a complete window."


def _samples(raw: Sequence[Any], owner: User, now: datetime) -> tuple[list[SampleReading], list[int], list[Rejected]]:
    """Those that are samples, where they stood, and the others."""
    samples: list[SampleReading] = []
    places: list[int] = []
    rejected: list[Rejected] = []
    zone = owner.timezone or "UTC"
    for index, one in enumerate(raw):
        try:
            samples.append(read_sample(one, zone=zone, now=now))
            places.append(index)
        except UnbelievableRecord as error:
            rejected.append({"index": index, "errors": error.errors})
    return samples, places, rejected


def _ids(deleted: Sequence[Any], rejected: list[Rejected]) -> set[str]:
    ids: set[str] = set()
    for index, one in enumerate(deleted):
        errors: dict[str, list[str]] = {}
        id_ = read_id(one, errors)
        if errors:
            rejected.append({"list": "deleted", "index": index, "errors": errors})
        else:
            ids.add(id_)
    return ids


def _window(body: Mapping[str, Any], rejected: list[Rejected]) -> tuple[datetime, datetime] | None:
    """The complete window. None, with a complaint, for one that cannot be read or that lacks samples that cannot be:
    they would be taken for removed."""
    if body.get("complete_from") is None and body.get("complete_to") is None:
        return None
    errors: dict[str, list[str]] = {}
    first, last = (read_moment(body.get(name), name, errors) for name in ("complete_from", "complete_to"))
    if not errors and last <= first:
        errors["complete_to"] = ["The window ends before it begins."]
    elif not errors and rejected:
        errors["complete_from"] = ["Something beside it could not be read, so nothing was removed."]
    if errors:
        rejected.append({"errors": errors})
        return None
    return first, last
