"""Google Fit over REST, for those who still have credentials: https://developers.google.com/fit/rest/v1/reference.

The merged streams are read point by point (users.dataSources.datasets.get), because a point still says which stream it
came out of: an aggregate would mix what was typed in with what was measured. Calories are left out: Fit's hold what the
body burns at rest. There are no notifications to a server; connections are polled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django.conf import settings

from competitions.rules import DeviceKind
from fitness.clouds.base import RawSample, Window, fields_of, name_of
from fitness.clouds.google import GoogleCloud
from fitness.clouds.web import CloudAnswer, Fields
from fitness.rules import Channel, Recording, SampleType

NAME = "google_fit"
TITLE = "Google Fit"
SCOPES = frozenset(
    {
        "https://www.googleapis.com/auth/fitness.activity.read",
        "https://www.googleapis.com/auth/fitness.location.read",  # distances
    }
)
PAGE = 5_000


@dataclass(frozen=True)
class _Stream:
    """``value``: which field of a point's value holds it."""

    type: SampleType
    data_type: str
    name: str
    value: str
    unit: str


_STREAMS = (
    _Stream(SampleType.STEPS, "step_count.delta", "merge_step_deltas", "intVal", "count"),
    _Stream(SampleType.DISTANCE, "distance.delta", "merge_distance_delta", "fpVal", "m"),
    _Stream(SampleType.ACTIVE_MINUTES, "active_minutes", "merge_active_minutes", "intVal", "min"),
)
_KINDS = {"watch": DeviceKind.WATCH, "phone": DeviceKind.PHONE}


class GoogleFit(GoogleCloud):
    name = NAME
    title = TITLE
    channel = Channel.GOOGLE_FIT
    scopes = SCOPES

    def account_of(self, access: str) -> str:
        """Fit does not say; its scopes do not reach that far."""
        return ""

    def fetch(self, access: str, window: Window) -> Sequence[RawSample]:
        sources = self._sources(access)
        return [sample for stream in _STREAMS for sample in self._samples(stream, access, window, sources)]

    def _sources(self, access: str) -> dict[str, dict[str, str]]:
        """By the id of its stream the app and the device that fill it, as samples name them: users.dataSources.list."""
        listed = self._listed(_data_sources(), {}, access, items="dataSource")
        return {str(one["dataStreamId"]): _source(one) for one in map(fields_of, listed) if "dataStreamId" in one}

    def _samples(
        self, stream: _Stream, access: str, window: Window, sources: Mapping[str, dict[str, str]]
    ) -> Iterable[RawSample]:
        read = self._read(self._points(stream, access, window), lambda item: _wire(stream, item, window, sources))
        return [sample for sample in read if sample is not None]

    def _points(self, stream: _Stream, access: str, window: Window) -> list[Any]:
        """The id of a dataset is its span in nanoseconds since the epoch; points that only overlap it come too."""
        stream_id = f"derived:com.google.{stream.data_type}:com.google.android.gms:{stream.name}"
        url = f"{_data_sources()}/{quote(stream_id)}/datasets/{_nanos(window.start)}-{_nanos(window.end)}"
        try:
            return self._listed(url, {"limit": str(PAGE)}, access, items="point")
        except CloudAnswer:  # a 404: nothing has ever written to this stream
            return []


def _data_sources() -> str:
    return f"{settings.GOOGLE_FIT_URL}/fitness/v1/users/me/dataSources"


def _wire(stream: _Stream, item: Any, window: Window, sources: Mapping[str, dict[str, str]]) -> dict[str, Any] | None:
    """None for what starts outside of the window, or amounts to nothing. Fit knows no offsets from UTC, so the person's
    own zone is taken later. What somebody typed in comes from a stream named ``user_input``."""
    start, end = _time(item["startTimeNanos"]), _time(item["endTimeNanos"])
    amount = Decimal(item["value"][0][stream.value])
    if not amount or not window.start <= start < window.end:
        return None
    origin = item.get("originDataSourceId", "")
    return {
        "id": f"{NAME}:{stream.type.value}:{item['startTimeNanos']}-{item['endTimeNanos']}",
        "type": stream.type.value,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "value": amount,
        "unit": stream.unit,
        "source": sources.get(origin) or {"app": NAME, "device": "", "kind": DeviceKind.OTHER.value},
        "recording": (Recording.MANUAL if origin.endswith(":user_input") else Recording.AUTOMATIC).value,
    }


def _source(described: Fields) -> dict[str, str]:
    """DataSource: its application and its device."""
    device = fields_of(described.get("device"))
    return {
        "app": name_of(fields_of(described.get("application")).get("packageName")) or NAME,
        "device": name_of(device.get("manufacturer"), device.get("model")),
        "kind": _KINDS.get(device.get("type", ""), DeviceKind.OTHER).value,
    }


def _nanos(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _time(nanos: Any) -> datetime:
    seconds, rest = divmod(int(nanos), 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
