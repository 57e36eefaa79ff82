"""Google on this machine: consent and tokens, the Google Health API and Google Fit, as their documentation has them.

https://developers.google.com/identity/protocols/oauth2/web-server, https://developers.google.com/health/reference/rest
(with the discovery document health:v4, revision 20260527) and https://developers.google.com/fit/rest/v1/reference. What
they do not know is refused here: parameters, filters, scopes, a code that was used, a verifier that does not fit.
"""

import json
import re
import threading
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

Object = dict[str, Any]

HEALTH_SCOPE = "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly"
FIT_SCOPES = {
    "https://www.googleapis.com/auth/fitness.activity.read",
    "https://www.googleapis.com/auth/fitness.location.read",
}
FIELDS = {
    "steps": "steps",
    "distance": "distance",
    "active-energy-burned": "activeEnergyBurned",
    "active-minutes": "activeMinutes",
}
CONSENT_PARAMETERS = {
    "client_id", "redirect_uri", "response_type", "scope", "access_type", "prompt", "state", "code_challenge",
    "code_challenge_method",
}  # fmt: skip


class Problem(Exception):
    """An error of an API, https://google.aip.dev/193, or of OAuth, RFC 6749, section 5.2."""

    def __init__(self, status: int, body: Object) -> None:
        self.status, self.body = status, body


def api_problem(status: int, code: str, reason: str = "") -> Problem:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return Problem(status, {"error": {"code": status, "message": "No.", "status": code, "details": details}})


