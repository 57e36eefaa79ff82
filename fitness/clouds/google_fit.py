"""Google Fit over REST, for those who still have credentials: https://developers.google.com/fit/rest/v1/reference.

The merged streams are read point by point (users.dataSources.datasets.get), because a point still says which stream it
came out of: an aggregate would mix what was typed in with what was measured. Calories are left out: Fit's hold what the
body burns at rest. There are no notifications to a server; connections are polled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import structlog
from django.conf import settings

from competitions.rules import DeviceKind
from fitness.clouds.base import CloudRefused, ConsentNeeded, RawSample, Window, fields_of, name_of
from fitness.clouds.google_oauth import GoogleOAuth
from fitness.clouds.web import CloudAnswer, Fields
from fitness.rules import Channel, Recording, SampleType

log = structlog.get_logger(__name__)

NAME = "google_fit"
TITLE = "Google Fit"
SCOPES = frozenset(
    {
        "https://www.googleapis.com/auth/fitness.activity.read",
        "https://www.googleapis.com/auth/fitness.location.read",  # distances
    }
)
PAGE = 5_000
MOST_PAGES = 100


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


class GoogleFit(GoogleOAuth):
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
        listed = self._get("users/me/dataSources", {}, access).get("dataSource", [])
        described = [fields_of(one) for one in listed] if isinstance(listed, list) else []
        return {str(one["dataStreamId"]): _source(one) for one in described if "dataStreamId" in one}

    def _samples(
        self, stream: _Stream, access: str, window: Window, sources: Mapping[str, dict[str, str]]
    ) -> Iterator[RawSample]:
        for item in self._points(stream, access, window):
            try:
                sample = _wire(stream, item, window, sources)
            except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
                log.warning("cloud_point_unreadable", provider=NAME, type=stream.type, error=type(error).__name__)
                continue
            if sample is not None:
                yield sample

    def _points(self, stream: _Stream, access: str, window: Window) -> Iterator[Any]:
        """Of all pages. The id of a dataset is its span in nanoseconds since the epoch; points that only overlap it
        come too."""
        dataset = f"{_nanos(window.start)}-{_nanos(window.end)}"
        stream_id = f"derived:com.google.{stream.data_type}:com.google.android.gms:{stream.name}"
        path = f"users/me/dataSources/{quote(stream_id)}/datasets/{dataset}"
        query = {"limit": str(PAGE)}
        for _ in range(MOST_PAGES):
            answer = self._get(path, query, access)
            points = answer.get("point", [])
            yield from points if isinstance(points, list) else []
            token = answer.get("nextPageToken")
            if not token or not isinstance(token, str):
                return
            query["pageToken"] = token
        raise CloudRefused(f"{TITLE} gave more pages than we read.")

    def _get(self, path: str, query: Mapping[str, str], access: str) -> Fields:
        try:
            return self._web.get(f"{settings.GOOGLE_FIT_URL}/fitness/v1/{path}", params=query, access=access)
        except CloudAnswer as answer:
            if answer.status == 404:  # nothing has ever written to this stream
                return {}
            log.warning("cloud_refused", provider=NAME, status=answer.status)
            if answer.status == 403:
                raise ConsentNeeded(f"Not all that we need was allowed at {TITLE}; connect again.") from None
            raise CloudRefused(str(answer)) from None


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
