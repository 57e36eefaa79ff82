"""POST /api/v1/auth/ticket, and what the tickets open"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Scope, User
from competitions.models import Competition
from config.core.redis import redis_client
from leaderboards.models import SpentTicket
from leaderboards.tasks import forget_expired_tickets
from leaderboards.tickets import (
    InvalidTicket,
    Issued,
    Opened,
    forget_spent_tickets,
    open_ticket,
    renewed_ticket,
    ticket_for_board,
)

URL = "/api/v1/auth/ticket"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def board(make_competition: Any) -> Competition:
    made: Competition = make_competition()
    return made


def ticket(client: APIClient, **body: Any) -> str:
    answer = client.post(URL, body)
    assert answer.status_code == 201, answer.json()
    return str(answer.json()["data"]["ticket"])


def opens(text: str, competition_id: UUID, at: datetime) -> Opened | None:
    try:
        return open_ticket(text, competition_id, at)
    except InvalidTicket:
        return None


def renewed(client: APIClient, text: str) -> int:
    return int(client.post(URL, {"ticket": text}).status_code)


# --- One time ---


def test_a_one_time_ticket_lets_its_person_in_until_their_token_ends(
    anonymous: APIClient, person: User, now: datetime
) -> None:
    token = AccessToken.for_user(person)
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    answer = anonymous.post(URL, {})
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    data = answer.json()["data"]
    assert data.keys() == {"ticket", "expires_at"}
    assert timedelta(seconds=25) < datetime.fromisoformat(data["expires_at"]) - now < timedelta(seconds=35)
    assert data["expires_at"].endswith("Z")
    opened = open_ticket(data["ticket"], uuid4(), now)
    assert (opened.viewer, opened.one_board) == (person, False)
    assert opened.expires_at == datetime.fromtimestamp(token["exp"], UTC)


def test_an_empty_body_asks_for_one_too(person: User, signed_in: SignIn) -> None:
    assert signed_in(person).post(URL).status_code == 201


def test_it_is_good_once(person: User, signed_in: SignIn, now: datetime) -> None:
    text, board = ticket(signed_in(person)), uuid4()
    assert opens(text, board, now)
    assert not opens(text, board, now)
    assert not opens(text, uuid4(), now)


def test_two_of_the_same_second_are_two(person: User, signed_in: SignIn, now: datetime) -> None:
    client = signed_in(person)
    texts = {ticket(client) for _ in range(5)}
    assert len(texts) == 5
    assert all(opens(text, uuid4(), now) for text in texts)


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_come_with_it_at_once_one_is_let_in(person: User, signed_in: SignIn, now: datetime) -> None:
    text, start = ticket(signed_in(person)), Barrier(8)

    def come(_: int) -> bool:
        start.wait()
        with closing(connection):
            return opens(text, uuid4(), now) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(come, range(8))) == [False] * 7 + [True]


def test_a_redis_that_forgot_everything_does_not_make_it_good_again(
    person: User, signed_in: SignIn, now: datetime
) -> None:
    text = ticket(signed_in(person))
    assert opens(text, uuid4(), now)
    redis_client().flushdb()
    assert not opens(text, uuid4(), now)


def test_it_opens_without_redis(person: User, signed_in: SignIn, now: datetime, redis_out: None) -> None:
    assert opens(ticket(signed_in(person)), uuid4(), now)


def test_it_ends_after_thirty_seconds(person: User, signed_in: SignIn, now: datetime) -> None:
    text = ticket(signed_in(person))
    assert not opens(text, uuid4(), now + timedelta(seconds=40))
    assert SpentTicket.objects.count() == 0
    assert opens(text, uuid4(), now + timedelta(seconds=20))


def test_it_ends_with_the_token_if_that_is_sooner(anonymous: APIClient, person: User, now: datetime) -> None:
    token = AccessToken.for_user(person)
    token.set_exp(lifetime=timedelta(seconds=10))
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert not opens(ticket(anonymous), uuid4(), now + timedelta(seconds=15))


def test_a_refused_one_is_not_spent(person: User, signed_in: SignIn, now: datetime) -> None:
    text = ticket(signed_in(person))
    User.objects.filter(id=person.id).update(is_active=False)
    assert not opens(text, uuid4(), now)
    User.objects.filter(id=person.id).update(is_active=True)
    assert opens(text, uuid4(), now)


def test_it_is_not_renewed(person: User, signed_in: SignIn, anonymous: APIClient, now: datetime) -> None:
    text = ticket(signed_in(person))
    assert renewed(anonymous, text) == 401
    assert opens(text, uuid4(), now)


def test_spent_ones_are_forgotten_when_they_have_long_expired(person: User, signed_in: SignIn, now: datetime) -> None:
    opens(ticket(signed_in(person)), uuid4(), now)
    assert forget_spent_tickets(now=now + timedelta(minutes=30)) == 0
    assert forget_spent_tickets(now=now + timedelta(hours=2)) == 1


def test_the_periodic_job_does_the_same(now: datetime) -> None:
    SpentTicket.objects.create(digest="long ago", expires_at=now - timedelta(days=1))
    SpentTicket.objects.create(digest="just now", expires_at=now)
    forget_expired_tickets(timestamp=0)
    assert [spent.digest for spent in SpentTicket.objects.all()] == ["just now"]


# --- Of a board ---


def test_a_board_ticket_opens_its_board_many_times_for_an_hour(
    person: User, signed_in: SignIn, board: Competition, now: datetime
) -> None:
    answer = signed_in(person).post(URL, {"competition_id": str(board.id)}).json()["data"]
    assert timedelta(minutes=59) < datetime.fromisoformat(answer["expires_at"]) - now < timedelta(minutes=61)
    for minutes in (0, 1, 59):
        opened = open_ticket(answer["ticket"], board.id, now + timedelta(minutes=minutes))
        assert (opened.viewer, opened.one_board) == (person, True)
        assert opened.expires_at == datetime.fromisoformat(answer["expires_at"])
    assert not opens(answer["ticket"], board.id, now + timedelta(minutes=61))


def test_it_opens_no_other_board(person: User, signed_in: SignIn, board: Competition, now: datetime) -> None:
    assert not opens(ticket(signed_in(person), competition_id=str(board.id)), uuid4(), now)


def test_there_is_none_of_a_board_that_one_may_not_see(
    other: User, signed_in: SignIn, board: Competition, make_competition: Any
) -> None:
    private = make_competition(visibility="private")
    for named in (str(private.id), str(uuid4()), "not-a-uuid"):
        answer = signed_in(other).post(URL, {"competition_id": named})
        assert (answer.status_code, answer.json()["code"]) == (404, 404)


def test_it_is_renewed_without_a_token(
    person: User, signed_in: SignIn, anonymous: APIClient, board: Competition, now: datetime
) -> None:
    fresh = ticket(anonymous, ticket=ticket(signed_in(person), competition_id=str(board.id)))
    opened = open_ticket(fresh, board.id, now)
    assert (opened.viewer, opened.one_board) == (person, True)


def chain(text: str, start: datetime, *, links: int) -> list[Issued]:
    """Renewed every fifty minutes, so often or until it is refused."""
    issued = []
    for number in range(1, links + 1):
        try:
            issued.append(renewed_ticket(text, start + number * timedelta(minutes=50)))
        except InvalidTicket:
            break
        text = issued[-1].text
    return issued


def test_the_chain_of_a_person_ends_twelve_hours_after_their_token(
    person: User, signed_in: SignIn, board: Competition, now: datetime
) -> None:
    links = chain(ticket(signed_in(person), competition_id=str(board.id)), now, links=30)
    assert len(links) == 15
    assert timedelta(hours=12, minutes=59) < links[-1].expires_at - now < timedelta(hours=13, minutes=1)
    assert links[0].expires_at - now == timedelta(minutes=110)


def test_the_chain_of_a_public_page_goes_on(make_competition: Any, now: datetime) -> None:
    board = make_competition(visibility="public")
    links = chain(ticket_for_board(board.id, now), now, links=30)
    assert len(links) == 30
    opened = open_ticket(links[-1].text, board.id, now + timedelta(hours=25))
    assert (opened.viewer, opened.one_board) == (None, True)


def test_an_expired_one_is_not_renewed(anonymous: APIClient, make_competition: Any, now: datetime) -> None:
    board = make_competition(visibility="public")
    answer = anonymous.post(URL, {"ticket": ticket_for_board(board.id, now - timedelta(minutes=61))})
    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")


def test_a_deactivated_person_neither_comes_in_nor_renews(
    person: User, signed_in: SignIn, anonymous: APIClient, board: Competition, now: datetime
) -> None:
    text = ticket(signed_in(person), competition_id=str(board.id))
    User.objects.filter(id=person.id).update(is_active=False)
    assert not opens(text, board.id, now)
    assert renewed(anonymous, text) == 401


def test_a_board_made_private_is_not_renewed_for_outsiders(
    other: User, signed_in: SignIn, anonymous: APIClient, make_competition: Any, now: datetime
) -> None:
    board = make_competition(visibility="public")
    theirs, anybodys = ticket(signed_in(other), competition_id=str(board.id)), ticket_for_board(board.id, now)
    Competition.objects.filter(id=board.id).update(visibility="open")
    assert renewed(anonymous, theirs) == 201
    assert renewed(anonymous, anybodys) == 401
    Competition.objects.filter(id=board.id).update(visibility="private")
    assert renewed(anonymous, theirs) == 401


# --- What is refused ---


def test_without_a_token_there_is_no_ticket(anonymous: APIClient, make_competition: Any) -> None:
    board = make_competition(visibility="public")
    for body in ({}, {"competition_id": str(board.id)}):
        assert anonymous.post(URL, body).status_code == 401
    anonymous.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert anonymous.post(URL, {}).status_code == 401


def test_a_service_key_gets_none(with_key: Callable[..., APIClient], make_competition: Any, now: datetime) -> None:
    board = make_competition(visibility="public")
    client = with_key(*Scope)
    for body in ({}, {"competition_id": str(board.id)}, {"ticket": ticket_for_board(board.id, now)}):
        assert client.post(URL, body).status_code == 403


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"competition_id": "x", "ticket": "y"}, {"competition_id", "ticket"}),
        ({"competition_id": ""}, {"competition_id"}),
        ({"competition_id": ["x"]}, {"competition_id"}),
        ({"competition_id": "x" * 65}, {"competition_id"}),
        ({"competition_id": None}, {"competition_id"}),
        ({"ticket": ""}, {"ticket"}),
        ({"ticket": {}}, {"ticket"}),
        ({"ticket": "x" * 1025}, {"ticket"}),
        ({"ticket": None}, {"ticket"}),
        ({"ticket": "a\u0000b"}, {"ticket"}),
        ([], {"non_field_errors"}),
        ("text", {"non_field_errors"}),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(person: User, signed_in: SignIn, body: Any, fields: set[str]) -> None:
    answer = signed_in(person).post(URL, body)
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == fields


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_tickets_are_only_posted_for(person: User, signed_in: SignIn, verb: str) -> None:
    assert getattr(signed_in(person), verb)(URL).status_code == 405


@pytest.mark.parametrize("text", ["nonsense", "a:b:c", "eyJ9:1:x", ":", "\u00e9:\u00e9:\u00e9", "."])
def test_a_forged_one_opens_and_renews_nothing(anonymous: APIClient, text: str, now: datetime) -> None:
    assert not opens(text, uuid4(), now)
    assert renewed(anonymous, text) == 401


def test_half_a_character_is_no_server_error(anonymous: APIClient, now: datetime) -> None:
    assert not opens("\ud800:x:y", uuid4(), now)
    answer = anonymous.generic("POST", URL, '{"ticket": "\\ud800:x:y"}', content_type="application/json")
    assert answer.status_code in (400, 401)


def test_a_changed_one_opens_nothing(person: User, signed_in: SignIn, board: Competition, now: datetime) -> None:
    text = ticket(signed_in(person), competition_id=str(board.id))
    for place in range(0, len(text), 7):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert not opens(changed, board.id, now), place


def test_a_token_is_no_ticket(person: User, now: datetime) -> None:
    assert not opens(str(AccessToken.for_user(person)), uuid4(), now)
