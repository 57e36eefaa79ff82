"""How scores are spread, against plain counting."""

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitions.services.enrolment import enrol_people
from config.core.redis import redis_client
from leaderboards.distribution import MOST_BUCKETS, distribution_of_scores, shares_of_the_best, step_for
from leaderboards.headcount import headcount, say_headcount
from leaderboards.models import Standing


@pytest.mark.slow
@given(st.integers(0, 2**53))
def test_edges_are_round_and_few(largest: int) -> None:
    step = step_for(largest)
    assert str(step).rstrip("0") in ("1", "2", "5")
    assert largest // step < MOST_BUCKETS
    if step > 1:
        finer = step * 2 // 5 if str(step).startswith("5") else step // 2
        assert largest // finer >= MOST_BUCKETS


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_scores_are_counted_as_by_hand(seed: int, make_competition: Any, make_person: Any, now: datetime) -> None:
    chance = random.Random(seed)
    board, another = make_competition(), make_competition()
    people = [make_person() for _ in range(chance.choice([1, 2, 7, 60]))]
    for each in (board, another):
        enrol_people(competition=each, user_ids=[one.id for one in people], now=now)
    most = chance.choice([0, 3, 900, 80_000, 2**50])
    for standing in Standing.objects.filter(competition__in=[board, another]):
        standing.score = chance.randrange(most + 1)
        standing.on_board = chance.random() < 0.9
        standing.save()
    scores = sorted(Standing.objects.filter(competition=board, on_board=True).values_list("score", flat=True))
    found = distribution_of_scores(board.id)
    if not scores:
        assert found is None
    else:
        assert found is not None
        assert (found.people, found.least, found.most) == (len(scores), scores[0], scores[-1])
        for value, part in ((found.quarter, 0.25), (found.median, 0.5), (found.three_quarters, 0.75)):
            assert sum(score <= value for score in scores) >= part * len(scores)
            assert sum(score < value for score in scores) < part * len(scores)
        last = len(found.buckets) - 1
        counts = Counter(min(score // found.step, last) for score in scores)
        assert list(found.buckets) == [counts[bucket] for bucket in range(last + 1)]
        assert len(found.buckets) <= MOST_BUCKETS
    tenths: Counter[int] = Counter()
    for each in (board, another):
        on_it = list(Standing.objects.filter(competition=each, on_board=True).values_list("score", flat=True))
        best = max(on_it, default=0)
        tenths.update(min(score * 10 // best, 9) for score in on_it if best)
    assert shares_of_the_best([board.id, another.id]) == [tenths[tenth] for tenth in range(10)]


@pytest.mark.django_db
def test_an_empty_board_has_no_distribution(make_competition: Any) -> None:
    assert distribution_of_scores(make_competition().id) is None
    assert shares_of_the_best([]) == [0] * 10


class TestHeadcount:
    def test_processes_add_up_and_the_peak_of_the_hour_stays(self, monkeypatch: Any) -> None:
        now = datetime.now(UTC)
        for process, count in (("1", 40), ("2", 30), ("1", 5)):
            monkeypatch.setattr("os.getpid", lambda process=process: process)
            say_headcount(count)
        found = headcount(now)
        assert found.now == 35
        assert found.peaks[-1][1] == 70
        assert [peak for _, peak in found.peaks[:-1]] == [None] * 23
        assert found.peaks[-1][0] == now.replace(minute=0, second=0, microsecond=0)

    def test_a_process_that_says_nothing_any_more_is_forgotten(self, monkeypatch: Any) -> None:
        monkeypatch.setattr("leaderboards.headcount._GOOD_MS", 1)
        say_headcount(9)
        monkeypatch.setattr("leaderboards.headcount._GOOD_MS", 30_000)
        monkeypatch.setattr("os.getpid", lambda: "another")
        while redis_client().hlen("headcount:now"):
            pass
        say_headcount(2)
        assert headcount(datetime.now(UTC)).now == 2

    def test_peaks_of_the_day_before_are_let_go(self) -> None:
        hour = int(datetime.now(UTC).timestamp()) // 3600
        redis_client().hset("headcount:peaks", mapping={str(hour - 1): 8, str(hour - 26): 99})
        say_headcount(3)
        assert {int(known) for known in redis_client().hkeys("headcount:peaks")} == {hour - 1, hour}
        assert headcount(datetime.now(UTC)).peaks[-2][1] == 8
