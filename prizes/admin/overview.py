"""Everything that a treasurer must know about one competition's money, read once for a page."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from accounts.models import User
from competitions.rules import Status
from config.core.errors import Refusal
from config.core.money import money_text
from config.core.tables import SHOWN, Table, counted, day_and_time, moment
from leaderboards.models import FinalStandings
from leaderboards.queries import final_standings, standings_in_board_order
from leaderboards.ranking import ranks_of
from prizes import plans, pots, queries
from prizes.admin.links import link
from prizes.allocation import Leftover
from prizes.calculation import Calculation, calculate
from prizes.models import (
    AwardList,
    Distribution,
    Entry,
    EntryKind,
    Payment,
    PaymentState,
    Purpose,
    Settlement,
    Transfer,
    TransferState,
    TreasuryAction,
)
from prizes.services.transfers import NO_ACCOUNT

BEST = 20

_AFTERWARDS = {
    Leftover.REDISTRIBUTE: "goes to those who won, in proportion",
    Leftover.ROLL_OVER: "is kept for the organiser's next competition",
    Leftover.RETURN: "goes back to the organiser",
}

_WAITING = {NO_ACCOUNT: "waiting for the winner's account"}


class Overview:
    """Asks the database for what is looked at, and for that once."""

    def __init__(self, competition: Settlement) -> None:
        self.competition = competition
        self.now: datetime = timezone.now()

    # --- Standings ---

    @cached_property
    def status(self) -> Status:
        return self.competition.status_at(self.now)

    @cached_property
    def standings(self) -> FinalStandings | None:
        return final_standings(self.competition.id)

    @cached_property
    def why_not_final(self) -> str:
        """Empty once the standings are final, or can be made so."""
        if self.standings is not None or self.status is Status.COMPLETED:
            return ""
        if self.status in (Status.DRAFT, Status.CANCELLED):
            what = "a draft" if self.status is Status.DRAFT else "cancelled"
            return f"The competition is {what}, so its standings never become final."
        return f"The standings become final on {day_and_time(self.competition.closes_at)}."

    @cached_property
    def standings_table(self) -> Table:
        """The final ones, or the best as they stand."""
        if self.standings is not None:
            placed = [(row.rank, row.user_id, row.score) for row in self.standings.rows]
            total = len(placed)
        else:
            board = standings_in_board_order(self.competition.id)
            best, total = list(board[:BEST]), board.count()
            ranks = ranks_of([s.score for s in best], self.competition.tie_rule, offset=0, above_first=0)
            placed = [(rank, s.user_id, s.score) for rank, s in zip(ranks, best, strict=True)]
        names = _names(user_id for _, user_id, _ in placed[:BEST])
        rows = [(rank, names[user_id], f"{score:,}") for rank, user_id, score in placed[:BEST]]
        return Table(("rank", "person", "points"), rows, frozenset({0, 2}), total=total)

    # --- Awards ---

    @cached_property
    def award_list(self) -> AwardList | None:
        """The newest there is; corrected standings may have made it stale."""
        lists = AwardList.objects.filter(competition=self.competition.id)
        chosen = lists.select_related("distribution__requested_by", "distribution__approved_by")
        return chosen.order_by("-version").first()

    @cached_property
    def current(self) -> AwardList | None:
        """The award list of the newest final standings."""
        listed, standings = self.award_list, self.standings
        return listed if listed and standings and listed.standings_id == standings.id else None

    @cached_property
    def distribution(self) -> Distribution | None:
        return getattr(self.current, "distribution", None)

    @cached_property
    def calculation(self) -> Calculation | Refusal:
        """As it would be now."""
        try:
            return calculate(self.competition)
        except Refusal as refusal:
            return refusal

    @cached_property
    def pool_minor(self) -> int | None:
        """What the prizes are paid from, fees included; None if the plan asks for more than there is."""
        if self.current is not None:
            return self.current.pool_minor
        return None if isinstance(self.calculation, Refusal) else self.calculation.pool_minor

    @cached_property
    def total_minor(self) -> int:
        if self.current is not None:
            return self.current.awards.aggregate(sum=Sum("amount_minor"))["sum"] or 0
        if isinstance(self.calculation, Refusal):
            return 0
        return sum(award.amount_minor for award in self.calculation.awards)

    @cached_property
    def winner_count(self) -> int:
        if self.current is not None:
            return self.current.awards.count()
        return 0 if isinstance(self.calculation, Refusal) else len(self.calculation.awards)

    @cached_property
    def in_all(self) -> str:
        return f"{counted(self.winner_count, 'prize', 'prizes')}, {self.money(self.total_minor)} in all"

    @cached_property
    def promised_minor(self) -> int:
        """What of the pool is not fees."""
        if self.current is not None:
            return self.current.promised_minor
        if isinstance(self.calculation, Refusal):
            return self.competition.prize_pool_minor
        return self.calculation.promised_minor

    @cached_property
    def who_asked(self) -> str:
        """For the prizes to be paid."""
        assert self.distribution is not None
        return str(self.distribution.requested_by or f"The key {self.distribution.requested_with}")

    @cached_property
    def awards_table(self) -> Table:
        """Written down, each with how far its money is; or as they would be now."""
        if self.current is not None:
            awards = list(self.current.awards.select_related("user")[:SHOWN])
            sent = self._sent_to(award.user_id for award in awards)
            rows: list[tuple[Any, ...]] = [
                (a.rank, a.user.name, self.money(a.amount_minor), *self._progress(sent.get(a.user_id))) for a in awards
            ]
            heads: Sequence[str] = ("rank", "person", "amount", "state", "note")
        else:
            found = () if isinstance(self.calculation, Refusal) else self.calculation.awards[:SHOWN]
            names = _names(award.user_id for award in found)
            rows = [(award.rank, names[award.user_id], self.money(award.amount_minor)) for award in found]
            heads = ("rank", "person", "amount")
        return Table(heads, rows, frozenset({0, 2}), total=self.winner_count)

    def _progress(self, transfer: Transfer | None) -> tuple[Any, str]:
        """How far a prize or refund is, and why."""
        if transfer is not None:
            return link("transfer", transfer.pk, transfer.state), transfer.waits_for or transfer.reason
        return "calculated" if self.distribution is None else "waits for approval", ""

    def _sent_to(self, user_ids: Iterable[UUID]) -> dict[UUID, Transfer]:
        """The latest to each; one of earlier standings stands for an award that a correction left alone."""
        prizes = Transfer.objects.filter(competition=self.competition.id, purpose=Purpose.PRIZE)
        sent = prizes.filter(user__in=list(user_ids)).exclude(state=TransferState.CANCELLED)
        return {transfer.user_id: transfer for transfer in sent.order_by("created_at")}

    @cached_property
    def kept(self) -> str:
        """What becomes of the part of the pool that no award takes."""
        if self.current is not None:
            minor, document = self.current.kept_minor, self.current.plan
        elif isinstance(self.calculation, Refusal):
            return ""
        else:
            minor, document = self.calculation.allocation.kept_minor, self.calculation.plan
        if not minor:
            return ""
        afterwards = Leftover.ROLL_OVER if document["leftover"] == Leftover.ROLL_OVER else Leftover.RETURN
        return f"{self.money(minor)} of the pool is nobody's prize and {_AFTERWARDS[afterwards]}."

    @cached_property
    def plan_table(self) -> Table:
        document = self.current.plan if self.current else queries.plan_document(self.competition.id)
        return plan_table(document, self.competition.currency, ties_share=self.competition.tie_rule == "shared")

    # --- Money in ---

    @cached_property
    def held_minor(self) -> int:
        return queries.balance_minor(pots.pool(self.competition.id, self.competition.currency))

    @cached_property
    def reserve_minor(self) -> int:
        """What earlier competitions have left to the organiser: rolled over, and owed."""
        rolled_over = pots.reserve(self.competition.owner_id, self.competition.currency)
        return queries.balance_minor(rolled_over) + self.organiser_owed_minor

    @cached_property
    def fees_minor(self) -> int:
        return queries.fees_paid_minor(self.competition.id)

    @cached_property
    def organiser_owed_minor(self) -> int:
        """From all their competitions in this currency."""
        return queries.balance_minor(pots.organiser(self.competition.owner_id, self.competition.currency))

    @cached_property
    def missing_minor(self) -> int:
        """Until prizes go out it is what the pool lacks, for a refund may have emptied it again."""
        there = self.competition.funded_minor if self.has_released else self.held_minor
        return max(0, self.promised_minor - there)

    @cached_property
    def has_released(self) -> bool:
        return queries.has_released_prizes(self.competition.id)

    @cached_property
    def funding_table(self) -> Table:
        entries = Entry.objects.filter(competition=self.competition.id, kind=EntryKind.FUNDING).select_related("by")
        amounts = entries.filter(postings__amount_minor__gt=0).annotate(sum=Sum("postings__amount_minor"))
        rows = [
            (
                moment(entry.created_at),
                money_text(entry.sum, self.competition.currency),
                entry.key.removeprefix(f"funding:{self.competition.id}:"),
                entry.by.name if entry.by else "–",
                entry.note,
            )
            for entry in amounts[:SHOWN]
        ]
        return Table(("when", "amount", "reference", "who", "why"), rows, frozenset({1}), caption="Confirmed so far")

    # --- Money out ---

    @cached_property
    def refundable(self) -> QuerySet[Payment]:
        return Payment.objects.filter(competition=self.competition.id, state=PaymentState.PAID, refund=None)

    @cached_property
    def refundable_sum(self) -> tuple[int, int]:
        """How many fees, and how much."""
        found = self.refundable.aggregate(count=Count("id"), sum=Sum("amount_minor"))
        return found["count"], found["sum"] or 0

    @cached_property
    def prizes_by_state(self) -> dict[str, int]:
        """How many transfers of prizes, withdrawn ones left out; those that lack something under ``waiting``."""
        prizes = Transfer.objects.filter(competition=self.competition.id, purpose=Purpose.PRIZE)
        counted = prizes.exclude(state=TransferState.CANCELLED).values_list("state", "waits_for").annotate(Count("id"))
        by_state: dict[str, int] = {}
        for state, waits_for, count in counted.order_by():
            name = _WAITING.get(waits_for, "stopped by a correction") if waits_for else state
            by_state[name] = by_state.get(name, 0) + count
        return by_state

    @cached_property
    def other_transfers_table(self) -> Table:
        """Refunds, and prizes that a correction withdrew."""
        others = queries.transfers_of(self.competition.id)
        others = others.filter(Q(purpose=Purpose.REFUND) | Q(state=TransferState.CANCELLED))
        rows = [(t.purpose, t.user.name, self.money(t.amount_minor), *self._progress(t)) for t in others[:SHOWN]]
        return Table(("what", "person", "amount", "state", "note"), rows, frozenset({2}), total=others.count())

    @cached_property
    def actions_table(self) -> Table:
        actions = TreasuryAction.objects.filter(competition=self.competition.id)
        rows = [
            (moment(a.done_at), a.by.name if a.by else f"key {a.service_key}", a.action.replace("_", " "), a.reason)
            for a in actions.select_related("by")[:SHOWN]
        ]
        return Table(("when", "who", "what", "why"), rows, total=actions.count())

    @property
    def figures(self) -> list[tuple[str, str]]:
        competition = self.competition
        return [
            ("promised pool", self.money(competition.prize_pool_minor)),
            ("confirmed", self.money(competition.funded_minor)),
            ("still missing", self.money(self.missing_minor)),
            ("in the pool now", self.money(self.held_minor)),
            ("entry fees paid", self.money(self.fees_minor)),
            ("prizes in all", self.money(self.total_minor)),
            (f"owed to {competition.owner}", self.money(self.organiser_owed_minor)),
        ]

    def money(self, minor: int) -> str:
        return money_text(minor, self.competition.currency)


def plan_table(document: plans.Document, currency: str, *, ties_share: bool) -> Table:
    rows = [(_span(place), _worth(place, currency)) for place in document["places"]]
    if document["target"]:
        rows.append((f"everybody with {document['target']:,} points", "the same"))
    rows += [
        ("places that nobody holds", _AFTERWARDS[Leftover(document["leftover"])]),
        ("equal scores", "share" if ties_share else "first to reach it wins"),
        ("the platform's part of the fees", f"{document['platform_fee_percent']} %"),
        ("the pool's part of the rest", f"{document['fee_share_percent']} %"),
    ]
    return Table(("", "gets"), rows)


def _span(place: Mapping[str, Any]) -> str:
    first, last = place["first"], place["last"]
    return f"place {first}" if first == last else f"each of places {first} to {last}"


def _worth(place: Mapping[str, Any], currency: str) -> str:
    return f"{place['percent']} %" if "percent" in place else money_text(place["amount_minor"], currency)


def _names(user_ids: Iterable[UUID]) -> dict[UUID, str]:
    return dict(User.objects.filter(id__in=list(user_ids)).values_list("id", "name"))
