"""What a competition's frozen rules say.

``{"format": "pacesetter-rules/1", "competition", "number", "previous", "made_at", "made_by", "reason",
"rules": {...}}``: times RFC 3339 with microseconds, money in minor units, amounts in base units. ``rules`` is
everything that decides who stands where and what is at stake, with nothing left to a default that may be another one
tomorrow. People are in it by their ids and never by name.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

from accounts.models import User
from competitions.models import Competition, RulesVersion
from competitions.policy import policy_document
from config.core.clock import written_moment
from config.core.json import canonical_json

FORMAT = "pacesetter-rules/1"


def fixed_rules(competition: Competition) -> dict[str, Any]:
    """What people joined under: as it was when the competition started."""
    return {
        "metric": competition.metric,
        "weights": {name: str(weight) for name, weight in competition.weights.items()},
        "score_source": competition.score_source,
        "tie_rule": competition.tie_rule,
        "timezone": competition.timezone,
        "starts_at": written_moment(competition.start_at),
        "ends_at": written_moment(competition.end_at),
        "first_day": competition.starts_on.isoformat(),
        "last_day": competition.last_on.isoformat(),
        "closes_at": written_moment(competition.closes_at),
        "currency": competition.currency,
        "entry_fee_minor": competition.entry_fee_minor,
        "prize_pool_minor": competition.prize_pool_minor,
    }


def written_rules(
    competition: Competition, *, before: RulesVersion | None, by: User | None, reason: str, made_at: datetime
) -> RulesVersion:
    """The rules as they are now, as the version after ``before``; not stored."""
    number, previous = (before.number + 1, before.digest) if before else (1, "")
    return _version(competition, number, previous, by, reason, made_at)


def rules_to_be(competition: Competition) -> RulesVersion:
    """Of a competition that has not started: its rules as they would be frozen now, as number 0; not stored."""
    return _version(competition, 0, "", None, "", None)


def _version(
    competition: Competition, number: int, previous: str, by: User | None, reason: str, made_at: datetime | None
) -> RulesVersion:
    document = canonical_json(
        {
            "format": FORMAT,
            "competition": str(competition.id),
            "number": number,
            "previous": previous,
            "made_at": written_moment(made_at) if made_at else None,
            "made_by": str(by.id) if by else None,
            "reason": reason,
            "rules": fixed_rules(competition) | {"policy": policy_document(competition.policy)},
        }
    )
    version = RulesVersion(
        competition=competition,
        number=number,
        document=document,
        digest=sha256(document.encode()).hexdigest(),
        previous_digest=previous,
        made_by=by,
        reason=reason,
    )
    if made_at is not None:
        version.made_at = made_at
    return version
