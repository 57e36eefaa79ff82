"""Competitions that are over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import join_competition
from leaderboards.models import FinalStandings
from leaderboards.services import report_totals

MakeOver = Callable[..., Competition]


@pytest.fixture
def make_over(make_competition: Any) -> MakeOver:
    """A competition that ended yesterday, with these scores reported in this order. Nobody has moved its status yet."""

    def make(scores: dict[User, int], **fields: Any) -> Competition:
        start = datetime.now(UTC) - timedelta(days=9)
        competition: Competition = make_competition(
            starts=-5, ends=-1, created_at=start, **{"score_source": "reported", **fields}
        )
        inside = competition.start_at + timedelta(hours=1)
        for minute, (person, steps) in enumerate(scores.items()):
            join_competition(competition=competition, user_id=person.id, join_code=None, now=start)
            if steps:
                at = inside + timedelta(minutes=minute)
                report_totals(competition=competition, user_id=person.id, reported={"steps": steps}, now=at)
        return competition

    return make


@pytest.fixture
def truncate_refused() -> None:
    """As in production; the test's transaction takes it back."""
    with connection.cursor() as cursor:
        table = FinalStandings._meta.db_table
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_truncate")
