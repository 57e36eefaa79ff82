"""What somebody supposes, as the page asks it, and why it is saved."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.http import QueryDict

from competitions.api.rules import patched_policy
from competitions.models import Competition, Participant
from competitions.policy import Policy
from competitions.rules import BASE_UNITS
from config.panel.what_if.changes import Change, Judgement, NewRules, Points
from leaderboards.scoring import MAX_SCORE

_UNITS = {"steps": "steps", "distance": "metres", "calories": "kilocalories", "active_minutes": "minutes"}
_MOST = 10**9
_MOST_SOURCES = 50


class Kind(StrEnum):
    DISQUALIFY = "disqualify"
    REINSTATE = "reinstate"
    POINTS = "points"
    RULES = "rules"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Kind.DISQUALIFY: "Disqualify somebody",
    Kind.REINSTATE: "Reinstate somebody",
    Kind.POINTS: "Give or take points",
    Kind.RULES: "Change the rules",
}


class PointsForm(forms.Form):
    points = forms.IntegerField(
        min_value=-MAX_SCORE, max_value=MAX_SCORE, help_text="Below zero: a penalty. Beside what was given before."
    )

    def clean_points(self) -> int:
        points: int = self.cleaned_data["points"]
        if points == 0:
            raise forms.ValidationError("Give or take some points.")
        return points


def _cap(name: str) -> forms.IntegerField:
    return forms.IntegerField(min_value=1, max_value=_MOST, required=False, label=f"Daily cap, {_UNITS[name]}")


class RulesForm(forms.Form):
    """Of a competition's policy what is changed in everyday life; the rest stays as it is."""

    steps = _cap("steps")
    distance = _cap("distance")
    calories = _cap("calories")
    active_minutes = _cap("active_minutes")
    manual_entries = forms.BooleanField(required=False, label="What was typed in counts")
    since_joining = forms.BooleanField(required=False, label="Only what was measured after joining counts")
    allowed_sources = forms.CharField(
        required=False,
        max_length=2000,
        label="Sources that count",
        help_text="Apps or kinds of devices, such as garmin, watch; with commas between them. Empty: all.",
    )

    @property
    def caps(self) -> list[forms.BoundField]:
        return [self[name] for name in BASE_UNITS]

    @property
    def others(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in BASE_UNITS]

    def clean_allowed_sources(self) -> list[str]:
        named = [name.strip() for name in self.cleaned_data["allowed_sources"].split(",") if name.strip()]
        if len(named) > _MOST_SOURCES:
            raise forms.ValidationError(f"Name {_MOST_SOURCES} sources at most.")
        return named

    def stored_policy(self, current: Policy) -> dict[str, Any]:
        answers = self.cleaned_data
        asked = {name: answers[name] for name in ("manual_entries", "since_joining", "allowed_sources")}
        return patched_policy(asked | {"daily_cap": {name: answers[name] for name in BASE_UNITS}}, current)


def rules_now(policy: Policy) -> dict[str, Any]:
    """As the form shows them."""
    caps = {
        wire: policy.daily_cap[name] // per_unit
        for wire, (name, per_unit) in BASE_UNITS.items()
        if name in policy.daily_cap
    }
    sources = ", ".join(sorted(policy.allowed_sources))
    kept = {"manual_entries": policy.manual_entries, "since_joining": policy.since_joining}
    return {**caps, **kept, "allowed_sources": sources}


class SaveForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "class": "vLargeTextField"}),
        help_text="Why; it is kept with your name, and those whom it concerns may read it.",
    )
    form_id = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)  # so that a form sent twice acts once
    seen = forms.CharField(max_length=200, widget=forms.HiddenInput)


class Question:
    """What is supposed, out of a page's address or a form that was sent. ``change`` is None as long as something is
    missing."""

    def __init__(self, data: QueryDict, competition: Competition) -> None:
        self.competition = competition
        named = data.get("change", "")
        self.kind = Kind(named) if named in list(Kind) else Kind.DISQUALIFY
        self.search = data.get("q", "").strip()[:80]
        self.participant = None if self.kind is Kind.RULES else _participant(competition, data.get("person", ""))
        self.points = PointsForm(data if "points" in data else None)
        given = data if "asked" in data else None
        self.rules = RulesForm(given, initial=rules_now(competition.policy))
        self.change = self._change()

    def _change(self) -> Change | None:
        if self.kind is Kind.RULES:
            valid = self.rules.is_valid()
            return NewRules(self.rules.stored_policy(self.competition.policy)) if valid else None
        if self.participant is None:
            return None
        if self.kind is Kind.POINTS:
            valid = self.points.is_valid()
            return Points(self.participant.user, self.points.cleaned_data["points"]) if valid else None
        return Judgement(self.participant.user, disqualify=self.kind is Kind.DISQUALIFY)

    @property
    def answers(self) -> Mapping[str, str]:
        """What a form must send to ask the same again."""
        asked: dict[str, Any] = {"change": self.kind.value}
        if self.participant is not None:
            asked["person"] = str(self.participant.user_id)
        if self.kind is Kind.POINTS:
            asked["points"] = self.points.data.get("points", "")
        if self.kind is Kind.RULES:
            asked |= {"asked": "1"} | {name: self.rules.data.get(name, "") for name in self.rules.fields}
        return {name: value for name, value in asked.items() if value}


def _participant(competition: Competition, key: str) -> Participant | None:
    """Also one who has left: the page says so."""
    try:
        user_id = UUID(key)
    except ValueError:
        return None
    return Participant.objects.filter(competition=competition, user_id=user_id).select_related("user").first()
