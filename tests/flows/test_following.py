"""WS /ws/fitness between real server processes."""

from collections.abc import Callable

import pytest

from tests.flows.servers import Phone, Server

pytestmark = pytest.mark.slow


def test_a_sync_at_one_server_reaches_the_socket_at_the_other(two_servers: tuple[Server, Server]) -> None:
    here, there = two_servers
    ada = here.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    ada.sync(100)
    with ada.at(there).following() as watch, ada.at(there).watching(competition) as board:
        assert watch.message()["data"]["totals"]["steps"] == 100
        board.message()
        for before, steps in ((100, 900), (900, 12_000)):
            ada.sync(steps)
            data = watch.message()["data"]
            [place] = data["competitions"]
            assert (data["totals"]["steps"], place["previousScore"], place["score"]) == (steps, before, steps)
            assert board.ranks_when(steps) == [(ada.user_id, steps, 1)]
        assert data["streak"]["current"] == 1


def test_several_syncs_at_once_end_in_the_last_state(two_servers: tuple[Server, Server]) -> None:
    here, there = two_servers
    ada = here.new_person("Ada")
    with ada.at(there).following() as watch:
        watch.message()
        for steps in range(100, 130):
            ada.sync(steps)
        shown = 0
        while shown < 129:
            data = watch.message()["data"]
            assert data["totals"]["steps"] >= shown
            shown = data["totals"]["steps"]


def test_both_kinds_of_server_serve_it(server: Server) -> None:
    ada = server.new_person("Ada")
    with ada.following() as watch:
        assert watch.message()["data"]["snapshot"] is True
        ada.sync(5)
        assert watch.message()["data"]["totals"]["steps"] == 5
        watch.send({"type": "ping"})
        assert watch.message() == {"type": "pong"}


def test_a_server_that_is_told_to_go_sends_everybody_away(
    transactional_db: None, run_server: Callable[..., Server]
) -> None:
    going = run_server("uvicorn", 99)
    ada: Phone = going.new_person("Ada")
    with ada.following() as watch:
        watch.message()
        going.process.terminate()
        closing, code = watch.goodbye()
        assert (closing["code"], code) == (1012, 1012)
        assert closing["retryAfterMs"] >= 500
    assert going.process.wait(10) == 0
