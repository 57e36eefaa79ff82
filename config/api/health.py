"""Is it alive, is it ready, and which part of it is not well."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse

from config.api.figures import Figures, figures
from config.api.operators import operators_only
from config.core.circuit import CircuitState
from config.core.errors import reading
from config.core.json import dump_json
from config.core.pools import postgresql_pool, redis_pool
from config.core.redis import RedisError, redis_client

DETAILS_TTL_SECONDS = 5
LATE_SECONDS = 60
"""A job that could run has waited too long by then; the usual one waits for a moment."""
_NEEDED = ("postgresql", "migrations")
_migrated: list[bool] = []

Component = dict[str, Any]
"""``status`` is healthy, degraded (at work, and worse than it should be) or unhealthy; more by the component."""


@reading
def health(request: HttpRequest) -> HttpResponse:
    """Nothing is asked of any dependency."""
    return _answer({"status": "healthy", "service": "pacesetter"})


@reading
def live(request: HttpRequest) -> HttpResponse:
    return _answer({"status": "alive"})


@reading
def ready(request: HttpRequest) -> HttpResponse:
    """503 without PostgreSQL or with migrations missing. Without Redis the server is degraded and still right."""
    components = check_components()
    status = 200 if is_ready(components) else 503
    return _answer({"status": _overall(components), "components": _names(components)}, status)


@reading
def detailed(request: HttpRequest) -> HttpResponse:
    """Each component with its latency, what the pools, the mirror and the queue are at, and which clouds and providers
    are left alone; remembered for five seconds, by each process for itself, as the pools are its own. For operators."""
    operators_only(request)
    return _answer(_details.get())


def check_components() -> dict[str, Component]:
    """Those without which requests are refused, or slower."""
    postgresql = _timed(_postgresql)
    found = {"postgresql": postgresql}
    found["migrations"] = _timed(_migrations) if postgresql_answers(found) else postgresql
    found["redis"] = _timed(lambda: redis_client().ping())
    return found


def postgresql_answers(components: Mapping[str, Component]) -> bool:
    """Whether PostgreSQL does. Else whatever is asked of it would only wait for a connection once more."""
    return bool(components["postgresql"]["status"] == "healthy")


def is_ready(components: Mapping[str, Component]) -> bool:
    return all(components[name]["status"] == "healthy" for name in _NEEDED)


def _read_details() -> dict[str, Any]:
    components = check_components()
    components["postgresql"] = components["postgresql"] | {"pool": asdict(postgresql_pool())}
    components["redis"] = components["redis"] | {"pool": asdict(redis_pool())}
    began = time.perf_counter()
    found = figures(postgresql_answers=postgresql_answers(components))
    taken = {"latency_ms": _milliseconds_since(began)}
    circuits = found.circuits or {}
    components |= {"mirror": _mirror(found) | taken, "jobs": _jobs(found) | taken}
    components["circuits"] = {"status": "healthy" if _all_closed(circuits) else "degraded"} | taken
    return {"status": _overall(components), "components": components, "circuits": circuits}


def _mirror(found: Figures) -> Component:
    if found.mirror is None:
        return {"status": "unhealthy"}
    behind = {"boards_behind": found.mirror.boards, "rows_behind": found.mirror.rows}
    return {"status": "degraded" if found.mirror.boards else "healthy", **behind}


def _jobs(found: Figures) -> Component:
    if found.jobs is None:
        return {"status": "unhealthy"}
    late = found.jobs.oldest_due_seconds > LATE_SECONDS
    waited = round(found.jobs.oldest_due_seconds, 1)
    return {"status": "degraded" if late else "healthy", "oldest_due_seconds": waited, **found.jobs.by_state}


def _all_closed(circuits: Mapping[str, str]) -> bool:
    return all(state == CircuitState.CLOSED for state in circuits.values())


class _Remembered:
    """However many ask, one looks."""

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read
        self._until = 0.0
        self._found: dict[str, Any] = {}
        self._looking = threading.Lock()

    def get(self) -> dict[str, Any]:
        with self._looking:
            if self._until <= time.monotonic():
                self._found = self._read()
                self._until = time.monotonic() + DETAILS_TTL_SECONDS
            return self._found

    def forget(self) -> None:
        self._until = 0.0


_details = _Remembered(_read_details)


def forget_details() -> None:
    """The next who asks has everything looked at."""
    _details.forget()


def _postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    """Raises DatabaseError while some are missing. Once all are there it asks no more."""
    if _migrated:
        return
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise DatabaseError(f"{len(missing)} migrations are missing; run manage.py migrate")
    _migrated.append(True)


def _timed(check: Callable[[], object]) -> Component:
    began = time.perf_counter()
    try:
        check()
        status = "healthy"
    except (DatabaseError, InterfaceError, RedisError):
        status = "unhealthy"
    return {"status": status, "latency_ms": _milliseconds_since(began)}


def _milliseconds_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)


def _overall(components: Mapping[str, Component]) -> str:
    if not is_ready(components):
        return "unavailable"
    return "ready" if all(found["status"] == "healthy" for found in components.values()) else "degraded"


def _names(components: Mapping[str, Component]) -> dict[str, str]:
    return {name: found["status"] for name, found in components.items()}


def _answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(dump_json(body), content_type="application/json", status=status)