def oauth_problem(error: str, status: int = 400) -> Problem:
    return Problem(status, {"error": error, "error_description": "Bad Request"})


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request to an address that holds ``at``."""

    how: Literal["answer", "hang", "close"]
    at: str = ""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


class Google:
    """One client and one person's account. What does not go over HTTP (the person consents, a device syncs) is a
    method."""

    def __init__(self) -> None:
        self.url = ""
        self.client_id, self.client_secret = "1-abc.apps.googleusercontent.com", "GOCSPX-hush"
        self.redirect_uri = "https://steps.example.org/api/v1/fitness/connections/callback"
        self.account = "health-user-1"
        self.page_limit = 10_000
        self.points: dict[str, list[Object]] = {name: [] for name in FIELDS}
        self.streams: dict[str, list[Object]] = {}
        self.sources: list[Any] = []
        self.faults: deque[Fault] = deque()
        self.asked: list[str] = []
        self.secrets: list[str] = [self.client_secret]
        self.grants: dict[str, set[str]] = {}
        self.access: dict[str, str] = {}
        self.revoked: list[str] = []
        self.let_go = threading.Event()
        self._codes: dict[str, tuple[str, set[str]]] = {}
        self._pages: dict[str, tuple[str, int]] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    def new_secret(self, prefix: str) -> str:
        secret = f"{prefix}-{next(self._numbers):03}-hush-hush"
        self.secrets.append(secret)
        return secret

    # The person, and their devices.

    def consent(self, authorize_url: str, *, scopes: set[str] | None = None) -> Object:
        """The person allows everything, or only ``scopes``; what their browser brings back."""
        parts = urlsplit(authorize_url)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/o/oauth2/v2/auth"
        assert query.keys() == CONSENT_PARAMETERS
        assert query["client_id"] == self.client_id
        assert query["redirect_uri"] == self.redirect_uri, "redirect_uri_mismatch"
        assert (query["response_type"], query["access_type"], query["prompt"]) == ("code", "offline", "consent")
        assert query["code_challenge_method"] == "S256"
        asked = set(query["scope"].split())
        assert asked in ({HEALTH_SCOPE}, FIT_SCOPES)
        code = self.new_secret("4/0A")
        self._codes[code] = (query["code_challenge"], asked if scopes is None else scopes)
        return {"state": query["state"], "code": code, "scope": " ".join(sorted(asked))}

    def withdraw(self) -> None:
        """The person takes the permission back in their Google account."""
        self.grants.clear()
        self.access.clear()

    def expire_access(self) -> None:
        self.access.clear()

    def measure(
        self, data_type: str, start: datetime, amount: float, *, minutes: int = 1, offset: str = "7200s", **source: Any
    ) -> Object:
        """A device brings a point; ``source``: fields of its DataSource."""
        value: Object = {"interval": interval(start, start + timedelta(minutes=minutes), offset)}
        match data_type:
            case "steps":
                value["count"] = str(amount)
            case "distance":
                value["millimeters"] = str(amount)
            case "active-energy-burned":
                value["kcal"] = amount
            case "active-minutes":
                value["activeMinutesByActivityLevel"] = [
                    {"activityLevel": "MODERATE", "activeMinutes": str(amount)},
                    {"activityLevel": "LIGHT", "activeMinutes": "99"},
                ]
        point = {"dataSource": source or WATCH, FIELDS[data_type]: value}
        self.points[data_type].append(point)
        return point

    def fit_point(self, stream: str, start: datetime, value: Object, *, minutes: int = 1, origin: str = "") -> Object:
        nanos = int(start.timestamp()) * 10**9
        point = {
            "startTimeNanos": str(nanos),
            "endTimeNanos": str(nanos + minutes * 60 * 10**9),
            "modifiedTimeMillis": "1",
            "dataTypeName": stream.split(":")[1],
            "originDataSourceId": origin,
            "value": [value | {"mapVal": []}],
        }
        self.streams.setdefault(stream, []).append(point)
        return point

    # Endpoints.

    def answer(self, method: str, path: str, query: str, form: str, headers: Mapping[str, str]) -> Object:
        with self._lock:
            self.asked.append(f"{method} {path}")
            match method, path:
                case "POST", "/token":
                    return self.token(dict(parse_qsl(form, strict_parsing=True)))
                case "POST", "/revoke":
                    return self.revoke(dict(parse_qsl(form, strict_parsing=True)))
            scopes = self.scopes_of(headers)
            if method == "GET" and path.startswith("/v4/users/me/"):
                if HEALTH_SCOPE not in scopes:
                    raise api_problem(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
                return self.health(path.removeprefix("/v4/users/me/"), query)
            if method == "GET" and path.startswith("/fitness/v1/users/me/"):
                if not scopes >= FIT_SCOPES:
                    raise Problem(403, {"error": {"code": 403, "errors": [{"reason": "insufficientPermissions"}]}})
                return self.fit(path.removeprefix("/fitness/v1/users/me/"), query)
            raise api_problem(404, "NOT_FOUND")

    def token(self, form: dict[str, str]) -> Object:
        if (form.pop("client_id", ""), form.pop("client_secret", "")) != (self.client_id, self.client_secret):
            raise oauth_problem("invalid_client", 401)
        match form.pop("grant_type", ""):
            case "authorization_code":
                return self.exchange(**form)
            case "refresh_token":
                return self.refreshed(**form)
        raise oauth_problem("unsupported_grant_type")

    def exchange(self, *, code: str, code_verifier: str, redirect_uri: str) -> Object:
        challenge, scopes = self._codes.pop(code, ("", set()))
        proof = urlsafe_b64encode(sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        if not challenge or proof != challenge or redirect_uri != self.redirect_uri:
            raise oauth_problem("invalid_grant")
        refresh = self.new_secret("1//refresh")
        self.grants[refresh] = scopes
        return self.issued(refresh) | {"refresh_token": refresh}

    def refreshed(self, *, refresh_token: str) -> Object:
        if refresh_token not in self.grants:
            raise oauth_problem("invalid_grant")
        return self.issued(refresh_token)

    def issued(self, refresh: str) -> Object:
        access = self.new_secret("ya29.access")
        self.access[access] = refresh
        scope = " ".join(sorted(self.grants[refresh]))
        return {"access_token": access, "expires_in": 3599, "scope": scope, "token_type": "Bearer"}

    def revoke(self, form: dict[str, str]) -> Object:
        assert form.keys() == {"token"}
        if form["token"] not in self.grants:
            raise oauth_problem("invalid_token")
        self.revoked.append(form["token"])
        self.withdraw()
        return {}

    def scopes_of(self, headers: Mapping[str, str]) -> set[str]:
        scheme, _, access = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or access not in self.access:
            raise api_problem(401, "UNAUTHENTICATED")
        return self.grants[self.access[access]]

    def health(self, path: str, query: str) -> Object:
        if path == "identity" and not query:
            return {"name": "users/me/identity", "legacyUserId": "A1B2C3", "healthUserId": self.account}
        found = re.fullmatch(r"dataTypes/([a-z-]+)/dataPoints(:reconcile)?", path)
        if found is None or found[1] not in FIELDS:
            raise api_problem(404, "NOT_FOUND")
        given = parsed(query, {"filter", "pageSize", "pageToken"})
        start, end = filter_of(given.get("filter", ""), found[1].replace("-", "_"))
        points = sorted(self.points[found[1]], key=lambda point: started(point, found[1]), reverse=True)
        points = [point for point in points if start <= started(point, found[1]) < end]
        if found[2]:
            points = reconciled(points, found[1])
        return self.page("dataPoints", points, given, f"{path}?{given.get('filter')}", "pageSize")

    def fit(self, path: str, query: str) -> Object:
        if path == "dataSources":
            parsed(query, {"dataTypeName"})
            return {"dataSource": self.sources}
        found = re.fullmatch(r"dataSources/([^/]+)/datasets/(\d+)-(\d+)", path)
        if found is None:
            raise api_problem(400, "INVALID_ARGUMENT")
        given = parsed(query, {"limit", "pageToken"})
        stream, first, last = unquote(found[1]), int(found[2]), int(found[3])
        if stream not in self.streams:
            raise api_problem(404, "NOT_FOUND")
        points = [
            point
            for point in sorted(self.streams[stream], key=lambda point: int(point["endTimeNanos"]), reverse=True)
            if int(point["startTimeNanos"]) <= last and int(point["endTimeNanos"]) >= first
        ]
        return self.page("point", points, given, path, "limit") | {"dataSourceId": stream}

    def page(self, name: str, points: list[Object], given: dict[str, str], query: str, size: str) -> Object:
        """A token is good for the query that it came from."""
        known, begin = self._pages.get(given["pageToken"], ("", 0)) if "pageToken" in given else (query, 0)
        if known != query:
            raise api_problem(400, "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
        end = begin + min(int(given.get(size, "1440")), self.page_limit)
        if end >= len(points):
            return {name: points[begin:]} if points else {}
        token = f"page-{next(self._numbers)}"
        self._pages[token] = (query, end)
        return {name: points[begin:end], "nextPageToken": token}


WATCH: Object = {
    "recordingMethod": "PASSIVELY_MEASURED",
    "device": {"formFactor": "WATCH", "manufacturer": "Google", "displayName": "Pixel Watch 4"},
    "platform": "FITBIT",
}
TYPED_IN: Object = {"recordingMethod": "MANUAL", "platform": "FITBIT"}


def interval(start: datetime, end: datetime, offset: str) -> Object:
    return {
        "startTime": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "startUtcOffset": offset,
        "endTime": end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "endUtcOffset": offset,
    }


def started(point: Object, data_type: str) -> datetime:
    return datetime.fromisoformat(point[FIELDS[data_type]]["interval"]["startTime"])


def reconciled(points: list[Object], data_type: str) -> list[Object]:
    """One point for each interval, the largest, without a word about where it comes from."""
    best: dict[str, Object] = {}
    for point in points:
        value = point[FIELDS[data_type]]
        key = json.dumps(value["interval"])
        if key not in best or weight(value) > weight(best[key][FIELDS[data_type]]):
            best[key] = {"dataPointName": "", FIELDS[data_type]: value}
    return list(best.values())


def weight(value: Object) -> float:
    return float(value.get("count") or value.get("millimeters") or value.get("kcal") or 0)


def parsed(query: str, known: set[str]) -> dict[str, str]:
    given = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := given.keys() - known:
        raise api_problem(400, "INVALID_ARGUMENT", f"UNKNOWN_{unknown}")
    return given


def filter_of(text: str, name: str) -> tuple[datetime, datetime]:
    """https://developers.google.com/health/filters: snake case, ``>=`` and ``<``, RFC 3339."""
    at = re.escape(f"{name}.interval.start_time")
    moment = r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)"'
    found = re.fullmatch(f"{at} >= {moment} AND {at} < {moment}", text)
    if found is None:
        raise api_problem(400, "INVALID_ARGUMENT", "INVALID_DATA_POINT_FILTER")
    return datetime.fromisoformat(found[1]), datetime.fromisoformat(found[2])


