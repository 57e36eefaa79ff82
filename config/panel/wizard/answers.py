"""What was answered, as the bodies that the API takes; the API's own checks read them, here as there."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ValidationError

from competitions.api.serializers import CompetitionBody, columns_of, span_from
from competitions.rules import Metric, Span
from config.core.api import checked
from config.core.errors import Refusal, as_refusal
from config.panel.wizard.questions import Prizes, Step
from prizes import plans
from prizes.api.serializers import PlanBody, document_of

Answers = Mapping[str, Any]
"""By the names of the questions: texts, lists of texts, and yes or no."""

_NEEDED = ("name", "start_date")
"""Left empty they are sent empty, for the API to say so; everything else is left out."""

_ABOUT_PRIZES = frozenset({"places", "target", "leftover", "platform_fee_percent", "fee_share_percent"})
_PLACE = re.compile(r"places\[([0-9]{1,3})\]\.(first|last|worth)")


@dataclass(frozen=True)
class Asked:
    """Checked. ``span``: None where nobody asked for the dates; ``plan``: None where nothing is to be divided."""

    columns: dict[str, Any]
    span: Span | None
    plan: plans.Document | None


def read_answers(answers: Answers, *, partial: bool = False) -> Asked:
    """Raises what the API's checks raise; `complaints_in` says it by question. ``partial``: they are those of one step,
    which holds everything that its fields are checked against."""
    body = checked(CompetitionBody, _competition_body(answers), partial=partial)
    span = None if partial and "start_date" not in body else span_from(body, None)
    columns = columns_of(body, None)
    return Asked(columns, span, _plan(answers, columns) if "places" in answers else None)


def complaints_about(step: Step, answers: Answers) -> dict[str, list[str]]:
    """By question, in the API's words; empty if all is well."""
    asked = {question.name: answers.get(question.name, question.usual) for question in step.questions}
    try:
        read_answers(asked, partial=True)
    except (ValidationError, Refusal, plans.WrongPlan) as error:
        return complaints_in(error, asked, [question.name for question in step.questions])
    return {}


def complaints_in(error: Exception, answers: Answers, names: Collection[str]) -> dict[str, list[str]]:
    """What a check or a service has said, by the question that it is about; under ``""`` what is about none of them."""
    if isinstance(error, plans.WrongPlan):
        found = {error.field: [str(error)]}
    else:
        refusal = as_refusal(error)
        assert refusal is not None
        found = dict(refusal.details or {"": [refusal.message]})
    said: dict[str, list[str]] = {}
    for path, sentences in found.items():
        said.setdefault(_question_of(path, answers, names), []).extend(sentences)
    return said


def _question_of(path: str, answers: Answers, names: Collection[str]) -> str:
    """``places[0].percent`` of the body is the third written place's worth, say; ``weights`` is asked in parts."""
    if match := re.fullmatch(r"places\[([0-9]{1,3})\](?:\.(\w+))?", path):
        row, part = _rows(answers)[int(match[1])], match[2] or "worth"
        path = f"places[{row}].{'worth' if part in ('percent', 'amount') else part}"
    while path:
        if path in names:
            return path
        parts = [name for name in names if name.startswith((f"{path}.", f"{path}["))]
        if parts:
            return parts[0]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return ""


def _competition_body(answers: Answers) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, answer in answers.items():
        if name in _ABOUT_PRIZES or _PLACE.fullmatch(name) or name == "apps" or name.startswith("rules.preference["):
            continue
        if answer in ("", []) and name not in _NEEDED:
            continue
        _put(body, name.split("."), answer)
    if body.get("metric") != Metric.WEIGHTED:
        body.pop("weights", None)
    if answers.get("places") == Prizes.NONE:
        body.pop("prize_pool", None)
    _put_devices(body, answers)
    return body


def _put(body: dict[str, Any], path: list[str], answer: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = answer


def _put_devices(body: dict[str, Any], answers: Answers) -> None:
    apps = [line.strip() for line in str(answers.get("apps", "")).splitlines() if line.strip()]
    if apps:
        _put(body, ["rules", "allowed_sources"], [*answers.get("rules.allowed_sources", ()), *apps])
    preferred = [answer for name, answer in answers.items() if name.startswith("rules.preference[") and answer]
    if preferred and answers.get("rules.merge") == "preferred":
        _put(body, ["rules", "preference"], preferred)


def _plan(answers: Answers, columns: Mapping[str, Any]) -> plans.Document | None:
    """Raises a validation error, WrongPlan."""
    if answers["places"] == Prizes.NONE and not columns["entry_fee_minor"]:
        return None
    document = document_of(checked(PlanBody, _plan_body(answers)), columns["currency"])
    return plans.checked_plan(
        document, promised_minor=columns["prize_pool_minor"], has_fees=columns["entry_fee_minor"] > 0
    )


def _plan_body(answers: Answers) -> dict[str, Any]:
    about = ("leftover", "platform_fee_percent", "fee_share_percent")
    body = {name: answers[name] for name in about if answers.get(name, "") != ""}
    match answers["places"]:
        case Prizes.NONE:
            return body | {"places": plans.DEFAULT["places"], "fee_share_percent": "0"}
        case Prizes.WINNER:
            return body | {"places": [{"first": 1, "percent": "100"}]}
        case Prizes.FIRST_THREE:
            return body | {"places": plans.DEFAULT["places"]}
        case Prizes.TARGET:
            return body | {"target": answers.get("target") or None}
        case unit:
            return body | {"places": [_place(answers, row, str(unit)) for row in _rows(answers)]}


def _place(answers: Answers, row: int, unit: str) -> dict[str, Any]:
    told = {"first": answers[f"places[{row}].first"], "last": answers[f"places[{row}].last"]}
    told[unit] = answers[f"places[{row}].worth"]
    return {name: answer for name, answer in told.items() if answer != ""}


def _rows(answers: Answers) -> list[int]:
    """The numbers of the written prizes; a row that says neither what it is worth nor to which place is empty."""
    found = (_PLACE.fullmatch(name) for name, answer in answers.items() if answer not in ("", None))
    return sorted({int(match[1]) for match in found if match and not _is_usual(answers, int(match[1]))})


def _is_usual(answers: Answers, row: int) -> bool:
    return row == 0 and not answers.get("places[0].last") and not answers.get("places[0].worth")


def rows_asked_for(answers: Iterable[str]) -> int:
    """How many prizes of one's own a page has room for: those that were asked about, and at the first time five."""
    return max([5, *(int(match[1]) + 1 for name in answers if (match := _PLACE.fullmatch(name)))])
