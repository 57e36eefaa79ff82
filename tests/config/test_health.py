"""GET /health, /health/live, /health/ready, /health/detailed, /metrics"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Scope, User
from config.api import health
from config.core.outgoing import breaker
from leaderboards.mirror import rebuild_mirror
from leaderboards.models import Board, Standing
from leaderboards.tasks import tell_what_is_announced

pytestmark = pytest.mark.django_db


OPERATIONS = ["/health/detailed", "/metrics"]
READINGS = ["/health", "/health/live", "/health/ready", *OPERATIONS]


@pytest.fixture
def redis_out(settings: Settings) -> Iterator[None]:
    """The cache's address is one where nothing listens."""
    caches = dict(settings.CACHES)
    caches["default"] = caches["default"] | {"LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = caches
    yield
    cache.close()


@pytest.mark.parametrize("ending", ["", "/"])
def test_health_says_healthy_and_asks_no_one(
    anonymous: APIClient, redis_out: None, django_assert_num_queries: Any, ending: str
) -> None:
    with django_assert_num_queries(0):
        answer = anonymous.get(f"/health{ending}")
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    assert anonymous.get(f"/health/live{ending}").status_code == 200


def test_ready_names_its_components(anonymous: APIClient) -> None:
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "components": {"postgresql": "healthy", "migrations": "healthy", "redis": "healthy"},
    }


def test_without_redis_the_server_is_degraded_and_ready(anonymous: APIClient, redis_out: None) -> None:
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["components"]["redis"]) == ("degraded", "unhealthy")
    assert anonymous.get("/health/detailed").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_it_is_not_ready(anonymous: APIClient) -> None:
    connection.ensure_connection()
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as operator:
        operator.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    try:
        answer = anonymous.get("/health/ready")
        assert answer.status_code == 503
        assert (answer.json()["status"], answer.json()["components"]["postgresql"]) == ("unavailable", "unhealthy")
    finally:
        connection.close()
    assert anonymous.get("/health/ready").status_code == 200


def test_with_migrations_missing_it_is_not_ready(anonymous: APIClient) -> None:
    MigrationRecorder.Migration.objects.filter(app="competitions").delete()
    health._migrated.clear()  # as in a server that has just started
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["components"] == {"postgresql": "healthy", "migrations": "unhealthy", "redis": "healthy"}


def test_the_details_have_latencies_pools_and_what_waits_and_are_remembered(
    anonymous: APIClient, django_assert_num_queries: Any
) -> None:
    first = anonymous.get("/health/detailed")
    assert (first.status_code, first.json()["status"]) == (200, "ready")
    components = first.json()["components"]
    assert components.keys() == {"postgresql", "migrations", "redis", "mirror", "jobs", "circuits"}
    for component in components.values():
        assert component["status"] == "healthy"
        assert component["latency_ms"] >= 0
    for pool in (components["postgresql"]["pool"], components["redis"]["pool"]):
        assert 0 <= pool["used"] <= pool["limit"]
    assert components["postgresql"]["pool"]["limit"] == settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    assert components["mirror"]["rows_behind"] == components["jobs"]["todo"] == 0
    with django_assert_num_queries(0):
        assert anonymous.get("/health/detailed").json() == first.json()


def test_a_copy_that_is_behind_is_degraded_and_says_by_how_much(
    anonymous: APIClient, make_competition: Any, join: Any, person: User, other: User
) -> None:
    competition = make_competition()
    join(competition, person, other)
    assert rebuild_mirror(competition.id)
    Board.objects.filter(competition=competition).update(version=F("version") + 1)
    Standing.objects.filter(user=person).update(version=F("version") + 10)
    answer = anonymous.get("/health/detailed")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    mirror = answer.json()["components"]["mirror"]
    assert (mirror["status"], mirror["boards_behind"], mirror["rows_behind"]) == ("degraded", 1, 1)


def test_jobs_that_nobody_takes_are_degraded(anonymous: APIClient) -> None:
    tell_what_is_announced.configure(schedule_at=datetime.now(UTC) - timedelta(minutes=5)).defer()
    jobs = anonymous.get("/health/detailed").json()["components"]["jobs"]
    assert (jobs["status"], jobs["todo"]) == ("degraded", 1)
    assert 299 < jobs["oldest_due_seconds"] < 330


