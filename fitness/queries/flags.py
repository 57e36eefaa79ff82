"""Reading flags, and what they set aside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from fitness.plausibility import Hold


def holds_among(
    pairs: Collection[tuple[UUID, UUID]], at: datetime | None = None
) -> Mapping[tuple[UUID, UUID], Sequence[Hold]]:
    """What of these participants' data, each a competition and a person by their ids, is set aside: now, or by what was
    known before ``at``, for what was frozen then. Whoever has nothing set aside is not in it."""
    return {}
