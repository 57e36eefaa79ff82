"""GET /api/v1/competitions/{id}"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: object, action: str = "") -> str:
    return f"/api/v1/competitions/{getattr(competition, 'id', competition)}{action}"


@pytest.mark.parametrize("visibility", ["open", "public"])
def test_any_signed_in_person_sees_it(other: User, signed_in: SignIn, make_competition: Any, visibility: str) -> None:
    competition = make_competition(visibility=visibility)
    answer = signed_in(other).get(url(competition))
    assert answer.status_code == 200
    assert answer.json()["data"]["id"] == str(competition.id)


def test_what_is_hidden_is_not_there_for_outsiders(other: User, signed_in: SignIn, make_competition: Any) -> None:
    for hidden in (make_competition(visibility="private"), make_competition(published=False)):
        answer = signed_in(other).get(url(hidden))
        assert answer.status_code == 404
        assert answer.json()["message"] == signed_in(other).get(url(uuid4())).json()["message"]


@pytest.mark.parametrize("verb", ["patch", "delete"])
@pytest.mark.parametrize("action", ["", "/publish", "/cancel", "/leave", "/participants"])
def test_what_is_hidden_is_hidden_from_every_door(
    other: User, signed_in: SignIn, make_competition: Any, verb: str, action: str
) -> None:
    hidden = make_competition(visibility="private")
    client = signed_in(other)
    if not action:
        answer = getattr(client, verb)(url(hidden), {})
    else:
        answer = client.get(url(hidden, action)) if action == "/participants" else client.post(url(hidden, action))
    assert answer.status_code == 404


def test_participants_see_a_private_one_until_they_leave(
    other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    private, client = make_competition(visibility="private"), signed_in(other)
    join(private, other)
    assert client.get(url(private)).status_code == 200
    assert client.post(url(private, "/leave")).status_code == 200
    assert client.get(url(private)).status_code == 404


def test_staff_with_the_permission_see_everything(staff: User, signed_in: SignIn, make_competition: Any) -> None:
    for hidden in (make_competition(visibility="private"), make_competition(published=False)):
        assert signed_in(staff).get(url(hidden)).status_code == 200


def test_the_admin_site_alone_opens_nothing(signed_in: SignIn, make_person: Any, make_competition: Any) -> None:
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).get(url(make_competition(visibility="private"))).status_code == 404


@pytest.mark.parametrize("name", [uuid4(), "17", "me", "%00", "a" * 300, "null"])
def test_an_id_that_names_nothing_is_a_404(me: APIClient, name: object) -> None:
    for action in ("", "/participants"):
        assert me.get(url(name, action)).status_code == 404
    for action in ("/join", "/leave", "/publish", "/cancel"):
        assert me.post(url(name, action)).status_code == 404
    assert me.patch(url(name), {}).status_code == 404
    assert me.delete(url(name)).status_code == 404


def test_it_takes_a_person(anonymous: APIClient, with_key: Callable[..., APIClient], make_competition: Any) -> None:
    competition = make_competition()
    assert anonymous.get(url(competition)).status_code == 401
    assert with_key(*Scope).get(url(competition)).status_code == 403


def test_a_competition_is_not_replaced_as_a_whole(me: APIClient, make_competition: Any) -> None:
    assert me.put(url(make_competition()), {}).status_code == 405
    assert me.post(url(make_competition()), {}).status_code == 405


def test_the_status_follows_the_clock_even_where_the_stored_one_lags(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(starts=-3, ends=3)
    competition.status = "upcoming"
    competition.save()
    assert me.get(url(competition)).json()["data"]["status"] == "active"


def test_a_trailing_slash_is_accepted(me: APIClient, make_competition: Any) -> None:
    assert me.get(url(make_competition(), "/")).status_code == 200
