"""The Google Health API, version 4: https://developers.google.com/health/reference/rest.

Names, units, limits and filters are those of its discovery document (health:v4, revision 20260527). Two readings of the
same data are put together. ``dataPoints:reconcile`` is the one stream that Google makes of all of a person's sources,
which counts nothing twice, but no longer says where a point comes from. ``dataPoints`` (list) has the raw points, with
the device and with how they were recorded. So a reconciled point takes its source from the raw point of the same
interval; and where there is none, a manual entry inside the interval makes it one.
"""

import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from competitions.rules import DeviceKind
from fitness.clouds.base import CloudRefused, Notification, RawSample, Window, fields_of, name_of
from fitness.clouds.google import GoogleCloud
from fitness.rules import Channel, Recording, SampleType

NAME = "google_health"
TITLE = "Google Health"
SCOPE = "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly"
PAGE = 10_000  # the longest that there is
_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True)
class _DataType:
    """``path`` names it in addresses, ``field`` in a point's union, ``filter`` in filters."""

    type: SampleType
    path: str
    field: str
    filter: str
    unit: str


_DATA_TYPES = (
    _DataType(SampleType.STEPS, "steps", "steps", "steps", "count"),
    _DataType(SampleType.DISTANCE, "distance", "distance", "distance", "m"),
    _DataType(
        SampleType.CALORIES, "active-energy-burned", "activeEnergyBurned", "active_energy_burned", "kcal"
    ),  # without what the body burns at rest, which is no activity
    _DataType(SampleType.ACTIVE_MINUTES, "active-minutes", "activeMinutes", "active_minutes", "min"),
)

_COUNTED_LEVELS = frozenset({"MODERATE", "VIGOROUS"})
"""Light minutes are those of somebody who walks about the house."""

_KINDS = {
    "WATCH": DeviceKind.WATCH,
    "FITNESS_BAND": DeviceKind.BAND,
    "RING": DeviceKind.RING,
    "PHONE": DeviceKind.PHONE,
}
_RECORDINGS = {"MANUAL": Recording.MANUAL, "ACTIVELY_MEASURED": Recording.ACTIVE}


class _Origin(NamedTuple):
    app: str
    device: str
    kind: DeviceKind
    recording: Recording


_UNKNOWN = _Origin(NAME, "", DeviceKind.OTHER, Recording.AUTOMATIC)
_TYPED_IN = _UNKNOWN._replace(recording=Recording.MANUAL)


class _Point(NamedTuple):
    start: datetime
    end: datetime
    amount: int | Decimal
    zone: str
    origin: _Origin


class GoogleHealth(GoogleCloud):
    name = NAME
    title = TITLE
    channel = Channel.GOOGLE_HEALTH
    scopes = frozenset({SCOPE})

    def account_of(self, access: str) -> str:
        """``healthUserId``, which notifications name too: users.getIdentity."""
        account = self._get(f"{_me()}/identity", {}, access).get("healthUserId")
        if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
            raise CloudRefused(f"{TITLE} did not say whose account it is.")
        return account

    def fetch(self, access: str, window: Window) -> Sequence[RawSample]:
        return [sample for data_type in _DATA_TYPES for sample in self._samples(data_type, access, window)]

    def _samples(self, data_type: _DataType, access: str, window: Window) -> Iterable[RawSample]:
        points = f"{_me()}/dataTypes/{data_type.path}/dataPoints"
        reconciled = self._points(f"{points}:reconcile", data_type, access, window)
        raw = self._points(points, data_type, access, window) if reconciled else []
        wire = [_wire(data_type, point) for point in attributed(reconciled, raw) if point.amount]
        return {sample["id"]: sample for sample in wire}.values()

    def _points(self, url: str, data_type: _DataType, access: str, window: Window) -> list[_Point]:
        """Only ``>=`` and ``<`` may stand in a filter: https://developers.google.com/health/filters."""
        start = f"{data_type.filter}.interval.start_time"
        query = {"filter": f'{start} >= "{_moment(window.start)}" AND {start} < "{_moment(window.end)}"'}
        query["pageSize"] = str(PAGE)
        return self._read(self._listed(url, query, access, items="dataPoints"), lambda item: _point(item, data_type))


def _me() -> str:
    return f"{settings.GOOGLE_HEALTH_URL}/v4/users/me"


