"""The audit trail: PostgreSQL's own triggers keep every change of what matters, whoever makes it and however.

Each audited table has a table of events beside it, one row per change with the columns as they were after it (before
it, for a deletion), which PostgreSQL refuses to change or delete. What the server knows of the change stands in the
row's ``pgh_context``: ``user`` (their id), ``service_key``, ``address`` (of staff and services), ``request_id``,
``path``, ``command``, ``by`` (who ran it), ``reason``. Without one, the server itself did it, by the clock.
"""

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pghistory
from django.core.management import find_commands
from django.db import connection
from django.db.models import Index, Model
from django.http import HttpRequest, HttpResponse

from config.core.request import address_of

if TYPE_CHECKING:  # manage.py reads this before there are models
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

_M = TypeVar("_M", bound=type[Model])

_COMMAND_PATHS = sorted(Path(__file__).parents[2].glob("*/management"))
_MAKES_PEOPLE = frozenset({"createsuperuser", "changepassword", "loaddata", "shell"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def audited(
    *,
    fields: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    model_name: str = "",
    app_label: str | None = None,
    updates_only: bool = False,
    linked: bool = True,
    told_by: Sequence[str] = (),
) -> Callable[[_M], _M]:
    """Keeps the changes of a model in ``<Model>Audit``. ``fields`` or ``exclude`` say what of it is kept: a change of
    nothing else leaves no event. ``updates_only``: of rows that come and go with everyday life. ``linked``:
    whether an event refers to its row by a key of its own, which rows of a table between two others do not need.
    ``told_by``: foreign keys by which a page tells events of several rows, the newest first."""

    def decorate(model: _M) -> _M:
        once: list[Any] = [] if updates_only else [pghistory.InsertEvent(), pghistory.DeleteEvent()]
        link: dict[str, Any] = {} if linked else {"obj_field": None}
        decorated: _M = pghistory.track(
            *once,
            pghistory.UpdateEvent(),
            fields=list(fields) if fields is not None else None,
            exclude=list(exclude) if exclude is not None else None,
            model_name=model_name or f"{model.__name__}Audit",
            app_label=app_label,
            append_only=True,
            meta={"indexes": [Index(fields=[name, "-pgh_created_at", "-pgh_id"]) for name in told_by]},
            **link,
        )(model)
        return decorated

    return decorate


@contextmanager
def acting(**known: Any) -> Iterator[None]:
    """While it is open, changes are kept with this beside them; inside another one it only adds to it."""
    with connection.execute_wrapper(_with_parameters), pghistory.context(**known):
        yield


def _with_parameters(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """pghistory puts parameters of its own before a statement; in one that had none, percent signs would then be read
    as their places. Here every statement has parameters, so all percent signs are written as such."""
    if params is None and isinstance(sql, str):
        sql, params = sql.replace("%", "%%"), ()
    return execute(sql, params, many, context)


def note(**known: Any) -> None:
    """Adds to what is known of the changes of this request or command, if there is one."""
    pghistory.context(**known)


def note_person(person: "AbstractBaseUser | AnonymousUser", request: HttpRequest) -> None:
    """Who it is that asks, and of staff from where: an address is kept for good, so that of somebody who may ask to be
    forgotten is left to the log, which is found by the request's id."""
    note(user=str(person.pk), **({"address": address_of(request)} if getattr(person, "is_staff", False) else {}))


def commanding(argv: Sequence[str]) -> AbstractContextManager[Any]:
    """Around one of this server's own commands, and those of Django that make people. What else Django and its
    libraries bring along serves for long or writes nothing that is audited."""
    command = argv[1] if len(argv) > 1 else ""
    if command not in _MAKES_PEOPLE and not any(command in find_commands(str(path)) for path in _COMMAND_PATHS):
        return nullcontext()
    return acting(command=command, by=getpass.getuser())


class AuditMiddleware:
    """Says of every change that a request makes from where it was asked for. By whom, `note` adds once it is known:
    to look at the session here would make every answer depend on the cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in _SAFE:
            return self.get_response(request)
        with acting(path=request.path, request_id=getattr(request, "request_id", "")):
            return self.get_response(request)
