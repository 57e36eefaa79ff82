"""A board as it would stand if something were otherwise. Nothing is written, and nobody who writes is held up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from competitions.models import Competition
from competitions.queries import participants_among
from leaderboards.models import Standing
from leaderboards.ranking import Placing, board_order, ranks_of
from leaderboards.scoring import Totals
from leaderboards.services import counted_score


@dataclass(frozen=True)
class Supposition:
    """What would be otherwise, by person; whoever is not named is as they are. ``disqualified``: whether they are;
    ``points``: more than corrections give them now; ``synced``: what their activity comes to."""

    disqualified: Mapping[UUID, bool] = field(default_factory=dict)
    points: Mapping[UUID, int] = field(default_factory=dict)
    synced: Mapping[UUID, Totals] = field(default_factory=dict)


def placings_if(competition: Competition, supposed: Supposition, now: datetime) -> list[tuple[int, Placing]]:
    """Everybody who would be on the board, best first, with their ranks. As in `services`, a correction says what would
    have been right all along, so ``reached_at`` stays; another score by activity is reached now."""
    back = [user_id for user_id, off in supposed.disqualified.items() if not off]
    back = [user_id for _, user_id in participants_among([(competition.id, user_id) for user_id in back])]
    standings = Standing.objects.filter(Q(on_board=True) | Q(user_id__in=back), competition=competition)
    placings = [
        _placing(standing, competition, supposed, now)
        for standing in standings
        if not supposed.disqualified.get(standing.user_id, False)
    ]
    placings.sort(key=board_order)
    ranks = ranks_of([placing.score for placing in placings], competition.tie_rule, offset=0, above_first=0)
    return list(zip(ranks, placings, strict=True))


def _placing(standing: Standing, competition: Competition, supposed: Supposition, now: datetime) -> Placing:
    user_id, reached_at = standing.user_id, standing.reached_at
    adjustment = standing.adjustment_points + supposed.points.get(user_id, 0)
    synced = supposed.synced.get(user_id, standing.synced)
    if adjustment == standing.adjustment_points and synced == standing.synced:
        return standing.placing
    _, score = counted_score(competition, synced, standing.reported, adjustment)
    if synced != standing.synced and score != standing.score:
        reached_at = now
    return Placing(user_id, score, reached_at, standing.joined_at)
