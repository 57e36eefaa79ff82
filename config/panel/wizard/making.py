"""A competition out of the answers: made, or made and taken back for whoever wants to read it first."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.db import transaction

from accounts.models import User
from competitions.models import Competition
from competitions.rules import TieRule
from competitions.services.lifecycle import create_competition, publish_competition
from competitions.wording import points_are, rules_in_words
from config.core.tables import Table, counted
from config.panel.wizard.answers import Answers, read_answers
from prizes import plans
from prizes.actors import Actor
from prizes.queries import plan_document
from prizes.services.plans import change_plan
from prizes.wording import Example, Stake, examples, places_text, prizes_in_words


@transaction.atomic
def make_competition(
    *, competition_id: UUID, owner: User, answers: Answers, published: bool, now: datetime
) -> Competition:
    """With its prize plan, in one piece. Raises what the checks and the services raise, and IntegrityError if there is
    one with this id already."""
    asked = read_answers(answers)
    assert asked.span is not None
    fields = {**asked.columns, "id": competition_id}
    competition = create_competition(owner=owner, fields=fields, span=asked.span, published=False, now=now)
    if asked.plan is not None:  # while it is a draft: a plan is fixed from the start on, which may have been
        change_plan(competition_id=competition_id, document=asked.plan, actor=Actor(owner), now=now)
    if published:
        competition = publish_competition(competition_id=competition_id, by=owner, now=now)
    return competition


@dataclass(frozen=True)
class Preview:
    competition: Competition
    rules: list[str]
    prizes: list[str]
    examples: Table | None


def preview_of(*, competition_id: UUID, owner: User, answers: Answers, now: datetime) -> Preview:
    """What would be made and published, read from it before it is taken back. Raises as `make_competition` does."""
    with transaction.atomic():
        competition = make_competition(
            competition_id=competition_id, owner=owner, answers=answers, published=True, now=now
        )
        document = plan_document(competition_id)
        transaction.set_rollback(True)
    stake = stake_of(competition)
    return Preview(
        competition,
        rules_in_words(competition),
        prizes_in_words(document, stake),
        _examples_table(document, stake, competition.max_participants),
    )


def stake_of(competition: Competition) -> Stake:
    return Stake(
        competition.currency,
        competition.prize_pool_minor,
        competition.entry_fee_minor,
        competition.tie_rule == TieRule.SHARED,
        points_are(competition.metric),
    )


_PEOPLE = (10, 100)


def _examples_table(document: plans.Document, stake: Stake, places: int | None) -> Table | None:
    """What each place would get, with so many people, and what becomes of all that comes in."""
    counts = {*_PEOPLE, places} if places else set(_PEOPLE)
    found = examples(document, stake, [count for count in counts if places is None or count <= places])
    if not any(example.pool_minor for example in found):
        return None
    heads = ["", *(f"with {counted(example.people, 'person', 'people')}" for example in found)]
    rows = [["Prize pool", *(stake.text(example.pool_minor) for example in found)], *_place_rows(found, stake)]
    for title, minors in (
        ("Too little for the prizes by", [example.lacking_minor for example in found]),
        ("Left over", [0 if example.lacking_minor else example.kept_minor for example in found]),
        ("The platform's part", [example.split.platform_minor for example in found]),
        ("The organiser's part", [example.split.organiser_minor for example in found]),
    ):
        if any(minors):
            rows.append([title, *(stake.text(minor) for minor in minors)])
    return Table(heads, rows, frozenset(range(1, len(heads))), caption="What the prizes would be")


def _place_rows(found: list[Example], stake: Stake) -> list[list[str]]:
    """A row for neighbouring places as long as none of the examples tells them apart."""
    edges = sorted({edge for example in found for first, last, _ in example.places for edge in (first, last + 1)})
    rows = []
    for first, beyond in pairwise(edges):
        gets = [next((minor for a, b, minor in example.places if a <= first <= b), 0) for example in found]
        if any(gets):
            rows.append([places_text(first, beyond - 1), *(stake.text(minor) if minor else "–" for minor in gets)])
    return rows
