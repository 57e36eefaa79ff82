from django.db.models import QuerySet
from django.utils import timezone
from django_filters import ChoiceFilter, FilterSet
from django_filters.filters import CharFilter

from competitions.models import Competition
from competitions.rules import Kind, Metric, Status, Visibility


def _choices(values: type[Kind] | type[Metric] | type[Status] | type[Visibility]) -> list[tuple[str, str]]:
    return [(value.value, value.value) for value in values]


class CompetitionFilter(FilterSet):
    """``status`` as the dates have it now, not as it was stored a moment ago."""

    status = ChoiceFilter(choices=_choices(Status), method="with_status")
    type = ChoiceFilter(choices=_choices(Kind), field_name="kind")
    metric = ChoiceFilter(choices=_choices(Metric))
    visibility = ChoiceFilter(choices=_choices(Visibility))
    search = CharFilter(field_name="name", lookup_expr="icontains", max_length=120)

    class Meta:
        model = Competition
        fields: list[str] = []

    def with_status(self, found: QuerySet[Competition], name: str, value: str) -> QuerySet[Competition]:
        return found.with_status(Status(value), timezone.now())  # type: ignore[attr-defined,no-any-return]  # of our own QuerySet
