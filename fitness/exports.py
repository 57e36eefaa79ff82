"""What fitness knows of a person, for their export: everything that counts or once did, whoever may see it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from config.core.exports import Table
from config.core.json import dump_json
from fitness.models import (
    Activity,
    Connection,
    CountedDay,
    DataSource,
    Flag,
    FlagEvent,
    FlagEventKind,
    FlagEvidence,
    Import,
    Sample,
    SourcePreference,
    SupersededActivity,
    Tombstone,
)
from leaderboards.units import totals_to_wire

_CHUNK = 2_000
_AMOUNTS = ["steps", "distance_m", "calories_kcal", "active_minutes"]


def tables_of(user_id: UUID) -> Iterator[Table]:
    yield from _activity(user_id)
    yield from _samples(user_id)
    yield from _ways_in(user_id)
    yield from _flags(user_id)


def _activity(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "activity/days",
        "What each app said that you did on a day.",
        ["day", "source", *_AMOUNTS, "first_sent_at", "last_changed_at"],
        (
            [said.day, said.source, *totals_to_wire(said.totals).values(), said.created_at, said.synced_at]
            for said in Activity.objects.filter(user_id=user_id).order_by("day", "source").iterator(_CHUNK)
        ),
    )
    yield Table(
        "activity/days_before",
        "What an app had said before of days that a finished competition counted, in base units.",
        ["day", "source", "steps", "distance_mm", "energy_cal", "active_seconds", "from", "until"],
        SupersededActivity.objects.filter(user_id=user_id)
        .order_by("day", "source", "synced_at")
        .values_list(
            "day", "source", "steps", "distance_mm", "energy_cal", "active_seconds", "synced_at", "superseded_at"
        )
        .iterator(_CHUNK),
    )
    yield Table(
        "activity/counted",
        "What of your days counts, in base units: for yourself, and in the competition beside it.",
        ["competition_id", "day", "steps", "distance_mm", "energy_cal", "active_seconds"],
        CountedDay.objects.filter(user_id=user_id)
        .order_by("day", "competition_id")
        .values_list("competition_id", "day", "steps", "distance_mm", "energy_cal", "active_seconds")
        .iterator(_CHUNK),
    )


def _samples(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "activity/samples",
        "What was measured between two moments: steps, millimetres, small calories or seconds. A moment under"
        " superseded_at: it stood until then.",
        [
            "id",
            "version",
            "app",
            "device",
            "kind",
            "type",
            "start_at",
            "end_at",
            "amount",
            "recording",
            "zone",
            "channel",
            "arrived_at",
            "superseded_at",
        ],
        Sample.objects.filter(user_id=user_id)
        .order_by("start_at", "id")
        .values_list(
            *("external_id", "version", "source__app", "source__device", "source__kind", "type", "start_at", "end_at"),
            *("amount", "recording", "zone", "channel", "synced_at", "superseded_at"),
        )
        .iterator(_CHUNK),
    )
    yield Table(
        "activity/deleted_samples",
        "Samples that you deleted, by the sender's ids: so that they do not come back.",
        ["id", "deleted_at"],
        Tombstone.objects.filter(user_id=user_id)
        .order_by("deleted_at", "id")
        .values_list("external_id", "deleted_at")
        .iterator(_CHUNK),
    )


def _ways_in(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "activity/sources",
        "The apps and devices that sent something.",
        ["app", "device", "kind", "last_changed_at"],
        DataSource.objects.filter(user_id=user_id).order_by("id").values_list("app", "device", "kind", "synced_at"),
    )
    yield Table(
        "activity/source_preferences",
        "Which kinds of devices you trust more, best first.",
        ["kinds", "since"],
        SourcePreference.objects.filter(user_id=user_id).order_by("since_at", "id").values_list("kinds", "since_at"),
    )
    yield Table(
        "activity/connections",
        "The clouds that you connected.",
        ["cloud", "account", "state", "connected_at", "last_fetched_at", "last_error"],
        Connection.objects.filter(user_id=user_id)
        .order_by("id")
        .values_list("provider", "account", "state", "connected_at", "last_fetched_at", "last_error"),
    )
    yield Table(
        "activity/imports",
        "The files that you uploaded, and what became of them.",
        ["format", "state", "bytes", "read", "accepted", "unchanged", "rejected", "reason", "created_at"],
        Import.objects.filter(user_id=user_id)
        .order_by("created_at", "id")
        .values_list("format", "state", "bytes", "read", "accepted", "unchanged", "rejected", "reason", "created_at"),
    )


def _flags(user_id: UUID) -> Iterator[Table]:
    """As far as the person may see them: neither who decided, nor whose data theirs resembled."""
    yield Table(
        "flags/flags",
        "Where a check found something of yours not plausible, and what was decided.",
        ["flag_id", "competition_id", "check", "day", "state", "held", "opened_at", "decided_at", "reason", "appeal"],
        Flag.objects.filter(user_id=user_id)
        .order_by("opened_at", "id")
        .values_list(
            *("id", "competition_id", "check_name", "day", "state", "held", "opened_at", "decided_at", "reason"),
            "appeal",
        )
        .iterator(_CHUNK),
    )
    yield Table(
        "flags/evidence",
        "What was seen.",
        ["flag_id", "text", "numbers", "source", "metric", "start_at", "end_at", "day", "found_at"],
        (
            [
                piece.flag_id,
                piece.text,
                dump_json(piece.numbers).decode(),
                str(piece.source or piece.source_name),
                piece.type,
                piece.start_at,
                piece.end_at,
                piece.day,
                piece.found_at,
            ]
            for piece in _evidence(user_id).iterator(_CHUNK)
        ),
    )
    yield Table(
        "flags/events",
        "What happened to them.",
        ["flag_id", "at", "what", "by", "decision", "text"],
        (_event(event) for event in _events(user_id).iterator(_CHUNK)),
    )


def _evidence(user_id: UUID) -> QuerySet[FlagEvidence]:
    return FlagEvidence.objects.filter(flag__user_id=user_id).select_related("source").order_by("id")


def _events(user_id: UUID) -> QuerySet[FlagEvent]:
    return FlagEvent.objects.filter(flag__user_id=user_id).select_related("flag").order_by("id")


def _event(event: FlagEvent) -> list[Any]:
    by = {None: "server", event.flag.user_id: "you"}.get(event.by_id, "staff")
    said = event.flag.appeal if event.kind == FlagEventKind.APPEALED else event.text
    return [event.flag_id, event.at, event.kind, by, event.decision, said]
