"""What every page of the panel is built on.

A list never counts more than ``MOST_ROWS`` rows and never goes deeper, so that it costs the same over a thousand rows
and over millions; who wants more narrows it down, or takes the CSV.
"""

import json
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:  # unfold has no types; its classes are Django's with other templates
    from django.contrib.admin import ModelAdmin, TabularInline

    _Admin = ModelAdmin[Any]
    _Inline = TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as _Admin
    from unfold.admin import TabularInline as _Inline

MOST_ROWS = 10_000
"""Of a list; further rows are reached by searching and filtering."""


class BoundedPaginator(Paginator[Any]):
    template_name = "panel/pagination.html"

    @cached_property
    def counted(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[: MOST_ROWS + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, MOST_ROWS)

    @property
    def is_cut(self) -> bool:
        """There are more rows than can be paged through."""
        return self.counted > MOST_ROWS


class Page(_Admin):
    """A table of the panel."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_filter_sheet = False


class ReadOnly(Page):
    """A table to look at: what is in it was written by a service and is changed by services only."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(_Inline):
    """Rows that belong to the row above them."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def readable_document(text: str) -> SafeString:
    """Canonical JSON for the eye."""
    return format_html("<pre>{}</pre>", json.dumps(json.loads(text), ensure_ascii=False, indent=2))
