"""How scores are spread over those on a board."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

MOST_BUCKETS = 10
_TENTHS = 10

_QUANTILES = """
    SELECT count(*), min(score), max(score),
           percentile_disc(ARRAY[0.25, 0.5, 0.75, 0.98]) WITHIN GROUP (ORDER BY score)
      FROM leaderboards_standing WHERE competition_id = %s AND on_board
"""
_BUCKETS = """
    SELECT least(score / %(step)s, %(last)s) AS bucket, count(*)
      FROM leaderboards_standing WHERE competition_id = %(competition)s AND on_board GROUP BY bucket
"""
_SHARES = """
    SELECT least(s.score * 10 / best.score, 9) AS tenth, count(*)
      FROM (SELECT competition_id, max(score) AS score FROM leaderboards_standing
             WHERE competition_id = ANY(%s) AND on_board GROUP BY competition_id) best
      JOIN leaderboards_standing s ON s.competition_id = best.competition_id AND s.on_board
     WHERE best.score > 0 GROUP BY tenth
"""


@dataclass(frozen=True)
class Distribution:
    """``quarter``, ``median``, ``three_quarters``: the smallest score that so large a part of the people do not exceed.
    ``buckets[n]``: how many have from ``n * step`` on; the last bucket is open."""

    people: int
    least: int
    quarter: int
    median: int
    three_quarters: int
    most: int
    step: int
    buckets: Sequence[int]


def distribution_of_scores(competition_id: UUID) -> Distribution | None:
    """None for an empty board. Two statements, which agree at `one_moment`."""
    with connection.cursor() as cursor:
        cursor.execute(_QUANTILES, [competition_id])
        people, least, most, quantiles = cursor.fetchone()
        if not people:
            return None
        quarter, median, three_quarters, nearly_all = quantiles
        step = step_for(nearly_all)
        last = nearly_all // step  # whoever is far ahead of all others must not make one bar of them
        cursor.execute(_BUCKETS, {"competition": competition_id, "step": step, "last": last})
        counts = dict(cursor.fetchall())
    buckets = [counts.get(bucket, 0) for bucket in range(last + 1)]
    return Distribution(people, least, quarter, median, three_quarters, most, step, buckets)


def step_for(largest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that makes ``MOST_BUCKETS`` of what lies between 0 and it, at most."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if largest // step < MOST_BUCKETS:
                return step
        power *= 10


def shares_of_the_best(competition_ids: Collection[UUID]) -> list[int]:
    """How many people have so many tenths of the best score of their board, the best themselves in the last; boards on
    which nobody has a point are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_SHARES, [list(competition_ids)])
        counts = dict(cursor.fetchall())
    return [counts.get(tenth, 0) for tenth in range(_TENTHS)]
