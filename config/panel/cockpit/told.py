"""What a competition's people were told, and how it reached them: one statement, over so many of each event's
notifications at most that it costs the same for a crowd."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from accounts.notices import Event

MOST_TOLD = 1_000
"""Of one event that are counted."""

_TOLD = """
    SELECT e.event, count(*), sum(d.email), sum(d.push), sum(d.sms), sum(d.waiting), sum(d.failed)
      FROM unnest(%(events)s::text[]) WITH ORDINALITY AS e (event, place)
     CROSS JOIN LATERAL (SELECT id FROM accounts_notification
                          WHERE competition_id = %(competition_id)s AND event = e.event LIMIT %(most)s) n
     CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE state = 'sent' AND channel = 'email') AS email,
                                count(*) FILTER (WHERE state = 'sent' AND channel = 'push') AS push,
                                count(*) FILTER (WHERE state = 'sent' AND channel = 'sms') AS sms,
                                count(*) FILTER (WHERE state IN ('waiting', 'sending', 'unknown')) AS waiting,
                                count(*) FILTER (WHERE state = 'failed') AS failed
                           FROM accounts_delivery WHERE notification_id = n.id) d
     GROUP BY e.event, e.place ORDER BY e.place
"""


@dataclass(frozen=True)
class Told:
    """``people``: who were told of it, in the app or otherwise. The rest are messages, one to each address."""

    event: Event
    people: int
    email: int
    push: int
    sms: int
    waiting: int
    failed: int

    @property
    def name(self) -> str:
        return self.event.value.replace("_", " ")

    @property
    def is_cut(self) -> bool:
        """There are more than were counted."""
        return self.people == MOST_TOLD


def told_of(competition_id: UUID) -> list[Told]:
    """By event, in the order of a competition's life."""
    events = [event.value for event in Event]
    with connection.cursor() as cursor:
        cursor.execute(_TOLD, {"events": events, "competition_id": competition_id, "most": MOST_TOLD})
        return [Told(Event(event), *(int(count) for count in counts)) for event, *counts in cursor.fetchall()]
