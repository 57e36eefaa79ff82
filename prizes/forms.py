"""What the panel asks before money moves."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms

from config.core.money import WrongAmount, decimals_of, to_minor


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "class": "vLargeTextField"}),
        help_text="Why; it is kept with your name.",
    )


class ReferenceForm(ReasonForm):
    reference = forms.CharField(
        max_length=80,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="What the bank or the receipt calls it.",
    )
    field_order: Sequence[str] = ("reference", "reason")


class AmountForm(ReferenceForm):
    """The amount in the currency of the competition."""

    amount = forms.DecimalField(min_value=Decimal(0), max_digits=18)
    field_order: Sequence[str] = ("amount", "reference", "reason")

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        self.fields["amount"].label = f"Amount in {currency}"
        self.fields["amount"].widget.attrs |= {
            "step": str(Decimal(1).scaleb(-decimals_of(currency))),
            "class": "vTextField",
            "autocomplete": "off",
        }

    def clean_amount(self) -> int:
        """In minor units."""
        try:
            return to_minor(self.cleaned_data["amount"], self.currency)
        except WrongAmount as error:
            raise forms.ValidationError(str(error)) from None


class FundingForm(AmountForm):
    from_reserve = forms.BooleanField(
        required=False, help_text="Out of what earlier competitions have left to the organiser."
    )
    field_order = ("amount", "reference", "from_reserve", "reason")
