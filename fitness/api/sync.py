"""The sync as it crosses the wire, whoever carries it: records become readings, results become an answer."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.queries import people_by_id
from config.core.api import envelope
from config.core.clock import EARLIEST_ZONE, day_in
from config.core.errors import Forbidden, Invalid
from config.core.metrics import RECORDS
from fitness.rules import Reading, UnbelievableRecord, read_record
from fitness.services.syncing import SyncResult

MAX_RECORDS = 1000

Rejected = Mapping[str, Any]
"""``index`` of a record in the body and its ``errors`` by field."""


def read_sync(sender: User | None, body: Any, now: datetime) -> tuple[list[Reading], list[Rejected]]:
    """The readings of a body, and which of its records are none. ``sender`` is None for a service, whose key holds the
    scope; only for that is the database asked.

    Raises Invalid when there is no reading at all, Forbidden when a person names somebody else.
    """
    records, is_batch = _records_of(body)
    named = [record.get("user_id") for record in records if isinstance(record, dict)]
    if sender is None:
        people = people_by_id({user_id for user_id in map(_uuid, named) if user_id})
    else:
        people = {sender.id: sender}
        if any(isinstance(name, str) and not _is(sender, name) for name in named):
            raise Forbidden("You may only sync your own activity.")
    readings: list[Reading] = []
    rejected: list[Rejected] = []
    for index, record in enumerate(records):
        try:
            readings.append(_read(record, _owner(record, sender, people), now))
        except UnbelievableRecord as error:
            rejected.append({"index": index, "errors": error.errors})
    RECORDS.labels(outcome="rejected").inc(len(rejected))
    if not readings:
        raise Invalid("No record was acceptable.", details=_details(rejected, is_batch))
    return readings, rejected


def sync_answer(result: SyncResult, rejected: Sequence[Rejected]) -> dict[str, Any]:
    """The body of the answer; counts what became of the records."""
    RECORDS.labels(outcome="accepted").inc(result.accepted)
    RECORDS.labels(outcome="unchanged").inc(result.unchanged)
    data = {
        "accepted": result.accepted,
        "unchanged": result.unchanged,
        "rejected": rejected,
        "counted_in": result.counted_in,
    }
    return envelope(data, message="Activity stored.")


def _records_of(body: Any) -> tuple[Sequence[Any], bool]:
    """The body's records, and whether it was a batch. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid(details={"body": ["Write a JSON object."]})
    if "records" not in body:
        return [body], False
    records = body["records"]
    if not isinstance(records, list) or not records:
        raise Invalid(details={"records": ["Write a list with at least one record."]})
    if len(records) > MAX_RECORDS:
        raise Invalid(details={"records": [f"Send {MAX_RECORDS} records at most at once."]})
    return records, True


def _owner(record: Any, sender: User | None, people: Mapping[UUID, User]) -> User:
    """Whose the record is: a person's records are their own, a service names the person in each. Raises
    UnbelievableRecord when it names nobody."""
    name = record.get("user_id") if isinstance(record, dict) else None
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


def _read(record: Any, person: User, now: datetime) -> Reading:
    today, latest = _today(person, now)
    return read_record(record, user_id=person.id, today=today, latest_day=latest)


def _today(person: User, now: datetime) -> tuple[date, date]:
    """Today where the person is, and the last day that has begun there; somebody who has not said where that is may be
    anywhere on Earth."""
    return day_in(person.timezone or "UTC", now), day_in(person.timezone or EARLIEST_ZONE, now)


def _details(rejected: Sequence[Rejected], is_batch: bool) -> dict[str, list[str]]:
    if not is_batch:
        return dict(rejected[0]["errors"])
    return {f"records[{r['index']}].{field}": texts for r in rejected for field, texts in r["errors"].items()}
