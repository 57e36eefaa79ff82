"""Parts die; what was acknowledged is there, and the board is right."""

import os
import signal

import pytest

from tests.flows.conftest import Site
from tests.flows.servers import Phone

pytestmark = pytest.mark.slow  # each kills and restarts whole engines


def test_without_redis_reads_and_writes_go_on_and_live_comes_back(site: Site) -> None:
    server = site.start()
    ada = server.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    ada.sync(100)
    with ada.watching(competition) as watch:
        watch.message()
        site.valkey.kill()
        ada.sync(200)
        assert ada.ranks(competition) == [(ada.user_id, 200, 1)]
        assert watch.ranks_when(200) == [(ada.user_id, 200, 1)]
        assert ada.http.get(f"{server.address}/health/ready").json()["status"] == "degraded"
        site.valkey.start()
        ada.sync(300)
        assert ada.ranks(competition) == [(ada.user_id, 300, 1)]
        assert watch.ranks_when(300) == [(ada.user_id, 300, 1)]
    site.manage("verify_leaderboards")


def test_a_redis_that_comes_back_with_old_data_is_never_believed(site: Site) -> None:
    """Its append-only file ends before the write that PostgreSQL has acknowledged meanwhile."""
    server = site.start()
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    competition = ada.new_competition()
    ada.join(competition)
    ben.join(competition)
    ada.sync(100)
    assert ada.ranks(competition)[0][0] == ada.user_id
    site.valkey.stop()
    ben.sync(500)
    site.valkey.start()
    assert ada.ranks(competition) == [(ben.user_id, 500, 1), (ada.user_id, 100, 2)]


def test_after_kill_9_of_the_server_and_both_engines_nothing_is_lost(site: Site) -> None:
    server = site.start()
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    competition = ada.new_competition()
    ada.join(competition)
    ben.join(competition)
    for steps in range(1000, 1020):
        ada.sync(steps)
        ben.sync(steps + 1)
    server.kill()
    site.postgres.kill()
    site.valkey.kill()
    restarted = site.start()
    assert Phone(restarted.address, ada.token).ranks(competition) == [(ben.user_id, 1020, 1), (ada.user_id, 1019, 2)]
    assert Phone(restarted.address, ada.token).get("/users/me/profile")["total_steps"] == 1019
    site.manage("verify_leaderboards")


def test_after_a_restart_of_postgresql_the_next_requests_are_answered(site: Site) -> None:
    """Pooled connections that died with it must not fail a request each."""
    server = site.start()
    ada = server.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    ada.sync(100)
    site.postgres.kill()
    assert ada.http.get(f"/leaderboard/{competition}").status_code == 503
    site.postgres.start()
    assert [ada.ranks(competition) for _ in range(5)] == [[(ada.user_id, 100, 1)]] * 5
    ada.sync(200)


def test_without_postgresql_newcomers_are_told_to_come_again_and_those_who_watch_stay(site: Site) -> None:
    server = site.start()
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    competition = ada.new_competition()
    ada.join(competition)
    with ada.watching(competition) as here:
        here.message()
        site.postgres.kill()
        with ben.watching(competition) as newcomer:
            closing, code = newcomer.goodbye()
        assert (closing["type"], closing["code"], code) == ("closing", 1012, 1012)
        assert closing["retryAfterMs"] >= 500
        refused = ben.http.get(f"/leaderboard/{competition}/stream")
        assert (refused.status_code, refused.json()["error"]) == (503, "Service Unavailable")
        site.postgres.start()
        server.wait_until_ready()  # the pool asks less and less often while nobody answers
        ada.sync(400)
        assert here.ranks_when(400) == [(ada.user_id, 400, 1)]


def test_a_redis_that_stalls_is_done_without(site: Site) -> None:
    server = site.start()
    ada = server.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    assert site.valkey.pid
    os.kill(site.valkey.pid, signal.SIGSTOP)
    try:
        ada.sync(300)
        assert ada.ranks(competition) == [(ada.user_id, 300, 1)]
    finally:
        os.kill(site.valkey.pid, signal.SIGCONT)
    assert ada.ranks(competition) == [(ada.user_id, 300, 1)]
