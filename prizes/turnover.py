"""What was paid out."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from config.core.clock import midnights

_PAID = """
    SELECT currency, width_bucket(paid_at, %(midnights)s::timestamptz[]) AS place, sum(amount_minor)::bigint
      FROM prizes_transfer t
     WHERE state = 'paid' AND paid_at >= %(since)s AND paid_at < %(until)s
       AND (%(owner)s::uuid IS NULL
            OR competition_id IN (SELECT id FROM competitions_competition WHERE owner_id = %(owner)s))
     GROUP BY currency, place
"""


def paid_by_day(owner_id: UUID | None, first: date, last: date) -> Mapping[str, Sequence[int]]:
    """Prizes and refunds that arrived on each of these days in UTC, by currency in minor units. ``owner_id``: whose
    competitions; None: all."""
    begins = midnights("UTC", first, last)
    sums: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"midnights": begins, "since": begins[0], "until": begins[-1], "owner": owner_id}
        cursor.execute(_PAID, parameters)
        for currency, place, amount in cursor.fetchall():
            sums.setdefault(currency, [0] * (len(begins) - 1))[place - 1] = amount
    return dict(sorted(sums.items()))
