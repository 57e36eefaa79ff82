"""Working out what a competition's rules cut off: in a job, because it looks at every reading of everybody."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from competitions.models import Competition
from competitions.queries import competition as competition_with
from competitions.queries import participants_of
from competitions.rules import ScoreSource
from config.core.jobs import enqueue_once
from fitness.explaining import explained_days
from fitness.left_out import LeftOut
from fitness.models import LeftOut as StoredLeftOut
from fitness.queries.left_out import competitions_to_work_out, is_current
from fitness.queries.readings import frames_of, readings_of
from fitness.reckoning import is_for_owner_only, reckon
from leaderboards.queries import board_versions

AT_ONCE = 200
"""Participants whose whole competition is held in memory."""


def request_left_out(*, competition: Competition) -> None:
    """Has it worked out by a worker. However many ask, one job waits at most, and one at a time is at work."""
    from fitness.tasks import work_out_one  # which imports this module

    if competition.score_source == ScoreSource.REPORTED:
        return  # no reading counts, so none is cut off
    name = f"left_out:{competition.id}"
    job = work_out_one.configure(lock=name, queueing_lock=name)
    enqueue_once(job.defer, competition_id=str(competition.id))


def request_all_left_out(*, now: datetime) -> None:
    for competition in competitions_to_work_out(now).iterator():
        request_left_out(competition=competition)


def work_out_left_out(*, competition_id: UUID, clock: Callable[[], datetime]) -> None:
    """Anew, unless what is known is current. People are looked at some at a time, so that it says how far it is; what
    somebody sends meanwhile may be in it. Raises NotFound."""
    now = clock()
    if is_current(competition_id, now):
        return
    version = board_versions([competition_id]).get(competition_id, 0)
    competition = competition_with(competition_id)
    found = LeftOut()
    ids = list(participants_of(competition_id).order_by("user_id").values_list("user_id", flat=True))
    for done in range(0, len(ids), AT_ONCE):
        StoredLeftOut.objects.update_or_create(competition_id=competition_id, defaults={"people_done": done})
        _add_people(found, competition, ids[done : done + AT_ONCE], now)
    worked_out = {"version": version, "read_at": now, "document": asdict(found), "people_done": None}
    StoredLeftOut.objects.update_or_create(competition_id=competition_id, defaults=worked_out)


def _add_people(found: LeftOut, competition: Competition, user_ids: Sequence[UUID], now: datetime) -> None:
    """As `explanation` tells it to others than the person themselves."""
    at = competition.closes_at if competition.closes_at <= now else None
    frames = frames_of([(competition, user_id) for user_id in user_ids], at)
    readings = readings_of(dict.fromkeys(user_ids, (competition.starts_on, competition.last_on)))
    for user_id in user_ids:
        frame = frames[competition.id, user_id]
        parts = reckon(frame, readings[user_id])
        found.add_person(explained_days(frame, [part for part in parts if not is_for_owner_only(frame, part)]))
