"""Implausible data: flags are opened, appealed and decided.

A sync calls, in its transaction, with its people locked and their competitions held, after it has stored what came and
before it counts days::

    flagged = open_flags(changes=changes, competitions=competitions, now=now)

``changes``: one `plausibility.Change` for each person of whom something was stored: the samples that are new or other
than they were (`StoredSample`, a NamedTuple), and the days of daily records that changed (`DayTotal`), with what stands
now. ``competitions``: of each person by id, those in which activity counts, as `held_for` gives them.

The answer is the people of whom something was flagged now. For them more may have changed than the days that came: all
their days in these competitions are to be counted again. What is set aside, `queries.flags.holds_among` says, to be
asked after this.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from competitions.models import Competition
from fitness.plausibility import Change


def open_flags(
    *, changes: Sequence[Change], competitions: Mapping[UUID, Sequence[Competition]], now: datetime
) -> set[UUID]:
    return set()
