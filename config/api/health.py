"""Is it alive, is it ready, and which part of it is not well."""

import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import tokens
from accounts.authentication import CallerAuthentication
from accounts.channels import sending
from accounts.models import Scope, ServiceKey, User
from config.core import storage
from config.core.errors import Forbidden, reading
from config.core.json import dump_json
from config.core.redis import RedisError, redis_client
from config.core.request import direct_address_of
from fitness import clouds
from prizes import gateways

DETAILS_TTL_SECONDS = 5
_migrated: list[bool] = []


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
    status = _overall(components)
    return _answer({"status": status, "components": _names(components)}, 503 if status == "unavailable" else 200)


@reading
def detailed(request: HttpRequest) -> HttpResponse:
    """Each component with its latency, and which clouds and providers are left alone; remembered for five seconds.
    For operators."""
    _operators_only(request)
    found = _remembered()
    if found is None:
        components = check_components()
        calls = (clouds, sending, tokens, gateways, storage)
        circuits = {name: state for part in calls for name, state in part.circuits().items()}
        found = {"status": _overall(components), "components": components, "circuits": circuits}
        _remember(found)
    return _answer(found)


@reading
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus. For operators."""
    _operators_only(request)
    exported: HttpResponse = ExportToDjangoView(request)
    return exported


def check_components() -> dict[str, dict[str, Any]]:
    postgresql = _timed(_postgresql)
    answers = postgresql["status"] == "healthy"  # else the migrations would only wait for a connection once more
    return {
        "postgresql": postgresql,
        "migrations": _timed(_migrations) if answers else postgresql,
        "redis": _timed(lambda: redis_client().ping()),
    }


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


def _timed(check: Callable[[], object]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        check()
        status = "healthy"
    except (DatabaseError, InterfaceError, RedisError):
        status = "unhealthy"
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 2)}


def _overall(components: dict[str, dict[str, Any]]) -> str:
    unhealthy = {name for name, found in components.items() if found["status"] != "healthy"}
    if unhealthy & {"postgresql", "migrations"}:
        return "unavailable"
    return "degraded" if unhealthy else "ready"


def _names(components: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: found["status"] for name, found in components.items()}


def _remembered() -> Any:
    try:
        return cache.get("health:detailed")
    except RedisError:
        return None


def _remember(found: dict[str, Any]) -> None:
    with suppress(RedisError):
        cache.set("health:detailed", found, DETAILS_TTL_SECONDS)


def _operators_only(request: HttpRequest) -> None:
    """The configured networks, keys with the scope, and staff. Raises Forbidden."""
    address = direct_address_of(request)
    if address and any(ip_address(address) in network for network in settings.OPERATIONS_NETWORKS):
        return
    try:
        caller, key = CallerAuthentication().authenticate(Request(request)) or (AnonymousUser(), None)
    except AuthenticationFailed:
        raise Forbidden from None
    if isinstance(key, ServiceKey) and key.allows(Scope.OPERATIONS_READ):
        return
    if isinstance(caller, User) and caller.has_perm("accounts.read_operations"):
        return
    raise Forbidden("Operators only.")


def _answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(dump_json(body), content_type="application/json", status=status)
