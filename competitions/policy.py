"""Which activity counts in a competition, and how much of it. Pure: JSON comes in, a Policy goes out.

Everything here may be changed after the start too, as a new version of the rules that participants can see; what
people joined under (dates, metric, money) may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from competitions.rules import DeviceKind


class DayBoundary(StrEnum):
    """Whose midnight divides the days."""

    COMPETITION = "competition"
    PARTICIPANT = "participant"  # where each sample was measured
    UTC = "utc"


class MergeRule(StrEnum):
    """What stands where several sources measured the same time."""

    LARGEST = "largest"
    PREFERRED = "preferred"  # the most preferred source's reading, wherever it has one


class Check(StrEnum):
    """What may make a reading implausible."""

    CADENCE = "cadence"
    SPEED = "speed"
    DAILY_MAXIMUM = "daily_maximum"
    ACTIVE_MINUTES = "active_minutes"
    SHARED_SAMPLES = "shared_samples"
    DEVICE_CLOCK = "device_clock"
    MANUAL_BURST = "manual_burst"
    OUTLIER = "outlier"


class OnHit(StrEnum):
    """What becomes of data that a check complains about, until somebody decides."""

    OFF = "off"  # the check is not made
    COUNT = "count"
    HOLD = "hold"


DEFAULT_PREFERENCE = (DeviceKind.WATCH, DeviceKind.BAND, DeviceKind.RING, DeviceKind.PHONE)

DEFAULT_CHECKS: Mapping[Check, OnHit] = {
    Check.CADENCE: OnHit.HOLD,
    Check.SPEED: OnHit.HOLD,
    Check.DAILY_MAXIMUM: OnHit.COUNT,
    Check.ACTIVE_MINUTES: OnHit.HOLD,
    Check.SHARED_SAMPLES: OnHit.HOLD,
    Check.DEVICE_CLOCK: OnHit.COUNT,
    Check.MANUAL_BURST: OnHit.COUNT,
    Check.OUTLIER: OnHit.COUNT,
}


@dataclass(frozen=True)
class Policy:
    """``daily_cap``: the most that a day counts, by the names of scoring.Totals, in base units. ``allowed_sources``:
    apps and kinds of devices; empty for all. ``backfill_days``: how many days after it was measured something may still
    arrive; None for as long as the competition accepts data. ``preference``: kinds of devices, best first; empty for
    each participant's own. ``checks``: those that are not as in ``DEFAULT_CHECKS``."""

    day_boundary: DayBoundary = DayBoundary.COMPETITION
    merge: MergeRule = MergeRule.LARGEST
    preference: tuple[DeviceKind, ...] = ()
    since_joining: bool = False
    daily_cap: Mapping[str, int] = field(default_factory=dict)
    allowed_sources: frozenset[str] = frozenset()
    manual_entries: bool = True
    backfill_days: int | None = None
    checks: Mapping[Check, OnHit] = field(default_factory=dict)

    def on_hit(self, check: Check) -> OnHit:
        return self.checks.get(check, DEFAULT_CHECKS[check])


def policy_document(policy: Policy) -> dict[str, Any]:
    """All of it as JSON, what is as by default too. `policy_of` reads it."""
    return {
        "day_boundary": policy.day_boundary.value,
        "merge": policy.merge.value,
        "preference": [kind.value for kind in policy.preference],
        "since_joining": policy.since_joining,
        "daily_cap": dict(policy.daily_cap),
        "allowed_sources": sorted(policy.allowed_sources),
        "manual_entries": policy.manual_entries,
        "backfill_days": policy.backfill_days,
        "checks": {check.value: policy.on_hit(check).value for check in Check},
    }


def policy_to_store(policy: Policy) -> dict[str, Any]:
    """The inverse of `policy_of`: the same policy is always stored as the same JSON."""
    default = policy_document(Policy())
    stored = {name: value for name, value in policy_document(policy).items() if value != default[name]}
    if "checks" in stored:
        stored["checks"] = {
            name: on_hit for name, on_hit in stored["checks"].items() if on_hit != default["checks"][name]
        }
    return stored


def policy_of(stored: Mapping[str, Any]) -> Policy:
    """Reads what is stored with a competition: the fields of Policy by name, as JSON; what is not there is as by
    default."""
    return Policy(
        day_boundary=DayBoundary(stored.get("day_boundary", DayBoundary.COMPETITION)),
        merge=MergeRule(stored.get("merge", MergeRule.LARGEST)),
        preference=tuple(DeviceKind(kind) for kind in stored.get("preference", ())),
        since_joining=stored.get("since_joining", False),
        daily_cap=stored.get("daily_cap", {}),
        allowed_sources=frozenset(stored.get("allowed_sources", ())),
        manual_entries=stored.get("manual_entries", True),
        backfill_days=stored.get("backfill_days"),
        checks={Check(name): OnHit(on_hit) for name, on_hit in stored.get("checks", {}).items()},
    )
