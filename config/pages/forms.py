"""Forms as people see them. What may be in them the API's own readers say; their complaints come back beside the
fields."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.rules import country_names
from config.core.errors import Invalid, Refusal


class PageForm(forms.Form):
    """Every value is taken as it was typed; `refuse` says what was wrong with it, by field."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial=dict(initial or {}), label_suffix="")

    @property
    def typed(self) -> dict[str, Any]:
        """Without the spaces around it. Raises Invalid for what no text may hold."""
        if not self.is_valid():
            raise Invalid(details={field: [str(text) for text in texts] for field, texts in self.errors.items()})
        return dict(self.cleaned_data)

    def refuse(self, refusal: Refusal) -> None:
        """Its sentences beside the fields that it names, else above them all; the cursor goes to the first."""
        self.is_valid()
        details, seen = refusal.details or {}, [field.name for field in self.visible_fields()]
        named = {field: texts for field, texts in details.items() if field in seen}
        for field, texts in named.items():
            if field not in self.errors:
                self.add_error(field, texts)
        if not named:
            self.add_error(None, [said for texts in details.values() for said in texts] or refusal.message)
        first = next(iter(sorted(named, key=seen.index)), None) or next(iter(seen), None)
        for name, known in self.fields.items():
            known.widget.attrs.pop("autofocus", None)
            if name == first:
                known.widget.attrs["autofocus"] = True


def text(
    label: str, help_text: str = "", *, widget: type[forms.Widget] = forms.TextInput, **attrs: Any
) -> forms.CharField:
    return forms.CharField(label=label, help_text=help_text, required=False, widget=widget(attrs=attrs))


def choice(label: str, choices: Any, help_text: str = "", **attrs: Any) -> forms.CharField:
    """One of a list; whether it is one, the reader says."""
    return forms.CharField(label=label, help_text=help_text, required=False, widget=forms.Select(attrs, choices))


def countries() -> list[tuple[str, str]]:
    """By name."""
    return [("", "I’d rather not say"), *sorted(country_names().items(), key=lambda row: row[1])]


def secret(label: str, help_text: str = "", *, autocomplete: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete, "maxlength": 128})
    return forms.CharField(label=label, help_text=help_text, required=False, strip=False, widget=widget)


def hidden(**attrs: Any) -> forms.CharField:
    return forms.CharField(required=False, widget=forms.HiddenInput(attrs=attrs))


Typed = Mapping[str, Any]
