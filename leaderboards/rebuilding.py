"""Copies of boards that are too big for a reader to wait for."""

from uuid import UUID

from procrastinate.contrib.django import app

from config.core.jobs import enqueue_once
from config.core.redis import redis_client
from leaderboards.mirror import read_page, rebuild_mirror

_ASKED_SECONDS = 60


@app.task()
def rebuild_board(competition_id: str) -> None:
    """Whoever asked may have asked before somebody else built it."""
    if read_page(UUID(competition_id), offset=0, limit=1) is None:
        rebuild_mirror(UUID(competition_id))


def rebuild_board_later(competition_id: UUID) -> None:
    """Once, however many readers ask: only the first one of a minute goes as far as the queue, and there one job waits
    at most. Raises RedisError."""
    if redis_client().set(f"board:{{{competition_id}}}:asked", 1, nx=True, ex=_ASKED_SECONDS):
        job = rebuild_board.configure(queueing_lock=f"rebuild_board:{competition_id}")
        enqueue_once(job.defer, competition_id=str(competition_id))
