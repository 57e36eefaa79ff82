"""Reads the table of who may do what (matrix.txt), and what is sent to each door."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accounts.models import Scope
from tests.doors.world import PASSWORD, WHO, picture_file

TABLE = Path(__file__).with_name("matrix.txt")

_YEAR = {"start_date": "2031-01-01", "end_date": "2031-01-31"}
_PLAN = {"places": [{"first": 1, "percent": 100}]}
_REASON = {"reason": "It is over."}

# What is sent, by the line it belongs to; a text in braces is one of the world's rows, {me} whoever asks.
BODIES: Mapping[str, Any] = {
    "POST /api/v1/auth/register": {"email": "new@example.org", "password": PASSWORD, "name": "New"},
    "POST /api/v1/auth/token": {"email": "part@example.org", "password": PASSWORD},
    "POST /api/v1/auth/token/refresh": {"refresh": "{refresh}"},
    "POST /api/v1/auth/logout": {"refresh": "{refresh}"},
    "POST /api/v1/auth/password": {"current": PASSWORD, "password": "another-long-walk"},
    "POST /api/v1/auth/password/reset": {"email": "part@example.org"},
    "POST /api/v1/auth/password/reset/confirm": {"token": "{reset}", "password": "another-long-walk"},
    "POST /api/v1/auth/email/verify": {"token": "{verify}"},
    "POST /api/v1/auth/ticket": {"competition_id": "{running}"},
    "DELETE /api/v1/users/{part}": {"password": PASSWORD},
    "PUT /api/v1/users/{part}/profile": {"name": "Another", "bio": "", "country": "", "timezone": "", "language": ""},
    "PATCH /api/v1/users/{part}/profile": {"name": "Another"},
    "POST /api/v1/users/{part}/avatar": lambda: {"avatar": picture_file()},
    "POST /api/v1/notifications/read": {"ids": ["{notification}"]},
    "PATCH /api/v1/notifications/preferences": {"quiet_from": "22:00", "quiet_until": "07:00"},
    "POST /api/v1/notifications/devices": {"token": "of-another-phone", "platform": "web"},
    "PUT /api/v1/notifications/phone": {"number": "+4915187654321"},
    "POST /api/v1/notifications/phone/verify": {"code": "{phone_code}"},
    "POST /api/v1/competitions": {"name": "New walk", **_YEAR},
    "PATCH /api/v1/competitions/{upcoming}": {"name": "Renamed"},
    "POST /api/v1/competitions/{public}/join": {},
    "POST /api/v1/competitions/{running}/join": {},
    "POST /api/v1/leaderboard/update": {"user_id": "{part}", "competition_id": "{running}", "steps": 90_000},
    "POST /api/v1/leaderboard/{running}/corrections": {"user_id": "{part}", "points": 5, "reason": "A bonus."},
    "POST /api/v1/fitness/sync": {"user_id": "{part}", "steps": 90_000, "source": "health_connect"},
    "PUT /api/v1/fitness/sources": {"preference": ["watch"]},
    "POST /api/v1/fitness/imports": lambda: {"file": _gpx()},
    "POST /api/v1/fitness/flags/{flag}/appeal": {"text": "It was a race."},
    "POST /api/v1/fitness/flags/{flag}/decide": {"decision": "accept", "reason": "I asked."},
    "PUT /api/v1/prizes/plan/{upcoming}": _PLAN,
    "POST /api/v1/prizes/calculate/{over}": {},
    "POST /api/v1/prizes/funding/{upcoming}": {"amount": 10, "reference": "bank 7", **_REASON},
    "POST /api/v1/prizes/distribute/{over}": _REASON,
    "POST /api/v1/prizes/approve/{waiting}": _REASON,
    "POST /my-day": {"steps": "5000", "date": "{today}"},
    "POST /sign-up": {"name": "New", "email": "new@example.org", "password": PASSWORD},
    "POST /sign-in": {"email": "part@example.org", "password": PASSWORD},
    "POST /forgot-password": {"email": "part@example.org"},
    "POST /reset-password/{reset}": {"token": "{reset}", "password": "another-long-walk"},
    "POST /verify-email/{verify}": {"token": "{verify}"},
    "POST /notifications/read": {"id": "{notification}"},
    "POST /notifications/settings": {"quiet_from": "22:00", "quiet_until": "07:00"},
    "POST /notifications/phone": {"number": "+49 151 87654321"},
    "POST /profile": {"name": "Another"},
    "POST /profile/picture": lambda: {"avatar": picture_file()},
    "POST /profile/password": {"current": PASSWORD, "password": "another-long-walk"},
    "POST /profile/sign-out-everywhere": {"password": PASSWORD},
    "POST /profile/erase": {"password": PASSWORD},
    "POST /profile/sources/google_fit": {"do": "connect"},
}
# The scope that a key needs there.
SCOPES = {
    "POST /api/v1/leaderboard/update": Scope.SCORES_WRITE,
    "POST /api/v1/fitness/sync": Scope.ACTIVITY_WRITE,
    "POST /api/v1/prizes/distribute/{over}": Scope.PRIZES_DISTRIBUTE,
    "GET /health/detailed": Scope.OPERATIONS_READ,
    "GET /metrics": Scope.OPERATIONS_READ,
}


def _gpx() -> Any:
    file = picture_file()
    file.name = "walk.gpx"
    file.seek(0)
    file.truncate()
    file.write(b'<?xml version="1.0"?><gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1"></gpx>')
    file.seek(0)
    return file


@dataclass(frozen=True)
class Line:
    method: str
    pattern: str
    expected: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.pattern}"

    @property
    def is_page(self) -> bool:
        return not self.pattern.startswith(("/api/v1", "/ws/", "/health", "/metrics"))

    def body(self, rows: Mapping[str, str]) -> Any:
        body = BODIES.get(self.name, {})
        return body() if callable(body) else filled(body, rows)


def filled(body: Any, rows: Mapping[str, str]) -> Any:
    match body:
        case dict():
            return {name: filled(value, rows) for name, value in body.items()}
        case list():
            return [filled(value, rows) for value in body]
        case str() if re.fullmatch(r"\{\w+\}", body):
            return rows[body[1:-1]]
    return body


def read_table(text: str) -> list[Line]:
    lines = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            method, pattern, *cells = line.split()
            assert len(cells) == len(WHO), f"{len(WHO)} cells are expected: {line}"
            lines.append(Line(method, pattern, dict(zip(WHO, cells, strict=True))))
    return lines
