"""Synced steps move a live leaderboard."""

import pytest

from tests.flows.servers import Server


def test_two_people_join_one_syncs_and_the_other_sees_it_live(server: Server) -> None:
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    competition = ada.new_competition()
    ada.join(competition)
    ben.join(competition)
    with ada.watching(competition) as watch:
        snapshot = watch.message()
        assert snapshot["type"] == "leaderboard_update"
        assert snapshot["data"]["competitionId"] == competition
        ben.sync(12000)
        expected = [(ben.user_id, 12000, 1), (ada.user_id, 0, 2)]
        assert watch.ranks_when(12000) == expected
    assert ada.ranks(competition) == expected


def test_the_same_sync_again_changes_nothing(server: Server) -> None:
    ada = server.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    ada.sync(12000)
    before = ada.get(f"/leaderboard/{competition}")
    again = ada.sync(12000)
    assert (again["accepted"], again["unchanged"]) == (0, 1)
    assert again["counted_in"] == [competition]
    assert ada.get(f"/leaderboard/{competition}") == before


@pytest.mark.slow
def test_two_servers_show_the_same_board(two_servers: tuple[Server, Server]) -> None:
    here, there = two_servers
    ada = here.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    with ada.at(there).watching(competition) as watch:
        watch.message()
        ada.sync(700)
        assert watch.ranks_when(700) == [(ada.user_id, 700, 1)]
    assert ada.at(there).get(f"/leaderboard/{competition}") == ada.get(f"/leaderboard/{competition}")


def test_a_phone_of_the_earlier_services_reports_its_totals(server: Server) -> None:
    ada = server.new_person("Ada")
    competition = ada.new_competition()
    ada.join(competition)
    totals = {"user_id": ada.user_id, "competition_id": competition, "steps": 5000, "distance": 3200.5, "calories": 210}
    with ada.watching(competition) as watch:
        watch.message()
        ada.post("/leaderboard/update", totals)
        assert watch.ranks_when(5000) == [(ada.user_id, 5000, 1)]
