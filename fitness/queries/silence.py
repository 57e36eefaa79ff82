"""Who has stopped sending."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

_DAYS = (1, 2, 4, 8, 15)
"""Where a span of silence ends and the next begins."""
SPANS = ("less than a day", "1 day", "2 to 3 days", "4 to 7 days", "8 to 14 days", "15 days or more", "never sent")

_SILENCE = """
    SELECT CASE WHEN heard.at IS NULL THEN %(never)s
                ELSE width_bucket(extract(epoch FROM least(c.end_at, %(now)s) - heard.at), %(seconds)s::numeric[])
           END AS span, count(*)
      FROM competitions_participant p
      JOIN competitions_competition c ON c.id = p.competition_id
      CROSS JOIN LATERAL (
           SELECT CASE WHEN c.score_source = 'reported'
                       THEN (SELECT last_synced_at FROM leaderboards_standing s
                              WHERE s.competition_id = p.competition_id AND s.user_id = p.user_id)
                       ELSE greatest((SELECT max(synced_at) FROM fitness_activity a WHERE a.user_id = p.user_id),
                                     (SELECT max(synced_at) FROM fitness_datasource d WHERE d.user_id = p.user_id))
                  END AS at) heard
     WHERE p.competition_id = ANY(%(competitions)s) AND p.left_at IS NULL
     GROUP BY span
"""


def silence_of_participants(competition_ids: Collection[UUID], now: datetime) -> Sequence[int]:
    """How many of those who take part have been silent for each of ``SPANS``: since anything of theirs last changed,
    until now or until the competition ended. Where only reports count, since their standing last moved."""
    parameters: dict[str, Any] = {
        "competitions": list(competition_ids),
        "now": now,
        "seconds": [86_400 * days for days in _DAYS],
        "never": len(_DAYS) + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SILENCE, parameters)
        counts = dict(cursor.fetchall())
    return [counts.get(span, 0) for span in range(len(SPANS))]
