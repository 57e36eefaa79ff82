"""Everything about one competition that its page says, as far as its reader may know it. Each part is a statement or
two, however many people take part."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.urls import reverse

from accounts.models import User
from competitions.admin.own import ORGANISE
from competitions.models import Competition, Participant, RulesVersion, StatusMove
from competitions.queries import participants_of, rules_versions
from competitions.rules import Status
from competitions.wording import rules_in_words
from config.core.money import money_text
from config.panel.audit import kinds_for, newest_events
from config.panel.audit_events import Event
from config.panel.cockpit.timeline import Stop, timeline
from config.panel.cockpit.told import Told, told_of
from config.panel.messages.preview import may_preview
from config.panel.what_if.saving import may_look
from config.panel.wizard.making import stake_of
from fitness.models import Flag
from fitness.queries.flags import DECIDE
from leaderboards.models import FinalStandings
from leaderboards.queries import BoardPage, board_page
from leaderboards.words import UNITS, counted_in_words, dates_in_words
from prizes import pots
from prizes.models import AwardList, Transfer, TransferState
from prizes.models.transfers import UNFINISHED
from prizes.queries import balance_minor, fees_paid_minor, newest_award_list, plan_document
from prizes.wording import prizes_in_words

BEST = 20
_NEWEST = 5
_EVENTS = 8


@dataclass(frozen=True)
class Line:
    """A row of the live board."""

    rank: int
    name: str
    score: str


class Cockpit:
    """Asks the database for what is looked at, and for that once."""

    def __init__(self, competition: Competition, viewer: User, now: datetime) -> None:
        self.competition = competition
        self.viewer = viewer
        self.now = now
        self.status: Status = competition.status_at(now)

    # --- Who may what ---

    @property
    def is_owner(self) -> bool:
        return self.competition.owner_id == self.viewer.id

    @property
    def may_run(self) -> bool:
        """Publish and cancel it, as over the API."""
        return self.is_owner or self.viewer.has_perm("competitions.change_competition")

    @property
    def sees_settlement(self) -> bool:
        return self.viewer.has_perm("prizes.view_settlement")

    @property
    def sees_money(self) -> bool:
        return self.is_owner or self.sees_settlement

    @property
    def sees_flags(self) -> bool:
        return self.viewer.has_perm("fitness.view_flag") or self.viewer.has_perm(DECIDE)

    @property
    def sees_what_if(self) -> bool:
        under_way = self.status in (Status.ACTIVE, Status.ENDED, Status.COMPLETED)
        return under_way and may_look(self.viewer, self.competition)

    # --- Its life ---

    @cached_property
    def dates(self) -> str:
        return f"{dates_in_words(self.competition)} ({self.competition.timezone})"

    @cached_property
    def stops(self) -> list[Stop]:
        moves = StatusMove.objects.filter(competition=self.competition).select_related("moved_by")
        return timeline(self.competition, moves, self.now)

    # --- Board and people ---

    @cached_property
    def board(self) -> BoardPage:
        return board_page(self.competition, offset=0, limit=BEST)

    @property
    def lines(self) -> list[Line]:
        return [Line(entry["rank"], entry["user_name"], f"{entry['score']:,}") for entry in self.board.entries]

    @property
    def unit(self) -> str:
        return UNITS.get(self.competition.metric, "points")  # type: ignore[call-overload,no-any-return]  # a stored Metric

    @property
    def board_unshown(self) -> int:
        return self.board.total - len(self.board.entries)

    @cached_property
    def newest(self) -> list[Participant]:
        return list(participants_of(self.competition.id).order_by("-joined_at", "-id")[:_NEWEST])

    # --- Rules ---

    @property
    def counts(self) -> str:
        return counted_in_words(self.competition)

    @cached_property
    def rules(self) -> list[RulesVersion]:
        """The newest first."""
        versions = rules_versions(self.competition.id).defer("document").select_related("made_by")
        return list(versions.order_by("-number")[:_NEWEST])

    @property
    def rules_in_words(self) -> Sequence[str]:
        return rules_in_words(self.competition)

    # --- What happened ---

    @cached_property
    def events(self) -> Sequence[Event]:
        return newest_events(self.competition.id, _EVENTS, kinds=kinds_for(self.viewer, self.competition))

    # --- What people were told ---

    @cached_property
    def told(self) -> list[Told]:
        return told_of(self.competition.id)

    @property
    def may_preview(self) -> bool:
        return may_preview(self.viewer)

    # --- Flags ---

    @cached_property
    def flags_waiting(self) -> int:
        """One's own are somebody else's to decide."""
        waiting = Flag.objects.filter(competition=self.competition).waiting()
        return int(waiting.exclude(user=self.viewer).count())

    # --- Money ---

    @property
    def has_money(self) -> bool:
        return self.competition.money_at_stake or self.competition.funded_minor > 0

    @cached_property
    def figures(self) -> list[tuple[str, str]]:
        competition = self.competition
        figures = [
            ("promised pool", self.money(competition.prize_pool_minor)),
            ("confirmed", self.money(competition.funded_minor)),
            ("still missing", self.money(self.missing_minor)),
        ]
        if competition.entry_fee_minor:
            figures.append(("entry fee", self.money(competition.entry_fee_minor)))
            figures.append(("fees paid", self.money(fees_paid_minor(competition.id))))
            figures.append(("seats being paid", f"{competition.reserved_count:,}"))
        return figures

    @property
    def missing_minor(self) -> int:
        return max(0, self.competition.prize_pool_minor - self.competition.funded_minor)

    @cached_property
    def held_minor(self) -> int:
        """What the pool holds now."""
        return balance_minor(pots.pool(self.competition.id, self.competition.currency))

    @cached_property
    def prizes_in_words(self) -> Sequence[str]:
        return prizes_in_words(plan_document(self.competition.id), stake_of(self.competition))

    @cached_property
    def standings_number(self) -> int:
        """Of the newest final standings; 0 for none."""
        final = FinalStandings.objects.filter(competition=self.competition).order_by("-number")
        return final.values_list("number", flat=True).first() or 0

    @cached_property
    def awards(self) -> AwardList | None:
        """Those of the newest final standings."""
        newest = newest_award_list(self.competition.id)
        return newest if newest is not None and newest.version == self.standings_number else None

    @cached_property
    def transfers(self) -> tuple[int, int]:
        """How many of its prizes and refunds are on their way, and how many have failed."""
        found = Transfer.objects.filter(competition_id=self.competition.id).order_by().values_list("state")
        by_state = dict(found.annotate(count=Count("id")))
        return sum(by_state.get(state, 0) for state in UNFINISHED), by_state.get(TransferState.FAILED, 0)

    def money(self, minor: int) -> str:
        return money_text(minor, self.competition.currency)

    # --- Where to go from here ---

    def address(self, name: str) -> str:
        return reverse(f"admin:{name}", args=[self.competition.pk])

    @property
    def settlement(self) -> str:
        return self.address("prizes_settlement_change")

    @property
    def links(self) -> Sequence[tuple[str, str]]:
        """Pages about this competition that its reader may open."""
        known = {"app": "competitions", "model": "competition", "key": str(self.competition.pk)}
        links = [("What if", self.address("what_if"))] if self.sees_what_if else []
        links += [
            ("Insights", self.address("competition_insights")),
            ("Audit trail", reverse("admin:audit", kwargs=known)),
        ]
        return links

    def list_of(self, table: str, **more: Any) -> str:
        """A table's rows of this competition; empty for whoever may not open it."""
        app, model = table.split("_", 1)
        if not (self.viewer.has_perm(f"{app}.view_{model}") or (self.is_owner and self.viewer.has_perm(ORGANISE))):
            return ""
        query = urlencode({"competition__id__exact": self.competition.pk, **more})
        return f"{reverse(f'admin:{table}_changelist')}?{query}"

    @property
    def people_list(self) -> str:
        return self.list_of("competitions_participant")

    @property
    def rules_list(self) -> str:
        return self.list_of("competitions_rulesversion")

    @property
    def standings_list(self) -> str:
        return self.list_of("leaderboards_standing")

    @property
    def flags_list(self) -> str:
        known = urlencode({"competition__id__exact": self.competition.pk})
        return f"{reverse('admin:fitness_flag_changelist')}?{known}" if self.sees_flags else ""
