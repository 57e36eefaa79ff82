"""What people in a competition hear of it: of its beginning and its end all of them, and of being overtaken those whom
it concerns, at most once a day."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.notices import Event
from accounts.services.notifying import News, notify_people, tell_news
from competitions.models import Competition, Participant
from competitions.rules import ScoreSource, Status
from config.core.clock import day_in
from config.core.jobs import enqueue_once
from leaderboards.models import Announcement, Correction, FinalStandings, Standing
from leaderboards.queries import placings_now

log = structlog.get_logger(__name__)

AT_ONCE = 500
STARTS_SOON = timedelta(hours=24)
GRACE_ENDS = timedelta(hours=6)
STALE_AFTER = timedelta(hours=12)
"""News of the day before is none."""
NEAREST = 100
"""Of those whom one climb overtook, so many are told, the nearest; whoever lies further behind is overtaken by others
too."""

_MOVES: Mapping[str, Event] = {
    Status.ACTIVE: Event.STARTED,
    Status.ENDED: Event.PROVISIONAL_RESULT,
    Status.CANCELLED: Event.CANCELLED,
}

Place = tuple[int, int] | None
"""Rank and score; None for the disqualified."""


# --- Everybody in a competition ---------------------------------------------------------------------------------------


def announce_move(*, competition: Competition, now: datetime) -> None:
    if event := _MOVES.get(competition.status):
        announce(event=event, competition=competition, now=now)


@transaction.atomic
def announce(*, event: Event, competition: Competition, number: int = 1, now: datetime) -> None:
    """Has everybody in it told, after this transaction. A second time changes nothing."""
    _, is_new = Announcement.objects.get_or_create(
        competition=competition, event=event, number=number, defaults={"made_at": now}
    )
    if is_new:
        from leaderboards.tasks import tell_what_is_announced  # tasks call services

        # Not within it: who enqueues the same job would wait for whatever else this transaction does.
        transaction.on_commit(lambda: enqueue_once(tell_what_is_announced.defer), robust=True)


def announce_what_is_near(*, now: datetime) -> None:
    """That competitions start soon, and that the grace of others ends soon. Safe to run at any time."""
    live = Competition.objects.filter(cancelled_at=None, published_at__isnull=False)
    soon = live.filter(status=Status.UPCOMING, start_at__gt=now, start_at__lte=now + STARTS_SOON)
    ending = live.filter(status=Status.ENDED, closes_at__gt=now, closes_at__lte=now + GRACE_ENDS)
    for event, competitions in ((Event.STARTS_SOON, soon), (Event.GRACE_ENDS, ending)):
        told = Announcement.objects.filter(event=event).values("competition_id")
        for competition in competitions.exclude(id__in=told):
            announce(event=event, competition=competition, now=now)


def tell_announcements(*, clock: Callable[[], datetime]) -> int:
    """Tells whoever is to be told, and says how many they were. Safe to run at any time, from several processes at
    once: each goes on where another has stopped. One that goes wrong is logged, tried again, and keeps no other."""
    told = 0
    for announcement in Announcement.objects.filter(done_at=None).select_related("competition").order_by("made_at"):
        try:
            told += _tell_all(announcement, clock)
        except Exception:
            log.exception("announcement_not_told", announcement_id=announcement.pk)
    return told


def _tell_all(announcement: Announcement, clock: Callable[[], datetime]) -> int:
    told, places = 0, _places(announcement)
    while (count := _tell_more(announcement.pk, places, clock())) is not None:
        told += count
    return told


@transaction.atomic
def _tell_more(announcement_id: int, places: Mapping[UUID, Place], now: datetime) -> int | None:
    """The next of its people; None when everybody knows, or somebody else is at it."""
    waiting = Announcement.objects.select_for_update(skip_locked=True, of=("self",)).select_related("competition")
    announcement = waiting.filter(id=announcement_id, done_at=None).first()
    if announcement is None:
        return None
    here = _concerned(announcement)
    if announcement.told_up_to is not None:
        here = here.filter(user_id__gt=announcement.told_up_to)
    people = list(here.order_by("user_id").values_list("user_id", flat=True)[:AT_ONCE])
    told = notify_people(
        event=Event(announcement.event),
        told=_said(announcement, people, places),
        dedupe_key=f"{announcement.event}:{announcement.competition_id}:{announcement.number}",
        competition_id=announcement.competition_id,
        expires_at=_of_use_until(announcement),
        now=now,
    )
    if len(people) < AT_ONCE:
        announcement.done_at = now
    else:
        announcement.told_up_to = people[-1]
    announcement.save(update_fields=["done_at", "told_up_to"])
    return told


def _concerned(announcement: Announcement) -> QuerySet[Participant]:
    """Of the last chance to sync only those hear who have not done so since the end."""
    competition = announcement.competition
    here = Participant.objects.filter(competition=competition, left_at=None)
    if announcement.event != Event.GRACE_ENDS:
        return here
    if competition.score_source == ScoreSource.REPORTED:
        return here.none()
    came = Standing.objects.filter(competition=competition, last_synced_at__gte=competition.end_at)
    return here.exclude(user_id__in=came.values("user_id"))


def _places(announcement: Announcement) -> dict[UUID, Place]:
    """Where everybody stands, for those announcements that say so."""
    if announcement.event == Event.PROVISIONAL_RESULT:
        return {placing.user_id: (rank, placing.score) for rank, placing in placings_now(announcement.competition)}
    if announcement.event == Event.FINAL_RESULT:
        return _final_places(announcement.competition_id, announcement.number)
    return {}


def _final_places(competition_id: UUID, number: int) -> dict[UUID, Place]:
    """Of a correction only those hear for whom it changes something."""
    documents = FinalStandings.objects.filter(competition_id=competition_id, number__in=[number, number - 1])
    places = {final.number: _places_in(final) for final in documents}
    before = places.get(number - 1, {})
    return {u: place for u, place in places[number].items() if u not in before or before[u] != place}


def _places_in(final: FinalStandings) -> dict[UUID, Place]:
    return {row.user_id: (row.rank, row.score) for row in final.rows} | dict.fromkeys(final.disqualified)


def _said(
    announcement: Announcement, people: Sequence[UUID], places: Mapping[UUID, Place]
) -> dict[UUID, dict[str, Any]]:
    competition = announcement.competition
    common: dict[str, Any] = {
        "competition": competition.name,
        "metric": competition.metric,
        "starts_at": competition.start_at.isoformat(),
        "ends_at": competition.end_at.isoformat(),
        "closes_at": competition.closes_at.isoformat(),
    }
    match announcement.event:
        case Event.PROVISIONAL_RESULT | Event.FINAL_RESULT:
            common |= {"of": competition.participant_count, "corrected": announcement.number > 1}
            return {user_id: common | _placed(places[user_id]) for user_id in people if user_id in places}
        case Event.CANCELLED:
            common |= {"refunded": bool(competition.entry_fee_minor)}
    return dict.fromkeys(people, common)


def _placed(place: Place) -> dict[str, Any]:
    return {"disqualified": True} if place is None else {"rank": place[0], "score": place[1]}


def _of_use_until(announcement: Announcement) -> datetime | None:
    competition = announcement.competition
    match announcement.event:
        case Event.STARTS_SOON:
            return competition.start_at
        case Event.STARTED:
            return min(competition.end_at, competition.start_at + timedelta(days=1))
        case Event.PROVISIONAL_RESULT | Event.GRACE_ENDS:
            return competition.closes_at
    return None


# --- Those who were overtaken -----------------------------------------------------------------------------------------

_TAKE_CLIMBS = """
    DELETE FROM leaderboards_climb
     WHERE id IN (SELECT id FROM leaderboards_climb ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING competition_id, user_id, from_score
"""
_OVERTAKEN = """
    WITH climb AS (
         SELECT competition_id, user_id, min(from_score) AS from_score
           FROM unnest(%(competitions)s::uuid[], %(people)s::uuid[], %(scores)s::bigint[])
                AS taken (competition_id, user_id, from_score)
          GROUP BY 1, 2)
    SELECT climb.competition_id, climb.user_id, behind.user_id
      FROM climb
      JOIN competitions_competition c ON c.id = climb.competition_id AND c.status = 'active'
      JOIN leaderboards_standing s
        ON s.competition_id = climb.competition_id AND s.user_id = climb.user_id AND s.on_board
     CROSS JOIN LATERAL (
           SELECT o.user_id, o.score FROM leaderboards_standing o
            WHERE o.competition_id = climb.competition_id AND o.on_board
              AND o.score > climb.from_score AND o.score < s.score
            ORDER BY o.score DESC LIMIT %(nearest)s) behind
      LEFT JOIN climb theirs ON theirs.competition_id = climb.competition_id AND theirs.user_id = behind.user_id
     WHERE coalesce(theirs.from_score, behind.score) > climb.from_score
     ORDER BY climb.competition_id, behind.user_id, s.score
"""
_CLIMBS = 2000


def tell_overtaken(*, clock: Callable[[], datetime]) -> int:
    """Tells those whom the climbs since the last time have overtaken, and says how many they were. Safe to run at any
    time, from several processes at once."""
    told, more = 0, True
    while more:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_TAKE_CLIMBS, [_CLIMBS])
            climbs = cursor.fetchall()
            told += _tell_overtaken(_overtaken_by(climbs), clock())
        more = len(climbs) == _CLIMBS
    return told


def _overtaken_by(climbs: Sequence[tuple[UUID, UUID, int]]) -> Sequence[tuple[UUID, UUID, UUID]]:
    """Competition, who climbed, and who fell behind them; who has climbed too counts from where they were before."""
    if not climbs:
        return []
    competitions, people, scores = (list(values) for values in zip(*climbs, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _OVERTAKEN, {"competitions": competitions, "people": people, "scores": scores, "nearest": NEAREST}
        )
        return list(cursor.fetchall())


def _tell_overtaken(pairs: Sequence[tuple[UUID, UUID, UUID]], now: datetime) -> int:
    """Of several who climbed past somebody the foremost counts."""
    by: dict[UUID, dict[UUID, UUID]] = {}
    for competition_id, climber_id, behind_id in pairs:
        by.setdefault(competition_id, {})[behind_id] = climber_id
    competitions = Competition.objects.in_bulk(by.keys())
    told = 0
    for competition_id, climbers in sorted(by.items()):
        competition = competitions[competition_id]
        told += notify_people(
            event=Event.OVERTAKEN,
            told={
                user_id: {"competition": competition.name, "by": str(climber_id)}
                for user_id, climber_id in climbers.items()
            },
            dedupe_key=f"overtaken:{competition_id}:{day_in(competition.timezone, now)}",
            competition_id=competition_id,
            expires_at=min(competition.end_at, now + STALE_AFTER),
            now=now,
        )
    return told


# --- Those whose score was corrected ----------------------------------------------------------------------------------


def tell_corrected(*, corrections: Iterable[Correction], now: datetime) -> None:
    """Why they have other points than they made; a disqualification is told by what it follows from."""
    news = [
        News(
            user_id=correction.user_id,
            data={
                "competition": correction.competition.name,
                "metric": correction.competition.metric,
                "points": correction.points,
                "reason": correction.reason,
            },
            dedupe_key=f"correction:{correction.id}",
            competition_id=correction.competition_id,
        )
        for correction in corrections
    ]
    tell_news(event=Event.CORRECTION, news=news, now=now)
