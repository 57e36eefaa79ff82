"""What a stranger, a half-trusted colleague and an odd client find."""

from typing import Any

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Scope, ServiceKey, User
from accounts.services.keys import create_service_key
from config.core.environment import Rate
from config.routing import websocket_urlpatterns
from tests.conftest import open_panel

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/v1/nope", "/api/v1/prizes/nope/x", "/nope"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_path_is_a_404_for_every_verb(path: str, method: str) -> None:
    answer = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize("path", ["/", "/boards", "/boards/x", "/api/docs", "/api/schema", "/health", "/metrics"])
def test_what_is_only_read_answers_405_to_a_write(path: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(path)
    assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (405, 405, "GET, HEAD")


def test_options_has_the_error_shape_too(person: User, signed_in: Any) -> None:
    answer = signed_in(person).options("/api/v1/competitions")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)


def test_a_wrong_host_name_has_the_error_shape_even_with_debug(anonymous: APIClient, settings: Any) -> None:
    settings.DEBUG = True
    answer = anonymous.get("/boards", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_pages_are_limited_per_address(anonymous: APIClient, settings: Any) -> None:
    settings.RATE_LIMIT = Rate(0.001, 3)
    codes = [anonymous.get("/health/ready", REMOTE_ADDR="192.0.2.1").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    assert anonymous.get("/health/ready", REMOTE_ADDR="192.0.2.2").status_code == 200
    assert anonymous.get("/health/live", REMOTE_ADDR="192.0.2.1").status_code == 200


async def test_a_socket_where_nothing_is_needs_no_redis(settings: Any) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": layer | {"CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}}
    stranger = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/nothing")  # type: ignore[arg-type]  # as in config.routing
    assert (await stranger.connect())[0]
    assert (await stranger.receive_output())["code"] == 4404
    await stranger.disconnect()


def test_a_proxy_that_nobody_configured_is_not_an_operator(anonymous: APIClient) -> None:
    assert anonymous.get("/metrics").status_code == 200
    assert anonymous.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"}).status_code == 403


@pytest.fixture
def clerk(make_person: Any) -> Client:
    """Staff who may look at keys and change people."""
    person = make_person("Clerk", is_staff=True)
    names = ["view_servicekey", "view_user", "change_user"]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return open_panel(person)


def test_who_may_only_look_at_keys_revokes_none(clerk: Client) -> None:
    key, _ = create_service_key(name="sync", scopes=[Scope.ACTIVITY_WRITE])
    clerk.post("/admin/accounts/servicekey/", {"action": "revoke", "_selected_action": str(key.id)})
    assert ServiceKey.objects.get(id=key.id).revoked_at is None


@pytest.mark.parametrize("field", [{"timezone": "Foo/Bar"}, {"country": "zz"}, {"name": "a\u202eb"}])
def test_the_admin_site_keeps_the_rules_of_the_api(clerk: Client, other: User, field: dict[str, str]) -> None:
    form = {"name": "Ben", "bio": "", "country": "", "timezone": "", "is_active": "on", **field}
    answer = clerk.post(f"/admin/accounts/user/{other.id}/change/", form)
    assert answer.status_code == 200, "the form is shown again, with its complaint"
    other.refresh_from_db()
    assert (other.name, other.timezone, other.country) == ("Ben", "", "")


def test_a_name_changed_in_the_admin_site_is_redrawn_on_the_boards(
    clerk: Client, other: User, signed_in: Any, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, other)
    url = f"/api/v1/leaderboard/{competition.id}"
    assert signed_in(other).get(url).json()["data"]["entries"][0]["user_name"] == "Ben"
    form = {"name": "Benjamin", "bio": "", "country": "de", "timezone": "Europe/Berlin", "is_active": "on"}
    assert clerk.post(f"/admin/accounts/user/{other.id}/change/", form).status_code == 302
    assert signed_in(other).get(url).json()["data"]["entries"][0]["user_name"] == "Benjamin"
    other.refresh_from_db()
    assert (other.country, other.timezone) == ("DE", "Europe/Berlin")


def test_a_person_is_deactivated_in_the_admin_site(clerk: Client, other: User, signed_in: Any) -> None:
    phone = signed_in(other)
    form = {"name": "Ben", "bio": "", "country": "", "timezone": ""}
    assert clerk.post(f"/admin/accounts/user/{other.id}/change/", form).status_code == 302
    assert phone.get("/api/v1/users/me/profile").status_code == 401


@pytest.mark.parametrize("table", ["accounts/user", "competitions/competition", "fitness/activity"])
def test_odd_filters_in_the_admin_site_are_no_server_error(staff: User, table: str) -> None:
    client = open_panel(staff)
    for query in ("?q=%00", "?name=%00", "?id__exact=x", "?source__exact=%00", "?p=9999"):
        assert client.get(f"/admin/{table}/{query}").status_code < 500


def test_the_admin_site_works_while_redis_is_out(staff: User, redis_out: None) -> None:
    client = open_panel(staff)
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/competitions/competition/").status_code == 200