def test_a_job_without_a_time_waits_since_it_was_enqueued(anonymous: APIClient) -> None:
    tell_what_is_announced.defer()
    tell_what_is_announced.configure(queueing_lock="tomorrow", schedule_in={"days": 1}).defer()
    jobs = anonymous.get("/health/detailed").json()["components"]["jobs"]
    assert (jobs["status"], jobs["todo"]) == ("healthy", 2)
    assert 0 <= jobs["oldest_due_seconds"] < 30


def test_an_open_circuit_is_degraded(anonymous: APIClient, settings: Settings) -> None:
    settings.SENDGRID_API_KEY = "SG.key"
    failing = breaker("sendgrid")
    for _ in range(settings.BREAKER_FAILURES):
        with pytest.raises(OSError, match="gone"), failing.call(OSError):
            raise OSError("gone")
    found = anonymous.get("/health/detailed").json()
    assert (found["status"], found["circuits"]) == ("degraded", {"sendgrid": "open"})
    assert found["components"]["circuits"]["status"] == "degraded"


def test_metrics_are_in_the_format_of_prometheus(anonymous: APIClient) -> None:
    answer = anonymous.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert b"# TYPE pacesetter_cache_reads_total counter" in answer.content


@pytest.mark.parametrize("path", OPERATIONS)
def test_strangers_learn_nothing(anonymous: APIClient, path: str) -> None:
    for address in ("192.0.2.1", "10.0.0.1", "::2", ""):
        answer = anonymous.get(path, REMOTE_ADDR=address)
        assert answer.status_code == 403
        assert answer.json()["code"] == 403


@pytest.mark.parametrize("path", OPERATIONS)
def test_the_address_in_a_header_proves_nothing(anonymous: APIClient, path: str) -> None:
    answer = anonymous.get(path, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1", HTTP_X_REAL_IP="127.0.0.1")
    assert answer.status_code == 403


@pytest.mark.parametrize("path", OPERATIONS)
def test_configured_networks_may_read(anonymous: APIClient, settings: Settings, path: str) -> None:
    settings.OPERATIONS_NETWORKS = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    assert anonymous.get(path, REMOTE_ADDR="10.1.2.3").status_code == 200
    assert anonymous.get(path, REMOTE_ADDR="2001:db8::7").status_code == 200
    assert anonymous.get(path, REMOTE_ADDR="127.0.0.1").status_code == 403


@pytest.mark.parametrize("path", OPERATIONS)
def test_keys_with_the_scope_may_read(with_key: Callable[..., APIClient], path: str) -> None:
    assert with_key(Scope.OPERATIONS_READ).get(path, REMOTE_ADDR="192.0.2.1").status_code == 200
    assert with_key(Scope.SCORES_WRITE).get(path, REMOTE_ADDR="192.0.2.1").status_code == 403


@pytest.mark.parametrize("path", OPERATIONS)
def test_staff_may_read_with_the_named_permission(
    make_person: Any, signed_in: Callable[[User], APIClient], path: str
) -> None:
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).get(path, REMOTE_ADDR="192.0.2.1").status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="read_operations"))
    assert signed_in(clerk).get(path, REMOTE_ADDR="192.0.2.1").status_code == 200


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_bad_token_is_a_403_like_none(anonymous: APIClient, path: str) -> None:
    answer = anonymous.get(path, REMOTE_ADDR="192.0.2.1", HTTP_AUTHORIZATION="Bearer nonsense")
    assert answer.status_code == 403


@pytest.mark.parametrize("path", READINGS)
def test_it_is_read_and_nothing_else(anonymous: APIClient, path: str) -> None:
    answer = anonymous.post(path, {})
    assert answer.status_code == 405
    assert answer.json()["code"] == 405
    assert anonymous.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_a_probe_by_address_is_answered(anonymous: APIClient, path: str) -> None:
    """Kubernetes and Docker ask by the address of the container, which no ALLOWED_HOSTS can know."""
    assert anonymous.get(path, HTTP_HOST="10.244.0.17:8080").status_code == 200
