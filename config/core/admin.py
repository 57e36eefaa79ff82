"""What every page of the panel is built on.

A list never counts more than ``MOST_ROWS`` rows and never goes deeper, so that it costs the same over a thousand rows
and over millions; who wants more narrows it down, or takes the CSV. It is ordered, filtered and searched only in ways
that an index serves.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from asgiref.local import Local
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify

from config.core.columns import Column
from config.core.csv import chunks, csv_response, written_lines
from config.core.search import MOST_FOUND, Search

if TYPE_CHECKING:  # unfold has no types; its classes are Django's with other templates
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList

    _Admin = ModelAdmin[Any]
    _Inline = TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as _Admin
    from unfold.admin import TabularInline as _Inline
    from unfold.views import ChangeList

log = structlog.get_logger(__name__)

MOST_ROWS = 10_000
"""Of a list; further rows are reached by searching and filtering."""

_here = Local()


class BoundedPaginator(Paginator[Any]):
    template_name: Any = "panel/pagination.html"

    @cached_property
    def counted(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[: MOST_ROWS + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, MOST_ROWS)

    @property
    def count_text(self) -> str:
        return f"{self.count:,}"

    @property
    def is_cut(self) -> bool:
        """There are more rows than can be paged through."""
        return self.counted > MOST_ROWS


class List(ChangeList):
    """Called by what is in it."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.plural: str = getattr(self.model_admin, "plural", "") or str(self.opts.verbose_name_plural)
        self.title = capfirst(self.plural)
        self.full_result_count = self.result_count  # or the head would tell the bound as if it were all there is

    def get_ordering_field(self, field_name: Any) -> Any:
        """Also to an address written by hand only those columns answer whose heads can be clicked."""
        is_sortable = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if is_sortable else None


class Page(_Admin):
    """A table of the panel.

    ``search_fields`` are relations, whose own words are looked at, ``id``, ``=column`` and ``^column``; a table with a
    WordIndex is searched by that too. ``found_filters`` are filters that no index serves: they are offered once a
    search, or a relation in the address, has left little to go through. ``when_empty``: what would be here. ``plural``:
    what its rows are called, if not as the model says.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each would count everything
    list_per_page = 50
    list_max_show_all = 0
    list_filter_sheet = False
    list_disable_select_all = True
    sortable_by = ()
    found_filters: Sequence[Any] = ()
    when_empty = ""
    plural = ""

    @property
    def request(self) -> HttpRequest:
        """Unfold keeps the request on this object, which all threads share: here each finds its own."""
        found: HttpRequest = _here.request
        return found

    @request.setter
    def request(self, request: HttpRequest) -> None:
        _here.request = request

    # --- What may be asked of a list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return List

    def get_sortable_by(self, request: HttpRequest) -> Any:
        shown = self.get_list_display(request)
        return [*self.sortable_by, *(item for item in shown if self._orders(item))]

    def _orders(self, item: Any) -> bool:
        given = getattr(self, item, None) if isinstance(item, str) else item
        return bool(getattr(given, "admin_order_field", None))

    def get_list_filter(self, request: HttpRequest) -> Any:
        found = self.found_filters if self._is_narrowed(request) else ()
        return (*super().get_list_filter(request), *found)

    @cached_property
    def _relations(self) -> Sequence[str]:
        plain = (name for name in self.search_fields if name[0] not in "=^")
        return [name for name in plain if self.opts.get_field(name).is_relation]

    def _is_narrowed(self, request: HttpRequest) -> bool:
        asked = {name.partition("__")[0] for name in request.GET}
        return bool(request.GET.get("q", "").strip()) or not asked.isdisjoint(self._relations)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """A list answers to its filters, and to whole keys: any other column could be guessed letter by letter, or
        would have every row looked at."""
        name, _, way = lookup.partition("__")
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return name != "pk" or way in ("", "exact")  # a filter's own word, or none at all
        if name in self._relations or getattr(field, "primary_key", False):
            return way in ("", "exact", "id", "id__exact", "pk", "pk__exact")
        return name in {self._filtered(item) for item in self.get_list_filter(request)}  # type: ignore[arg-type]  # Django's types want the class of the model as well

    @staticmethod
    def _filtered(item: Any) -> str:
        return str(item[0] if isinstance(item, tuple) else getattr(item, "parameter_name", item))

    # --- Searching ---

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip() or not self.search_fields:
            return queryset, False
        search = Search(self.model, self.search_fields, search_term, lambda model: self.rows_to_find(request, model))
        found = self.found(queryset, search)
        if search.has_more:
            told = f"Many are called like that: only {MOST_FOUND:,} of them were looked at. Write more of the name."
            self.message_user(request, told, "warning")
        return found, False

    def found(self, rows: QuerySet[Any], search: Search) -> QuerySet[Any]:
        return rows.filter(search.condition)

    def rows_to_find(self, request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
        """Of this or a related table: those by which this person may find anything."""
        return model._default_manager.all()

    # --- Actions ---

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> Any:
        """An action is for rows that were ticked, never for a whole list unseen; what is no key names no row."""
        ticked = [key for key in request.POST.getlist(ACTION_CHECKBOX_NAME) if self._is_key(key)]
        post = request.POST.copy()
        post.setlist(ACTION_CHECKBOX_NAME, ticked)
        post["select_across"] = "0"
        request.POST = post  # type: ignore[assignment]  # a copy of the same kind
        return super().response_action(request, queryset, *args)

    def _is_key(self, text: str) -> bool:
        try:
            self.opts.pk.to_python(text)
        except ValidationError:
            return False
        return "\0" not in text

    # --- CSV ---

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", self.admin_site.admin_view(self.csv_view), name=name), *super().get_urls()]

    def csv_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """All rows of the list as it is asked for, with the columns that it shows."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            here = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{here}?e=1")
        columns = [self._as_column(item) for item in self.get_list_display(request)]
        name = f"{slugify(self.plural or str(self.opts.verbose_name_plural))}-{datetime.now(UTC):%Y-%m-%d}.csv"
        heads = [capfirst(head) for column in columns for head in column.heads]
        return csv_response(request, name=name, heads=heads, pieces=self._pieces(request, rows, columns))

    def _as_column(self, item: Any) -> Column:
        return item if isinstance(item, Column) else _Stock(self, item)

    def _pieces(self, request: HttpRequest, rows: QuerySet[Any], columns: Sequence[Column]) -> Iterator[str]:
        """Who takes what is kept, by the names of what they asked for: its values may be people's names."""
        told = {"table": self.opts.label, "by": str(request.user.pk), "asked": sorted(request.GET)}
        log.info("csv_export_begun", **told)
        count = 0
        try:
            for chunk in chunks(rows):
                yield written_lines([cell for column in columns for cell in column.cells(row)] for row in chunk)
                count += len(chunk)
        finally:
            log.info("csv_exported", **told, rows=count)


class _Stock(Column):
    """A column as Django knows them: a field, or a method of the admin."""

    def __init__(self, page: Page, item: Any) -> None:
        self.page, self.item = page, item
        super().__init__(str(item), str(label_for_field(item, page.model, model_admin=page)))

    def value(self, row: Model) -> Any:
        field, _, value = lookup_field(self.item, row, self.page)
        if field is not None and field.is_relation:
            return getattr(row, field.name)
        return value if field is None else super().value(row)


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
