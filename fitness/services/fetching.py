"""Fetching what the clouds know. A fetch is claimed for a while on its connection, so there is one at a time, and a
worker that dies leaves nothing behind but a claim that runs out. Each part of a fetch is stored with how far it came;
the same part again changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.notices import Event
from accounts.services.notifying import notify_people
from accounts.services.people import lock_people
from config.core.metrics import CLOUD_FETCHES
from fitness.clouds import KNOWN, provider
from fitness.clouds.base import (
    CloudBusy,
    CloudError,
    ConnectionState,
    ConsentNeeded,
    Grant,
    Provider,
    RawSample,
    TokenRefused,
    Window,
)
from fitness.clouds.vault import Unreadable
from fitness.models import Connection, Sample
from fitness.rules import UnbelievableRecord
from fitness.samples import SampleReading, read_sample
from fitness.services.connections import FETCHED_STATES, enqueue_fetch, opened, sealed_tokens
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities

log = structlog.get_logger(__name__)

FIRST_FETCH = timedelta(days=30)
OVERLAP = timedelta(days=3)
"""Trackers that were out of reach of their phone bring what they measured days later."""

PART = timedelta(days=5)
"""Fetched and stored at once: at a reading a minute and metric some 30,000 samples."""

CLAIM = timedelta(minutes=15)
REFRESH_BEFORE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


class _Lost(Exception):
    """The connection was closed, or the claim ran out and somebody else fetches."""


def due_connections(now: datetime) -> QuerySet[Connection]:
    """Those with news that nobody has fetched, those that have waited long enough, and those without news for long:
    their webhooks may have fallen silent, or they have none."""
    quiet = now - timedelta(minutes=settings.CLOUD_POLL_MINUTES)
    return _free(now).filter(
        Q(last_fetched_at=None)
        | Q(last_fetched_at__lte=quiet)
        | Q(last_notified_at__gt=F("last_fetched_at"))
        | Q(waits_until__lte=now)
    )


def enqueue_due_fetches(*, now: datetime, most: int = 1000) -> None:
    longest_first = due_connections(now).order_by(F("last_fetched_at").asc(nulls_first=True))
    for connection_id in longest_first.values_list("id", flat=True)[:most]:
        enqueue_fetch(connection_id)


def fetch_connection(*, connection_id: int, now: datetime) -> Connection | None:
    """Fetches what is new, and says how the connection stands; None when there is nothing to do, or somebody else is at
    it. Never inside a transaction, and never raises what happens at the cloud: the connection remembers it."""
    claim = now + CLAIM
    if not _free(now).filter(id=connection_id).update(claimed_until=claim):
        return None
    connection = Connection.objects.select_related("user").get(id=connection_id)
    try:
        changes = _Fetch(connection, provider(connection.provider), now).run()
    except _Lost:
        return None
    except ConsentNeeded as error:
        changes = {"state": ConnectionState.NEEDS_CONSENT, "tokens": "", "expires_at": None, "last_error": str(error)}
    except Unreadable:
        text = f"This server cannot read its access to {KNOWN[connection.provider].title} any more; connect again."
        changes = {"state": ConnectionState.NEEDS_CONSENT, "tokens": "", "expires_at": None, "last_error": text}
    except CloudBusy as error:
        changes = {"waits_until": now + timedelta(seconds=error.retry_after), "last_error": str(error)}
    except CloudError as error:
        pause = min(FIRST_PAUSE * 2 ** min(connection.failures, 20), LONGEST_PAUSE)
        changes = {
            "state": ConnectionState.FAILING,
            "failures": connection.failures + 1,
            "waits_until": now + pause,
            "last_error": str(error),
        }
    with transaction.atomic():
        ended = _claimed(connection).update(claimed_until=None, **changes)
        if ended and changes.get("state") == ConnectionState.NEEDS_CONSENT:
            _ask_for_consent(connection, now)
    connection.refresh_from_db()
    outcome = changes.get("state", "busy")
    CLOUD_FETCHES.labels(provider=connection.provider, outcome=outcome).inc()
    log.info("connection_fetched", provider=connection.provider, user_id=str(connection.user_id), outcome=outcome)
    return connection


def _ask_for_consent(connection: Connection, now: datetime) -> None:
    """Without it their activity stops coming, and nobody else would tell them."""
    notify_people(
        event=Event.CONSENT_NEEDED,
        told={connection.user_id: {"provider": KNOWN[connection.provider].title}},
        dedupe_key=f"consent_needed:{connection.id}:{connection.connected_at.isoformat()}",
        now=now,
    )


class _Fetch:
    """One fetch of one claimed connection."""

    def __init__(self, connection: Connection, cloud: Provider, now: datetime) -> None:
        self._connection = connection
        self._cloud = cloud
        self._now = now
        tokens = opened(connection.tokens)
        self._grant = Grant(tokens.access, tokens.refresh, connection.expires_at or now)

    def run(self) -> dict[str, Any]:
        """What the connection is like afterwards. Raises CloudError and _Lost."""
        if self._grant.expires_at <= self._now + REFRESH_BEFORE:
            self._refresh()
        for window in _windows(self._connection, self._now):
            self._store(window, self._samples(window))
        return {
            "state": ConnectionState.CONNECTED,
            "last_fetched_at": self._now,
            "waits_until": None,
            "failures": 0,
            "last_error": "",
        }

    def _samples(self, window: Window) -> Sequence[RawSample]:
        """Once more with a new token, should the cloud refuse one that looked good."""
        try:
            return self._cloud.fetch(self._grant.access, window)
        except TokenRefused:
            self._refresh()
        try:
            return self._cloud.fetch(self._grant.access, window)
        except TokenRefused as error:
            raise ConsentNeeded(str(error)) from None

    def _refresh(self) -> None:
        self._grant = self._cloud.refresh(self._grant.refresh, now=self._now)
        kept = _claimed(self._connection).update(tokens=sealed_tokens(self._grant), expires_at=self._grant.expires_at)
        if not kept:
            raise _Lost

    @transaction.atomic
    def _store(self, window: Window, raw: Sequence[RawSample]) -> None:
        """What starts in the window and is not among the samples has gone at the cloud, so it goes here too."""
        connection = self._connection
        lock_people([connection.user_id])  # first, as everybody does who moves totals
        if not _claimed(connection).update(fetched_until=window.end):
            raise _Lost
        samples = _versioned(connection, window, self._readings(raw), self._now)
        sync_activities(
            samples=[
                SampleChanges(connection.user_id, self._cloud.channel, samples, complete=(window.start, window.end))
            ],
            now=self._now,
        )

    def _readings(self, raw: Sequence[RawSample]) -> list[SampleReading]:
        """Those that are believable; what is not is noted and left out."""
        zone = self._connection.user.timezone or "UTC"
        readings, refused = [], 0
        for sample in raw:
            try:
                readings.append(read_sample(sample, zone=zone, now=self._now))
            except UnbelievableRecord:
                refused += 1
        if refused:
            log.warning("cloud_samples_refused", provider=self._cloud.name, count=refused)
        return readings


def _free(now: datetime) -> QuerySet[Connection]:
    """Those that may be fetched now."""
    return Connection.objects.filter(
        Q(waits_until=None) | Q(waits_until__lte=now),
        Q(claimed_until=None) | Q(claimed_until__lte=now),
        state__in=FETCHED_STATES,
        user__is_active=True,
    )


def _claimed(connection: Connection) -> QuerySet[Connection]:
    """The same, as long as it is still ours."""
    return Connection.objects.filter(id=connection.id, claimed_until=connection.claimed_until, state__in=FETCHED_STATES)


def _windows(connection: Connection, now: datetime) -> Iterator[Window]:
    """From some days before where the last fetch ended up to now, in parts."""
    start = now - FIRST_FETCH
    if connection.fetched_until is not None:
        start = max(start, connection.fetched_until - OVERLAP)
    while start < now:
        end = min(start + PART, now)
        yield Window(start, end)
        start = end


def _versioned(
    connection: Connection, window: Window, readings: Sequence[SampleReading], now: datetime
) -> list[SampleReading]:
    """Clouds do not say when a point last changed. So what differs from what stands here is as new as this fetch, and
    what does not keeps the version that it has: fetched again, it changes nothing."""
    stored = Sample.objects.filter(
        user_id=connection.user_id, superseded_at=None, start_at__gte=window.start, start_at__lt=window.end
    )
    source = ("source__app", "source__device", "source__kind")
    standing = {
        id_: (version, tuple(said))
        for id_, version, *said in stored.values_list(
            "external_id", "version", "amount", "end_at", "recording", "zone", *source
        )
    }
    newest = int(now.timestamp() * 1000)
    return [replace(reading, version=_version(reading, standing, newest)) for reading in readings]


def _version(reading: SampleReading, standing: Mapping[str, tuple[int, tuple[object, ...]]], newest: int) -> int:
    version, stands = standing.get(reading.external_id, (0, ()))
    read = (reading.amount, reading.end_at, reading.recording, reading.zone, *reading.source)
    return version if stands == read else max(newest, version + 1)