def attributed(reconciled: Iterable[_Point], raw: Sequence[_Point]) -> Iterator[_Point]:
    """Reconciled points with the origins of the raw ones. Of several raw points with one interval that with the same
    amount is meant; where none has it, one that was typed in rather than another."""
    origins: dict[tuple[datetime, datetime], list[_Point]] = {}
    for point in raw:
        origins.setdefault((point.start, point.end), []).append(point)
    typed_in = [point for point in raw if point.origin.recording == Recording.MANUAL]
    for point in reconciled:
        candidates = origins.get((point.start, point.end), [])
        same = [candidate for candidate in candidates if candidate.amount == point.amount]
        manual = [candidate for candidate in candidates if candidate in typed_in]
        if candidates:
            yield point._replace(origin=(same or manual or candidates)[0].origin)
        elif any(entry.start < point.end and point.start < entry.end for entry in typed_in):
            yield point._replace(origin=_TYPED_IN)
        else:
            yield point


def _point(item: Any, data_type: _DataType) -> _Point:
    """ObservationTimeInterval and the value of the union: Steps.count, Distance.millimeters and
    ActiveMinutesByActivityLevel.activeMinutes are int64, so strings; ActiveEnergyBurned.kcal is a number."""
    reading = item[data_type.field]
    interval = reading["interval"]
    start, end = datetime.fromisoformat(interval["startTime"]), datetime.fromisoformat(interval["endTime"])
    amount: int | Decimal
    match data_type.type:
        case SampleType.STEPS:
            amount = int(reading["count"])
        case SampleType.DISTANCE:
            amount = Decimal(int(reading["millimeters"])) / 1000
        case SampleType.CALORIES:
            amount = Decimal(reading["kcal"])
        case SampleType.ACTIVE_MINUTES:
            levels = reading["activeMinutesByActivityLevel"]
            amount = sum(int(one["activeMinutes"]) for one in levels if one["activityLevel"] in _COUNTED_LEVELS)
    source = item.get("dataSource")
    return _Point(
        start.astimezone(UTC),
        end.astimezone(UTC),
        amount,
        _zone(interval.get("startUtcOffset", "0s")),
        _origin(source) if source else _UNKNOWN,
    )


def _origin(source: Any) -> _Origin:
    """DataSource: the app that provided it, else the platform that it came over; the device by its name."""
    app = name_of(fields_of(source.get("application")).get("packageName")) or name_of(source.get("platform")).lower()
    device = fields_of(source.get("device"))
    return _Origin(
        app or NAME,
        name_of(device.get("manufacturer"), device.get("displayName")),
        _KINDS.get(device.get("formFactor", ""), DeviceKind.OTHER),
        _RECORDINGS.get(source.get("recordingMethod", ""), Recording.AUTOMATIC),
    )


def _zone(offset: str) -> str:
    """``-12600s`` → ``-03:30``"""
    minutes = int(offset.removesuffix("s")) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _wire(data_type: _DataType, point: _Point) -> dict[str, Any]:
    """Points have no names of their own ("only supported for the subset of identifiable data types"), so type and
    interval name them."""
    return {
        "id": f"{NAME}:{data_type.path}:{_moment(point.start)}/{_moment(point.end)}",
        "type": data_type.type.value,
        "start": _moment(point.start),
        "end": _moment(point.end),
        "value": point.amount,
        "unit": data_type.unit,
        "source": {"app": point.origin.app, "device": point.origin.device, "kind": point.origin.kind.value},
        "recording": point.origin.recording.value,
        "zone": point.zone,
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# Webhooks: https://developers.google.com/health/webhooks.


def is_google_health(authorization: str) -> bool:
    """Whether the header is one that we gave Google for our subscriber, compared in constant time."""
    sent = authorization.encode("utf-8", "replace")
    return any(hmac.compare_digest(sent, secret.encode()) for secret in settings.GOOGLE_HEALTH_WEBHOOK_SECRETS)


def is_verification(body: Any) -> bool:
    """Google asks whether this is our address; see projects.subscribers.create."""
    return isinstance(body, dict) and body.get("type") == "verification"


def read_notifications(body: Any) -> set[Notification]:
    """Who has new data; a body may hold one notification or a list. What else stands in it is not needed: the fetch
    that follows asks for everything since the last one."""
    items = body if isinstance(body, list) else [body]
    data = [item.get("data") for item in items if isinstance(item, dict)]
    accounts = [one.get("healthUserId") for one in data if isinstance(one, dict)]
    return {Notification(one) for one in accounts if isinstance(one, str) and _ACCOUNT.fullmatch(one)}
