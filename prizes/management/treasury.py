"""What the commands that move money share."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from accounts.models import User
from competitions.models import Competition
from config.core.errors import Refusal
from config.core.money import to_decimal
from prizes.actors import Actor
from prizes.api.permissions import TREASURER
from prizes.models import AwardList


def treasurer(text: str) -> Actor:
    """A command line's ``--by``: the e-mail or id of somebody who may distribute prizes."""
    try:
        found = User.objects.filter(id=UUID(text)).first()
    except ValueError:
        found = User.objects.filter(email__iexact=text, identity_provider="local").first()
    if found is None:
        raise ArgumentTypeError(f"nobody here is called {text}")
    if not found.has_perm(TREASURER):
        raise ArgumentTypeError(f"{found.name} is no treasurer; give them the permission {TREASURER} first")
    return Actor(found)


def sentence(text: str) -> str:
    if len(text) > 500:
        raise ArgumentTypeError("write 500 letters at most")
    return text


def add_treasurer_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--by", type=treasurer, required=True, help="Who does this: e-mail or id of a treasurer.")
    parser.add_argument("--reason", type=sentence, default="", help="Why; it is kept.")
    add_report_arguments(parser)


def add_report_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="Show what would happen and change nothing.")
    parser.add_argument("--json", action="store_true")


AWARD_COLUMNS = ("competition_name", "rank", "name", "amount", "currency", "state", "note")


def award_rows(award_list: AwardList) -> Iterator[dict[str, Any]]:
    """A report's line for each award."""
    for award in award_list.awards.select_related("user", "transfer"):
        transfer = getattr(award, "transfer", None)
        yield {
            "competition": str(award_list.competition_id),
            "competition_name": award_list.competition.name,
            "version": award_list.version,
            "rank": award.rank,
            "person": str(award.user_id),
            "name": award.user.name,
            "amount": str(to_decimal(award.amount_minor, award_list.currency)),
            "currency": award_list.currency,
            "state": transfer.state if transfer else "calculated",
            "note": (transfer.waits_for or transfer.reason) if transfer else "",
        }


class Outcomes:
    """Works through competitions; one that cannot be done is told at the end and does not keep the others."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    @contextmanager
    def of(self, competition: Competition) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self.problems.append(f"{competition.name} ({competition.id}): {refusal.message}")

    def close(self) -> None:
        """Raises CommandError if anything needs a person."""
        if self.problems:
            raise CommandError("\n".join(self.problems))


def competitions_named(ids: Sequence[UUID]) -> list[Competition]:
    """Raises CommandError for an id that names none."""
    found = list(Competition.objects.filter(id__in=ids).order_by("end_at", "id"))
    missing = set(ids) - {competition.id for competition in found}
    if missing:
        raise CommandError(f"There is no competition {', '.join(sorted(map(str, missing)))}.")
    return found
