"""One step on a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from config.panel.wizard.answers import Answers, complaints_about
from config.panel.wizard.questions import Group, Step


class StepForm(forms.Form):
    """Its fields only show and read; whether the answers are right the API's body says."""

    def __init__(self, step: Step, answers: Answers | None) -> None:
        super().__init__(answers)
        self.step = step
        for question in step.questions:
            self.fields[question.name] = question.form_field()

    def clean(self) -> dict[str, Any]:
        for name, sentences in complaints_about(self.step, self.cleaned_data).items():
            self.add_error(name or None, sentences)
        return self.cleaned_data

    @property
    def sections(self) -> list["Section"]:
        return [Section(group, self) for group in self.step.groups]

    @property
    def complaints(self) -> list[tuple[forms.BoundField, list[str]]]:
        return [(field, [str(sentence) for sentence in field.errors]) for field in self if field.errors]


@dataclass(frozen=True)
class Section:
    group: Group
    form: StepForm

    @property
    def fields(self) -> list[tuple[forms.BoundField, str]]:
        """Each with the word for its style."""
        return [(self.form[question.name], question.of) for question in self.group.questions]

    @property
    def is_open(self) -> bool:
        """Somebody has said something there, or has to."""
        return any(field.errors or (field.value() or "") != (field.initial or "") for field, _ in self.fields)


def answers_in(step: Step, posted: Mapping[str, Any]) -> dict[str, Any]:
    """As the page's widgets read them; empty where nothing was sent."""
    fields = StepForm(step, None).fields
    said = {name: field.widget.value_from_datadict(posted, {}, name) for name, field in fields.items()}
    return {name: "" if answer is None else answer for name, answer in said.items()}
