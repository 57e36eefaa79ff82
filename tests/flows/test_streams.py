"""GET /leaderboard/{id}/stream and ?wait=: the frames of the sockets as events, and the board by long polling."""

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from leaderboards.tickets import ticket_for_board
from tests.flows.conftest import THROUGH_CLUSTER
from tests.flows.servers import FRAME_WITHIN, Phone, Server
from tests.leaderboards.histories import client

pytestmark = pytest.mark.slow  # a hundred connections to real servers


@pytest.fixture
def ada(server: Server) -> Phone:
    return server.new_person("Ada")


def short_lived(person: Phone, seconds: int) -> Phone:
    """The same person with a token that ends soon."""
    token = AccessToken.for_user(User.objects.get(id=person.user_id))
    token.set_exp(lifetime=timedelta(seconds=seconds))
    return Phone(person.address, str(token), person.user_id)


def nobody_at(server: Server) -> Phone:
    return Phone(server.address, None)


# --- Who gets in ---


def test_a_stream_opens_by_header_by_token_and_by_either_ticket(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    one_time = ada.post("/auth/ticket")["ticket"]
    of_board = ada.post("/auth/ticket", {"competition_id": board})["ticket"]
    nobody = nobody_at(server)
    for somebody, query in (
        (ada, {}),
        (nobody, {"token": ada.token}),
        (nobody, {"ticket": one_time}),
        (nobody, {"ticket": of_board}),
        (nobody, {"ticket": of_board}),
    ):
        with somebody.streaming(board, query) as stream:
            assert stream.answer.headers["content-type"] == "text/event-stream"
            assert stream.answer.headers["cache-control"] == "no-store"
            event = stream.event()
            assert event.frame["type"] == "leaderboard_update"
            data = event.frame["data"]
            assert (data["competitionId"], event.id) == (board, f"{data['epoch']}:{data['version']}")
    spent = nobody.http.get(f"/leaderboard/{board}/stream", params={"ticket": one_time})
    assert (spent.status_code, spent.json()["error"]) == (401, "Unauthorized")


@pytest.mark.parametrize("query", ["", "?token=", "?token=nonsense", "?ticket=forged"])
def test_without_a_good_token_or_ticket_it_is_a_401(one_server: Server, query: str) -> None:
    ada = one_server.new_person("Ada")
    refused = nobody_at(one_server).http.get(f"/leaderboard/{ada.new_competition()}/stream{query}")
    assert (refused.status_code, refused.json()["code"]) == (401, 401)
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


def test_a_board_that_one_may_not_see_does_not_exist(server: Server, ada: Phone) -> None:
    stranger = server.new_person("Eve")
    private = ada.new_competition(visibility="private")
    bodies = []
    for board in (private, str(uuid4())):
        refused = stranger.http.get(f"/leaderboard/{board}/stream")
        assert refused.status_code == 404
        bodies.append({**refused.json(), "request_id": None})
    assert bodies[0] == bodies[1]
    assert (bodies[0]["success"], bodies[0]["error"], bodies[0]["code"]) == (False, "Not Found", 404)
    assert stranger.http.get("/leaderboard/not-a-uuid/stream").status_code == 404


def test_a_ticket_of_another_board_opens_nothing_and_nobodys_has_no_window(one_server: Server) -> None:
    ada, nobody = one_server.new_person("Ada"), nobody_at(one_server)
    board, other = ada.new_competition(visibility="public"), ada.new_competition(visibility="public")
    ticket = ticket_for_board(UUID(board), datetime.now(UTC))
    assert nobody.http.get(f"/leaderboard/{other}/stream", params={"ticket": ticket}).status_code == 401
    assert nobody.http.get(f"/leaderboard/{board}/stream", params={"ticket": ticket, "window": 3}).status_code == 403
    with nobody.streaming(board, {"ticket": ticket}) as stream:
        assert stream.frame()["data"]["competitionId"] == board


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("mode=dance", "mode"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("window=0", "window"),
        ("window=26", "window"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_the_name_of_its_field(one_server: Server, query: str, field: str) -> None:
    ada = one_server.new_person("Ada")
    refused = ada.http.get(f"/leaderboard/{ada.new_competition()}/stream?{query}")
    assert (refused.status_code, list(refused.json()["details"])) == (400, [field])


# --- What one sees ---


def test_whatever_moves_the_board_is_an_event_of_a_newer_version(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    ada.join(board)
    with ada.streaming(board) as stream:
        first = stream.event()
        ada.sync(700)
        second = stream.event()
    assert second.frame["data"]["version"] > first.frame["data"]["version"]
    [row] = second.frame["data"]["rankings"]
    assert (row["userId"], row["score"], row["rank"]) == (ada.user_id, 700, 1)


def test_deltas_follow_one_snapshot_and_lead_to_the_same_board(server: Server, ada: Phone) -> None:
    ben, board = server.new_person("Ben"), ada.new_competition()
    ada.join(board)
    ben.join(board)
    with ada.streaming(board, {"mode": "delta"}) as stream:
        kept, _ = client.apply(None, stream.frame())
        for somebody, steps in ((ada, 300), (ben, 400), (ada, 500)):
            somebody.sync(steps)
            event = stream.event()
            assert (event.frame["type"], event.frame["data"]["from"]) == ("leaderboard_delta", kept["version"])
            kept, outcome = client.apply(kept, event.frame)
            assert outcome == client.APPLIED
            assert event.id == f"{kept['epoch']}:{kept['version']}"
    assert [(row["userId"], row["score"], row["rank"]) for row in kept["rankings"]] == ada.ranks(board)
    assert kept["version"] == ada.version(board)


def test_the_last_event_id_resumes_with_what_was_missed(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    ada.join(board)
    with ada.streaming(board, {"mode": "delta"}) as stream:
        last = stream.event()
    kept, _ = client.apply(None, last.frame)
    ada.sync(100)
    ada.sync(200)
    with ada.streaming(board, {"mode": "delta"}, last_event_id=last.id) as stream:
        missed = stream.frame()
    if not THROUGH_CLUSTER:  # there it may be the other server, who has kept nothing for them and sends all of it
        assert (missed["type"], missed["data"]["from"]) == ("leaderboard_delta", kept["version"])
    kept, _ = client.apply(kept, missed)
    assert [(row["userId"], row["score"], row["rank"]) for row in kept["rankings"]] == [(ada.user_id, 200, 1)]


@pytest.mark.parametrize("unknown", ["nonsense", "another-epoch:1", f"{UUID(int=7)}:7", ":", "x:-1"])
def test_a_last_event_id_that_says_nothing_is_answered_by_a_snapshot(one_server: Server, unknown: str) -> None:
    ada = one_server.new_person("Ada")
    board = ada.new_competition()
    with ada.streaming(board, {"mode": "delta"}, last_event_id=unknown) as stream:
        assert stream.frame()["type"] == "leaderboard_update"


def test_a_limit_shows_the_best_and_a_window_ones_own_row(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    people = [ada, *(server.new_person(name) for name in ("Ben", "Cleo", "Dan"))]
    for steps, somebody in zip((100, 400, 300, 200), people, strict=True):
        somebody.join(board)
        somebody.sync(steps)
    with ada.streaming(board, {"limit": 2}) as stream:
        data = stream.frame()["data"]
        assert ([row["score"] for row in data["rankings"]], data["totalCount"]) == ([400, 300], 4)
    with ada.streaming(board, {"window": 1}) as stream:
        data = stream.frame()["data"]
        assert [(row["score"], row["rank"]) for row in data["rankings"]] == [(300, 2), (200, 3), (100, 4)]
        ada.sync(500)
        data = stream.frame()["data"]
        assert next((row["userId"], row["rank"]) for row in data["rankings"]) == (ada.user_id, 1)
        assert data["offset"] == 0


# --- How it ends ---


def test_a_stream_ends_with_its_token_and_says_so(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    with short_lived(ada, 2).streaming(board) as stream:
        closing = stream.last_frame()
    assert (closing["type"], closing["code"]) == ("closing", 4401)
    assert "retryAfterMs" not in closing


def test_a_board_made_private_ends_the_streams_of_outsiders_only(server: Server, ada: Phone) -> None:
    eve, board = server.new_person("Eve"), ada.new_competition()
    ada.join(board)
    with ada.streaming(board) as inside, eve.streaming(board) as outside:
        inside.event()
        outside.event()
        ada.http.patch(f"/competitions/{board}", json={"visibility": "private"})
        closing = outside.last_frame()
        assert (closing["type"], closing["code"]) == ("closing", 4404)
        ada.sync(5)
        assert inside.frame()["data"]["rankings"][0]["score"] == 5


def test_somebody_deactivated_sees_nothing_more_by_whatever_transport(one_server: Server) -> None:
    ada, eve = one_server.new_person("Ada"), one_server.new_person("Eve")
    board = ada.new_competition()
    with eve.streaming(board) as stream, eve.watching(board) as watch, ada.streaming(board) as others:
        stream.event()
        others.event()
        User.objects.filter(id=eve.user_id).update(is_active=False)
        for closing in (stream.last_frame(), watch.goodbye()[0]):
            assert (closing["type"], closing["code"]) == ("closing", 4404)
        for path in ("", "/stream"):
            assert eve.http.get(f"/leaderboard/{board}{path}").status_code in (401, 404)
        ada.join(board)
        assert others.frame()["data"]["totalCount"] == 1


def test_whoever_goes_before_they_are_answered_keeps_no_place(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]
    for pause in (0.0, 0.002, 0.01, 0.05):
        for path in ("/stream", "/stream?window=1", "?wait=30"):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                head = f"GET /api/v1/leaderboard/{board}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: {etag}\r\n"
                connection.sendall(f"{head}Authorization: Bearer {ada.token}\r\n\r\n".encode())
                time.sleep(pause)
    deadline = time.monotonic() + FRAME_WITHIN
    while server.metric("sockets"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- Long polling ---


def poll(person: Phone, board: str, etag: str, wait: int) -> httpx.Response:
    return person.http.get(f"/leaderboard/{board}", params={"wait": wait}, headers={"If-None-Match": etag})


def once_it_waits(server: Server, action: Callable[[], Any]) -> threading.Thread:
    """Does it beside the test, as soon as the server holds the poll."""

    def act() -> None:
        deadline = time.monotonic() + FRAME_WITHIN
        while not server.metric("sockets") and time.monotonic() < deadline:
            time.sleep(0.05)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_long_poll_is_answered_as_soon_as_the_board_has_moved(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    ada.join(board)
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]
    elsewhere = ada.at(server)
    syncing = once_it_waits(server, lambda: elsewhere.sync(900))
    began = time.monotonic()
    answer = poll(ada, board, etag, 15)
    syncing.join()
    assert time.monotonic() - began < 14
    assert (answer.status_code, answer.json()["data"]["entries"][0]["score"]) == (200, 900)
    assert answer.headers["etag"] != etag
    assert poll(ada, board, etag, 15).content == answer.content  # what one does not have is never waited for


def test_a_long_poll_of_a_quiet_board_ends_with_a_304(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]
    began = time.monotonic()
    answer = poll(ada, board, etag, 1)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert time.monotonic() - began >= 1


def test_a_long_poll_of_a_board_made_private_meanwhile_is_a_404(one_server: Server) -> None:
    ada, eve = one_server.new_person("Ada"), one_server.new_person("Eve")
    board = ada.new_competition()
    etag = eve.http.get(f"/leaderboard/{board}").headers["etag"]
    hiding = once_it_waits(one_server, lambda: ada.http.patch(f"/competitions/{board}", json={"visibility": "private"}))
    answer = poll(eve, board, etag, 15)
    hiding.join()
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize("wait", ["61", "-1", "long"])
def test_no_poll_is_longer_than_a_minute(one_server: Server, wait: str) -> None:
    ada = one_server.new_person("Ada")
    refused = ada.http.get(f"/leaderboard/{ada.new_competition()}", params={"wait": wait})
    assert (refused.status_code, list(refused.json()["details"])) == (400, ["wait"])
