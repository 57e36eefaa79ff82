"""WS /ws/leaderboard/{competition_id}: who gets in, what is understood, and what closes it."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from rest_framework_simplejwt.tokens import AccessToken
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from accounts.models import User
from leaderboards.tickets import ticket_for_board
from tests.flows.servers import Phone, Server, Watch


def close_code(url: str) -> int | None:
    """The code that a server closes a socket with; the socket must have been accepted first."""
    with connect(url) as socket:
        return code_after(Watch(socket))


def code_after(watch: Watch) -> int | None:
    """Reads until the socket is closed."""
    try:
        while True:
            watch.message()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def socket_url(server: Server, competition: str, query: str = "") -> str:
    return f"{server.address.replace('http', 'ws', 1)}/ws/leaderboard/{competition}{query}"


@pytest.fixture
def ada(server: Server) -> Phone:
    return server.new_person("Ada")


def test_a_socket_without_a_good_token_is_closed_with_4401(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    for query in ("", "?token=", "?token=nonsense", "?ticket=forged"):
        assert close_code(socket_url(server, competition, query)) == 4401


def test_a_board_that_one_may_not_see_does_not_exist(server: Server, ada: Phone) -> None:
    stranger = server.new_person("Eve")
    private = ada.new_competition(visibility="private")
    for board in (private, str(uuid4()), "not-a-uuid"):
        assert close_code(socket_url(server, board, f"?token={stranger.token}")) == 4404


def test_a_path_without_a_socket_closes_with_4404(server: Server) -> None:
    assert close_code(f"{server.address.replace('http', 'ws', 1)}/ws/nothing") == 4404


def test_the_token_may_come_as_a_subprotocol_and_is_never_answered(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    assert ada.token
    with connect(socket_url(server, competition), subprotocols=["bearer", ada.token]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "bearer"
        assert Watch(socket).message()["type"] == "leaderboard_update"


def test_a_ticket_opens_its_own_public_board_and_no_other(server: Server, ada: Phone) -> None:
    board, other = ada.new_competition(visibility="public"), ada.new_competition(visibility="public")

    ticket = ticket_for_board(UUID(board), datetime.now(UTC))
    assert close_code(socket_url(server, other, f"?ticket={ticket}")) == 4401
    with connect(socket_url(server, board, f"?ticket={ticket}")) as socket:
        watch = Watch(socket)
        assert watch.message()["data"]["competitionId"] == board
        watch.send({"type": "subscribe", "competitionId": other})
        assert watch.message()["code"] == "forbidden"


def test_one_socket_watches_several_boards_until_it_unsubscribes(server: Server, ada: Phone) -> None:
    first, second = ada.new_competition(), ada.new_competition()
    ada.join(first)
    ada.join(second)
    with ada.watching(first) as watch:
        assert watch.message()["data"]["competitionId"] == first
        watch.send({"type": "subscribe", "competitionId": second})
        assert watch.message()["data"]["competitionId"] == second
        watch.send({"type": "unsubscribe", "competitionId": first})
        watch.send({"type": "ping"})
        assert watch.message() == {"type": "pong"}
        ada.sync(900)
        frame = watch.message()["data"]
        assert (frame["competitionId"], frame["rankings"][0]["score"]) == (second, 900)


def test_every_subscribe_is_answered_by_a_snapshot(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    with ada.watching(board) as watch:
        watch.message()
        watch.send({"type": "subscribe", "competitionId": board})
        assert watch.message()["data"]["competitionId"] == board


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "unreadable"),
        ("[]", "unreadable"),
        ('"text"', "unreadable"),
        ("[" * 5000, "unreadable"),
        ('{"type": "dance"}', "unknown_type"),
        ('{"type": 7}', "unknown_type"),
        ('{"type": "subscribe"}', "invalid_message"),
        ('{"type": "subscribe", "competitionId": 7}', "invalid_message"),
        ('{"type": "subscribe", "competitionId": "x"}', "not_found"),
    ],
)
def test_what_is_not_understood_is_said_and_the_socket_stays_open(
    server: Server, ada: Phone, text: str, code: str
) -> None:
    with ada.watching(ada.new_competition()) as watch:
        watch.message()
        watch.socket.send(text)
        answer = watch.message()
        assert (answer["type"], answer["code"]) == ("error", code)
        watch.send({"type": "ping"})
        assert watch.message() == {"type": "pong"}


def test_binary_data_is_not_understood(server: Server, ada: Phone) -> None:
    with ada.watching(ada.new_competition()) as watch:
        watch.message()
        watch.socket.send(b"\x00\xff")
        assert watch.message()["code"] == "unreadable"


def test_a_flood_closes_the_socket_with_4429(server: Server, ada: Phone) -> None:
    with ada.watching(ada.new_competition()) as watch:
        for _ in range(60):
            watch.send({"type": "ping"})
        assert code_after(watch) == 4429


def test_a_socket_ends_with_its_token(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    token = AccessToken.for_user(User.objects.get(id=ada.user_id))
    token.set_exp(lifetime=timedelta(seconds=2))
    assert close_code(socket_url(server, competition, f"?token={token}")) == 4401


def test_an_oversized_frame_closes_the_socket(two_servers: tuple[Server, Server]) -> None:
    ada = two_servers[0].new_person("Ada")
    with ada.watching(ada.new_competition()) as watch:
        watch.socket.send("x" * 20_000)
        assert code_after(watch) == 1009


@pytest.mark.slow
def test_a_socket_that_idles_15_seconds_still_hears_the_next_change(two_servers: tuple[Server, Server]) -> None:
    """Longer than any time-out between the server and Redis: one of 5 s once cut idle sockets off."""
    ada = two_servers[0].new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as watch:
        watch.message()
        time.sleep(15)
        ada.sync(321)
        assert watch.ranks_when(321) == [(ada.user_id, 321, 1)]


def test_a_renamed_person_is_redrawn(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as watch:
        watch.message()
        ada.http.patch("/users/me/profile", json={"name": "Augusta"})
        assert watch.message()["data"]["rankings"][0]["userName"] == "Augusta"


def test_someone_who_leaves_is_gone_from_the_board(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as watch:
        assert watch.message()["data"]["totalCount"] == 1
        ada.post(f"/competitions/{competition}/leave")
        assert watch.message()["data"]["totalCount"] == 0


def test_a_board_made_private_closes_the_sockets_of_outsiders_only(two_servers: tuple[Server, Server]) -> None:
    ada, ben, eve = (two_servers[0].new_person(name) for name in ("Ada", "Ben", "Eve"))
    competition = ada.new_competition()
    ben.join(competition)
    with ben.watching(competition) as inside, eve.at(two_servers[1]).watching(competition) as outside:
        inside.message()
        outside.message()
        ada.http.patch(f"/competitions/{competition}", json={"visibility": "private"})
        assert code_after(outside) == 4404
        ben.sync(5)
        assert inside.ranks_when(5) == [(ben.user_id, 5, 1)]
