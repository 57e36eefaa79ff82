"""Lists as spreadsheets: all rows, however many, in chunks that begin where the last one ended."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.html import strip_tags

from config.core.threads import in_threads

CHUNK = 2_000
MARK = "\ufeff"  # by which spreadsheets know UTF-8
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")  # the wide ones of East Asian keyboards too


class _Line:
    """What a csv writer writes to."""

    def write(self, line: str) -> str:
        return line


_writer = csv.writer(_Line(), quoting=csv.QUOTE_NONNUMERIC)  # a bare text could be split at another program's separator


def _written_line(cells: Sequence[Any]) -> str:
    line: str = _writer.writerow([_harmless(cell) for cell in cells])
    return line


def _harmless(cell: Any) -> str | int | float | Decimal:
    """Numbers as numbers, everything else as a text that no spreadsheet takes for a formula."""
    match cell:
        case bool():
            return "yes" if cell else "no"
        case int() | float() | Decimal():
            return cell
        case None:
            return ""
        case datetime():
            return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return cell.isoformat()
        case list() | tuple():
            text = ", ".join(str(item) for item in cell)
        case _ if hasattr(cell, "__html__"):
            text = strip_tags(str(cell))
        case _:
            text = str(cell)
    return f"'{text}" if _FORMULA.match(text) else text


def written_lines(lines: Iterable[Sequence[Any]]) -> str:
    return "".join(map(_written_line, lines))


def csv_response(
    request: HttpRequest, *, name: str, heads: Sequence[str], pieces: Iterator[str]
) -> StreamingHttpResponse:
    """``pieces`` are of many lines each and may ask the database; under ASGI each is fetched in a thread."""
    body = _whole(heads, pieces)
    content = in_threads(body) if isinstance(request, ASGIRequest) else body
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Accel-Buffering"] = "no"
    return response


def _whole(heads: Sequence[str], pieces: Iterator[str]) -> Iterator[str]:
    yield MARK + _written_line(heads)
    yield from pieces


def chunks(rows: QuerySet[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """All rows in their order, if that is one of columns of their own without gaps, and else newest key first."""
    order = _order_of(rows)
    rows = rows.order_by(*order)
    chunk = list(rows[:size])
    while chunk:
        yield chunk
        if len(chunk) < size:
            return
        chunk = list(rows.filter(_after(chunk[-1], order))[:size])


def _order_of(rows: QuerySet[Any]) -> Sequence[str]:
    order = [name for name in rows.query.order_by if isinstance(name, str) and _is_plain(rows.model, name.lstrip("-"))]
    return order if order and len(order) == len(rows.query.order_by) else ("-pk",)


def _is_plain(model: type[Model], name: str) -> bool:
    if name == "pk":
        return True
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return field.concrete and not field.is_relation and not field.null


def _after(row: Model, order: Sequence[str]) -> Q:
    """What comes after this row; written out, because columns may run in opposite ways."""
    first = order[0].lstrip("-")
    bound = Q(**{f"{first}__{'lte' if order[0][0] == '-' else 'gte'}": getattr(row, first)})  # for the index
    later, same = Q(), Q()
    for name in order:
        column = name.lstrip("-")
        beyond = Q(**{f"{column}__{'lt' if name[0] == '-' else 'gt'}": getattr(row, column)})
        later |= same & beyond
        same &= Q(**{column: getattr(row, column)})
    return bound & later
