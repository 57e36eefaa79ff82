"""Owners get their way while everybody syncs, and two owners' hands do not undo each other."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.services.lifecycle import cancel_competition, change_competition
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards.scoring import Totals
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_a_change_and_a_cancellation_are_not_overtaken_for_ever_by_syncs(
    person: User, make_person: Any, make_competition: Any, join: Any
) -> None:
    walkers = [make_person(f"P{number}") for number in range(6)]
    competition = make_competition()
    join(competition, *walkers)
    over = threading.Event()

    def walk(walker: User) -> None:
        steps = 0
        while not over.is_set():
            steps += 1
            now = datetime.now(UTC)
            sync_activities(readings=[Reading(walker.id, Source.FITBIT, now.date(), Totals(steps=steps))], now=now)

    def decide() -> None:
        try:
            for number in range(5):
                renamed: dict[str, Any] = {"name": f"Walk {number}"}
                change_competition(
                    competition_id=competition.id,
                    merge=lambda _, changes=renamed: (changes, None),  # type: ignore[misc]  # mypy infers no lambda with a default
                    by=person,
                    now=datetime.now(UTC),
                )
            cancel_competition(competition_id=competition.id, by=person, now=datetime.now(UTC))
        finally:
            over.set()

    run_together([*(partial(walk, walker) for walker in walkers), decide])
    assert Competition.objects.get(id=competition.id).cancelled_at is not None


@pytest.mark.slow
def test_two_changes_at_once_both_stand(person: User, signed_in: Any, make_competition: Any) -> None:
    today = datetime.now(UTC).date()
    for round_ in range(8):
        competition = make_competition(starts=2, ends=9)
        start, end = today + timedelta(days=3), today + timedelta(days=20 + round_)

        def patch(client: APIClient, where: Competition, body: dict[str, Any]) -> None:
            assert client.patch(f"/api/v1/competitions/{where.id}", body).status_code == 200

        run_together(
            [
                partial(patch, signed_in(person), competition, {"start_date": start.isoformat()}),
                partial(patch, signed_in(person), competition, {"end_date": end.isoformat()}),
            ]
        )
        competition.refresh_from_db()
        assert (competition.starts_on, competition.last_on) == (start, end)