# HTTP.


def handler_of(google: Google) -> type[BaseHTTPRequestHandler]:
    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet, or each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self.serve("")

        def do_POST(self) -> None:
            self.serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def serve(self, form: str) -> None:
            parts = urlsplit(self.path)
            if google.faults and google.faults[0].at in parts.path:
                return self.fail(google.faults.popleft())
            try:
                status, body = 200, google.answer(self.command, parts.path, parts.query, form, dict(self.headers))
            except Problem as problem:
                status, body = problem.status, problem.body
            return self.reply(status, json.dumps(body).encode(), {})

        def fail(self, fault: Fault) -> None:
            google.asked.append(f"fault {fault.how}")
            self.close_connection = True
            if fault.how == "answer":
                self.reply(fault.status, fault.body, {"Connection": "close", **fault.headers})
            elif fault.how == "hang":
                google.let_go.wait(5)

        def reply(self, status: int, body: bytes, extra: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json; charset=UTF-8", **extra}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Endpoint


@contextmanager
def running() -> Iterator[Google]:
    google = Google()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(google)) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        google.url = f"http://127.0.0.1:{server.server_port}"
        yield google
        google.let_go.set()
        server.shutdown()
        thread.join()


def callback_of(brought: Object) -> str:
    return f"/api/v1/fitness/connections/callback?{urlencode(brought)}"
