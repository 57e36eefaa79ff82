"""Why somebody has the score that they have, read at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import User
from competitions.models import Competition
from competitions.queries import competition, participation
from competitions.rules import ScoreSource
from config.core.errors import Forbidden, NotFound
from fitness.explaining import ExplainedDay, explained_days
from fitness.queries.readings import frames_of, readings_of
from fitness.reckoning import is_for_owner_only, reckon
from leaderboards.models import Correction, Standing
from leaderboards.queries import corrections_of

_TRIES = 5


@dataclass(frozen=True)
class Explanation:
    """The days add up to the standing's synced totals; those, or what was reported, make its points by the rules of
    ``competition`` as they were then, and those with the corrections its score."""

    competition: Competition
    standing: Standing
    days: Sequence[ExplainedDay]
    corrections: Sequence[Correction]


def access_explanation(viewer: User, shown: Competition, user_id: UUID, now: datetime) -> Explanation:
    """For the person themselves, the competition's owner and staff; only the person sees what sources say that may be
    shown to nobody else. Raises NotFound for somebody who does not take part, Forbidden for everybody else."""
    owns = viewer.id in (user_id, shown.owner_id)
    if not owns and not viewer.has_perm("leaderboards.view_standing"):
        raise Forbidden("Only the person themselves, the competition's owner and staff may see this.")
    return explanation(shown.id, user_id, now, to_others=viewer.id != user_id)


def explanation(competition_id: UUID, user_id: UUID, now: datetime, *, to_others: bool = False) -> Explanation:
    """Read again while the rules or the standing move meanwhile, so that what it says belongs together. Raises
    NotFound."""
    for _ in range(_TRIES):
        before, rules = _standing(competition_id, user_id), competition(competition_id)
        days = [] if rules.score_source == ScoreSource.REPORTED else _days(rules, user_id, now, to_others)
        corrections = list(corrections_of(competition_id, user_id))
        after = _standing(competition_id, user_id).version, competition(competition_id).updated_at
        if after == (before.version, rules.updated_at):
            break
    return Explanation(rules, before, days, corrections)


def _days(rules: Competition, user_id: UUID, now: datetime, to_others: bool) -> list[ExplainedDay]:
    at = rules.closes_at if rules.closes_at <= now else None
    frame = frames_of([(rules, user_id)], at)[rules.id, user_id]
    readings = readings_of({user_id: (rules.starts_on, rules.last_on)})[user_id]
    parts = reckon(frame, readings)
    return explained_days(frame, [part for part in parts if not (to_others and is_for_owner_only(frame, part))])


def _standing(competition_id: UUID, user_id: UUID) -> Standing:
    """Of somebody who has left it stays as it was then, while their readings go on."""
    found = Standing.objects.filter(competition_id=competition_id, user_id=user_id).first()
    if found is None or participation(competition_id, user_id) is None:
        raise NotFound("This person does not take part in the competition.")
    return found
