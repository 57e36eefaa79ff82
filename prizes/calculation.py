"""What a competition's standings are worth, worked out and not written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from competitions.models import Competition
from competitions.rules import TieRule
from config.core.errors import Conflict
from leaderboards.models import FinalStandings
from leaderboards.queries import final_standings, placings_now
from prizes import plans
from prizes.allocation import Allocation, Award, Finisher, Plan, PoolTooSmall, allocate, fixed_minor
from prizes.queries import fees_paid_minor, plan_document


class PoolBelowPlan(Conflict):
    message = (
        "The fixed amounts of the prize plan come to more than the pool; a treasurer can confirm the missing money, or"
        " give everything back."
    )


@dataclass(frozen=True)
class Calculation:
    """Money in minor units of ``currency``. ``standings``: the frozen ones it was made from; None while they are not
    final, and the awards with them."""

    competition_id: UUID
    standings: FinalStandings | None
    plan: plans.Document
    ties_share: bool
    currency: str
    promised_minor: int
    fees_minor: int
    split: plans.FeeSplit
    allocation: Allocation

    @property
    def pool_minor(self) -> int:
        return self.promised_minor + self.split.pool_minor

    @property
    def awards(self) -> Sequence[Award]:
        return self.allocation.awards


def calculate(
    competition: Competition, *, promised_minor: int | None = None, finishers: Sequence[Finisher] | None = None
) -> Calculation:
    """By the final standings if there are any, else by the board as it stands. ``promised_minor``: what if the pool
    were that, fees aside; ``finishers``: what if these stood there, best first. Raises PoolBelowPlan."""
    standings = final_standings(competition.id)
    document, ties_share = plan_document(competition.id), competition.tie_rule == TieRule.SHARED
    promised = competition.prize_pool_minor if promised_minor is None else promised_minor
    fees = fees_paid_minor(competition.id)
    split = plans.split_fees(fees, document)
    plan = plans.plan_of(document, ties_share=ties_share)
    if promised_minor is None:
        promised = _raised(promised, plan, split, competition)
    finishers = _finishers(competition, standings) if finishers is None else finishers
    try:
        allocation = allocate(promised + split.pool_minor, plan, finishers)
    except PoolTooSmall:
        raise PoolBelowPlan from None
    return Calculation(
        competition.id, standings, document, ties_share, competition.currency, promised, fees, split, allocation
    )


def _raised(promised: int, plan: Plan, split: plans.FeeSplit, competition: Competition) -> int:
    """Fixed amounts that were to come out of fees, and did not, may come out of money that a treasurer has confirmed
    beyond the promise; no more than they need."""
    lacking = fixed_minor(plan) - split.pool_minor
    return max(promised, min(lacking, competition.funded_minor))


def _finishers(competition: Competition, standings: FinalStandings | None) -> list[Finisher]:
    if standings is not None:
        return [Finisher(row.user_id, row.rank, row.score) for row in standings.rows]
    return [Finisher(placing.user_id, rank, placing.score) for rank, placing in placings_now(competition)]
