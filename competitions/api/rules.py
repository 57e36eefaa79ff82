"""Which activity counts in a competition, as the wire says it, and the versions of the rules.

A body's ``rules`` is a JSON Merge Patch (RFC 7396): what is not named stays, null is as by default. An answer's are
complete.
"""

import json
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from competitions.models import RulesVersion
from competitions.policy import (
    DayBoundary,
    MergeRule,
    OnHit,
    Policy,
    policy_document,
    policy_of,
    policy_to_store,
)
from competitions.rules import BASE_UNITS, DeviceKind
from config.core.api import plain_text

_MOST_AMOUNT = 10**9
_MOST_DAYS = 3660
_MOST_SOURCES = 50


class NamesThatExist(serializers.Serializer[Any]):
    """Refuses names that it does not know: what is misspelt must not look as if it held."""

    unknown = "There is no such rule."
    closed = True

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        if unknown:
            raise serializers.ValidationError({str(name): [self.unknown] for name in unknown})
        return super().to_internal_value(data)


def _most() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=_MOST_AMOUNT, allow_null=True, required=False)


class DailyCap(NamesThatExist):
    """The most that one day counts: steps, metres, kilocalories, minutes. Null: as many as there are."""

    unknown = "There is no such amount."

    steps = _most()
    distance = _most()
    calories = _most()
    active_minutes = _most()


def _on_hit() -> serializers.ChoiceField:
    return serializers.ChoiceField(list(OnHit), allow_null=True, required=False)


class Checks(NamesThatExist):
    """What becomes of data that a check complains about, until somebody decides; off: the check is not made."""

    unknown = "There is no such check."

    cadence = _on_hit()
    speed = _on_hit()
    daily_maximum = _on_hit()
    active_minutes = _on_hit()
    shared_samples = _on_hit()
    device_clock = _on_hit()
    manual_burst = _on_hit()
    outlier = _on_hit()


class Rules(NamesThatExist):
    """Which activity counts, and how much of it."""

    day_boundary = serializers.ChoiceField(
        list(DayBoundary), allow_null=True, required=False, help_text="Whose midnight divides the days."
    )
    merge = serializers.ChoiceField(
        list(MergeRule),
        allow_null=True,
        required=False,
        help_text="Where several sources measured the same time: the largest reading, or the preferred source's.",
    )
    preference = serializers.ListField(
        child=serializers.ChoiceField(list(DeviceKind)),
        max_length=len(DeviceKind),
        allow_null=True,
        required=False,
        help_text="Best first; empty: each participant's own.",
    )
    since_joining = serializers.BooleanField(
        allow_null=True, required=False, help_text="Only what was measured after joining counts."
    )
    daily_cap = DailyCap(allow_null=True, required=False)
    allowed_sources = serializers.ListField(
        child=serializers.CharField(max_length=200, validators=[plain_text]),
        max_length=_MOST_SOURCES,
        allow_null=True,
        required=False,
        help_text="Names of apps, or kinds of devices; empty: all.",
    )
    manual_entries = serializers.BooleanField(
        allow_null=True, required=False, help_text="Whether what was typed in counts."
    )
    backfill_days = serializers.IntegerField(
        min_value=0,
        max_value=_MOST_DAYS,
        allow_null=True,
        required=False,
        help_text="How many days after it was measured something may still arrive; null: as long as data is accepted.",
    )
    checks = Checks(allow_null=True, required=False)

    def validate_preference(self, kinds: list[str] | None) -> list[str] | None:
        if kinds and len(set(kinds)) < len(kinds):
            raise serializers.ValidationError("Name each kind of device once.")
        return kinds

    def to_representation(self, policy: Policy) -> dict[str, Any]:
        cap = {
            wire: policy.daily_cap[name] // per_unit if name in policy.daily_cap else None
            for wire, (name, per_unit) in BASE_UNITS.items()
        }
        return policy_document(policy) | {"daily_cap": cap if policy.daily_cap else None}


def patched_policy(asked: Mapping[str, Any] | None, current: Policy) -> dict[str, Any]:
    """The column ``stored_policy`` when a body's ``rules``, already checked, are laid over what holds now."""
    default, document = policy_document(Policy()), policy_document(current)
    if asked is None:
        return {}
    for name, value in asked.items():
        inner = _in_base_units(value) if name == "daily_cap" and value else value
        document[name] = _patched(document[name], inner, default[name])
    return policy_to_store(policy_of(document))


def _patched(held: Any, asked: Any, default: Any) -> Any:
    if asked is None:
        return default
    if not isinstance(asked, Mapping):
        return asked
    named = {name: default.get(name) if value is None else value for name, value in asked.items()}
    return {name: value for name, value in (held | named).items() if value is not None}


def _in_base_units(cap: Mapping[str, int | None]) -> dict[str, int | None]:
    units = [(*BASE_UNITS[wire], amount) for wire, amount in cap.items()]
    return {name: None if amount is None else amount * per_unit for name, per_unit, amount in units}


class RulesVersionAnswer(serializers.Serializer[RulesVersion]):
    """``digest`` is the SHA-256, in hex, of the document as canonical JSON (RFC 8785), in UTF-8."""

    number = serializers.IntegerField(help_text="0: not frozen, the rules as they are now.")
    digest = serializers.CharField()
    previous_digest = serializers.CharField(allow_blank=True)
    made_at = serializers.DateTimeField(allow_null=True)
    made_by = serializers.UUIDField(source="made_by_id", allow_null=True, help_text="Null: the clock.")
    reason = serializers.CharField(allow_blank=True)
    document = serializers.SerializerMethodField()

    def get_document(self, version: RulesVersion) -> dict[str, Any]:
        return dict(json.loads(version.document))


class RulesHistoryAnswer(serializers.Serializer[Any]):
    """``versions``: the first one first; none before the start."""

    frozen = serializers.BooleanField()
    current = RulesVersionAnswer()
    versions = RulesVersionAnswer(many=True)
