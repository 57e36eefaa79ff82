"""WS /ws/leaderboard/{competition_id}: who gets in, what is understood, and what closes it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from rest_framework_simplejwt.tokens import AccessToken
from websockets.frames import Close, Frame, Opcode
from websockets.sync.client import connect

from accounts.models import User
from leaderboards.tickets import ticket_for_board
from tests.flows.servers import FRAME_WITHIN, Phone, Server, Watch
from tests.leaderboards.histories import client


def close_code(url: str) -> int | None:
    """The code that a server closes a socket with; the socket must have been accepted first."""
    with connect(url) as socket:
        return code_after(Watch(socket))


def code_after(watch: Watch) -> int | None:
    """Reads until the socket is closed."""
    return watch.goodbye()[1]


def parting_words(url: str) -> tuple[Any, int | None]:
    """The last message and the code of a socket that is refused."""
    with connect(url) as socket:
        return Watch(socket).goodbye()


def socket_url(server: Server, competition: str, query: str = "") -> str:
    return f"{server.address.replace('http', 'ws', 1)}/ws/leaderboard/{competition}{query}"


def eventually(holds: Callable[[], bool]) -> None:
    """Asks again until it does: that somebody has gone is noticed a moment later."""
    deadline = time.monotonic() + FRAME_WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
    with connect(socket_url(server, competition), subprotocols=["bearer", ada.token]) as socket:  # type: ignore[list-item]  # websockets has a name of its own for str
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_binary_data_is_not_understood(server: Server, ada: Phone) -> None:
    with ada.watching(ada.new_competition()) as watch:
        watch.message()
        watch.socket.send(b"\x00\xff")
        assert watch.message()["code"] == "unreadable"


def test_a_flood_closes_the_socket_with_4429(strict_server: Server) -> None:
    ada = strict_server.new_person("Ada")
    with ada.watching(ada.new_competition()) as watch:
        for _ in range(60):
            watch.send({"type": "ping"})
        assert code_after(watch) == 4429


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_renamed_person_is_redrawn(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as watch:
        watch.message()
        ada.http.patch("/users/me/profile", json={"name": "Augusta"})
        assert watch.message()["data"]["rankings"][0]["userName"] == "Augusta"


@pytest.mark.slow
def test_someone_who_leaves_is_gone_from_the_board(server: Server, ada: Phone) -> None:
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as watch:
        assert watch.message()["data"]["totalCount"] == 1
        ada.post(f"/competitions/{competition}/leave")
        assert watch.message()["data"]["totalCount"] == 0


@pytest.mark.slow
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


def scores(frame: Any) -> list[tuple[str, int, int]]:
    return [(row["userId"], row["score"], row["rank"]) for row in frame["data"]["rankings"]]


# --- What one asked to see ---


def test_deltas_follow_one_snapshot_and_a_resume_gives_what_was_missed(server: Server, ada: Phone) -> None:
    ben, board = server.new_person("Ben"), ada.new_competition()
    ada.join(board)
    ben.join(board)
    with ada.watching(board, mode="delta") as watch:
        first, _ = client.apply(None, watch.message())
        for somebody, steps in ((ada, 300), (ben, 400)):
            somebody.sync(steps)
            assert watch.message()["type"] == "leaderboard_delta"
        watch.send(client.resume(first))
        missed = watch.message()
        assert (missed["type"], missed["data"]["from"]) == ("leaderboard_delta", first["version"])
        board_now, outcome = client.apply(first, missed)
        assert outcome == client.APPLIED
        assert [(row["userId"], row["score"], row["rank"]) for row in board_now["rankings"]] == ada.ranks(board)
        ada.sync(500)
        kept, outcome = client.apply(board_now, watch.message())
        assert (outcome, kept["rankings"][0]["score"]) == (client.APPLIED, 500)


@pytest.mark.slow
def test_whoever_comes_back_with_what_they_have_is_given_the_difference(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    ada.join(board)
    with ada.watching(board, mode="delta") as watch:
        kept, _ = client.apply(None, watch.message())
    ada.sync(800)
    with ada.watching(board, mode="delta", epoch=kept["epoch"], version=kept["version"]) as watch:
        frame = watch.message()
        assert (frame["type"], frame["data"]["from"]) == ("leaderboard_delta", kept["version"])
        assert client.apply(kept, frame)[0]["rankings"][0]["score"] == 800


@pytest.mark.slow
@pytest.mark.parametrize(
    "unknown", [{"version": 10**6}, {"epoch": str(UUID(int=7))}, {"epoch": "nonsense", "version": "3"}]
)
def test_a_resume_from_what_never_was_is_answered_by_a_snapshot(one_server: Server, unknown: dict[str, object]) -> None:
    ada = one_server.new_person("Ada")
    board = ada.new_competition()
    ada.join(board)
    with ada.watching(board, mode="delta") as watch:
        kept, _ = client.apply(None, watch.message())
        watch.send({**client.resume(kept), **unknown})
        frame = watch.message()
        assert (frame["type"], scores(frame)) == ("leaderboard_update", [(ada.user_id, 0, 1)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "invalid_message"),
        ({"epoch": "x"}, "invalid_message"),
        ({"epoch": "x", "version": -1}, "invalid_message"),
        ({"epoch": 7, "version": 1}, "invalid_message"),
        ({"epoch": "x", "version": 1, "competitionId": str(UUID(int=7))}, "not_found"),
        ({"epoch": "x", "version": 1, "competitionId": "x"}, "not_found"),
    ],
)
def test_a_resume_of_nothing_is_complained_about(one_server: Server, message: dict[str, object], code: str) -> None:
    ada = one_server.new_person("Ada")
    board = ada.new_competition()
    with ada.watching(board, mode="delta") as watch:
        watch.message()
        watch.send({"type": "resume", "competitionId": board, **message})
        answer = watch.message()
        assert (answer["type"], answer["code"]) == ("error", code)


@pytest.mark.slow
def test_a_window_shows_ones_own_row_with_its_neighbours_and_follows_it(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    people = [ada, *(server.new_person(name) for name in ("Ben", "Cleo", "Dan", "Eli"))]
    for steps, somebody in zip((100, 500, 400, 300, 200), people, strict=True):
        somebody.join(board)
        somebody.sync(steps)
    _, ben, cleo, dan, eli = (somebody.user_id for somebody in people)
    with ada.watching(board, window=1) as snapshots, ada.watching(board, window=1, mode="delta") as deltas:
        frame = snapshots.message()
        assert (scores(frame), frame["data"]["offset"]) == ([(dan, 300, 3), (eli, 200, 4), (ada.user_id, 100, 5)], 2)
        kept, _ = client.apply(None, deltas.message())
        for steps, expected in (
            (350, [(cleo, 400, 2), (ada.user_id, 350, 3), (dan, 300, 4)]),
            (900, [(ada.user_id, 900, 1), (ben, 500, 2), (cleo, 400, 3)]),
        ):
            ada.sync(steps)
            frame, delta = snapshots.message(), deltas.message()
            assert scores(frame) == expected
            assert delta["type"] == "leaderboard_delta"
            kept, outcome = client.apply(kept, delta)
            assert (outcome, kept["rankings"]) == (client.APPLIED, frame["data"]["rankings"])


@pytest.mark.slow
def test_a_limit_shows_the_best_and_a_later_subscribe_another_view(server: Server, ada: Phone) -> None:
    ben, board = server.new_person("Ben"), ada.new_competition()
    ada.join(board)
    ben.join(board)
    ben.sync(50)
    with ada.watching(board, limit=1) as watch:
        frame = watch.message()
        assert (scores(frame), frame["data"]["totalCount"]) == ([(ben.user_id, 50, 1)], 2)
        watch.send({"type": "subscribe", "competitionId": board, "limit": 2})
        assert scores(watch.message()) == [(ben.user_id, 50, 1), (ada.user_id, 0, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad", [{"mode": "dance"}, {"limit": "0"}, {"limit": "1001"}, {"window": "26"}, {"window": "x"}]
)
def test_a_view_that_is_not_understood_is_said_and_the_plain_one_shown(server: Server, ada: Phone, bad: Any) -> None:
    board = ada.new_competition()
    with ada.watching(board, **bad) as watch:
        complaint, frame = watch.message(), watch.message()
        assert (complaint["type"], complaint["code"]) == ("error", "invalid_message")
        assert complaint["message"].startswith(f"{next(iter(bad))}: ")
        assert (frame["type"], frame["data"]["competitionId"]) == ("leaderboard_update", board)
        watch.send({"type": "subscribe", "competitionId": board, **bad})
        assert [watch.message()["type"] for _ in range(2)] == ["error", "leaderboard_update"]


# --- The last word ---


def test_a_socket_says_why_before_it_is_closed(server: Server, ada: Phone) -> None:
    board, hidden = ada.new_competition(), ada.new_competition(visibility="private")
    eve = server.new_person("Eve")
    for url, code in (
        (socket_url(server, board, "?token=nonsense"), 4401),
        (socket_url(server, hidden, f"?token={eve.token}"), 4404),
    ):
        closing, closed_with = parting_words(url)
        assert (closing["type"], closing["code"], closed_with) == ("closing", code, code)
        assert closing["message"]
        assert "retryAfterMs" not in closing


@pytest.mark.slow
def test_whoever_floods_is_told_when_to_come_again(strict_server: Server) -> None:
    ada = strict_server.new_person("Ada")
    with ada.watching(ada.new_competition()) as watch:
        for _ in range(60):
            watch.send({"type": "ping"})
        closing, code = watch.goodbye()
        assert (closing["type"], closing["code"], code) == ("closing", 4429, 4429)
        assert 500 <= closing["retryAfterMs"] <= 30_000


def test_a_one_time_ticket_opens_one_socket(server: Server, ada: Phone) -> None:
    board = ada.new_competition()
    url = socket_url(server, board, f"?ticket={ada.post('/auth/ticket')['ticket']}")
    with connect(url) as socket:
        assert Watch(socket).message()["type"] == "leaderboard_update"
        assert close_code(url) == 4401


# --- How many ---


@pytest.mark.slow
def test_nobody_watches_more_often_at_once_than_the_limit_by_whatever_transport(strict_server: Server) -> None:
    ada, ben = strict_server.new_person("Ada"), strict_server.new_person("Ben")
    board = ada.new_competition()
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]
    with ada.watching(board) as first, ada.streaming(board) as second:
        first.message()
        second.event()
        closing, code = parting_words(socket_url(strict_server, board, f"?token={ada.token}"))
        assert (closing["code"], code) == (4429, 4429)
        assert 500 <= closing["retryAfterMs"] <= 30_000
        for path in ("/stream", "?wait=5"):
            refused = ada.http.get(f"/leaderboard/{board}{path}", headers={"If-None-Match": etag})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        with ben.watching(board) as other:
            assert other.message()["type"] == "leaderboard_update"


@pytest.mark.slow
def test_whoever_goes_makes_room(strict_server: Server) -> None:
    ada = strict_server.new_person("Ada")
    board = ada.new_competition()
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]

    def watches() -> bool:
        with ada.watching(board) as watch:
            return bool(watch.message()["type"] == "leaderboard_update")

    for _ in range(3):
        with ada.watching(board) as socket, ada.streaming(board) as stream:
            socket.message()
            stream.event()
        with pytest.raises(httpx.ReadTimeout):
            ada.http.get(f"/leaderboard/{board}?wait=30", headers={"If-None-Match": etag}, timeout=0.5)
        eventually(watches)


@pytest.mark.slow
@pytest.mark.parametrize("last_words", ['{"type": "ping"}', "nonsense", '{"type": "subscribe", "competitionId": "x"}'])
def test_whoever_goes_before_they_are_answered_makes_room_too(strict_server: Server, last_words: str) -> None:
    ada = strict_server.new_person("Ada")
    board = ada.new_competition()
    parting = Frame(Opcode.TEXT, last_words.encode()), Frame(Opcode.CLOSE, Close(1000, "").serialize())
    for _ in range(4):
        with ada.watching(board) as watch:
            assert watch.message()["type"] == "leaderboard_update"
            watch.socket.socket.sendall(b"".join(frame.serialize(mask=True) for frame in parting))
            watch.goodbye()
        eventually(lambda: strict_server.metric("sockets") == 0)
    with ada.watching(board) as watch:
        assert watch.message()["type"] == "leaderboard_update"
