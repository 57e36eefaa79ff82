"""Replacing the keys that tokens are encrypted with."""

from dataclasses import dataclass

from django.db.models import Model

from config.core.console import rehearsed
from fitness.clouds.vault import Unreadable, reseal
from fitness.models import Connection, PendingAuthorisation

BATCH = 500


@dataclass(frozen=True)
class Rotated:
    """How much of one kind was encrypted anew, and how much no key opens."""

    what: str
    rotated: int
    unreadable: int


def rotate_tokens(*, dry_run: bool = False) -> list[Rotated]:
    """Encrypts everything with the first key. Rows are locked while they are, so that a token that is refreshed
    meanwhile is not put back."""
    with rehearsed(dry_run=dry_run):
        return [_rotate(Connection, "tokens"), _rotate(PendingAuthorisation, "verifier")]


def _rotate(model: type[Model], column: str) -> Rotated:
    rotated, unreadable, after = 0, 0, 0
    while batch := _batch(model, column, after):
        changed = []
        for row in batch:
            try:
                setattr(row, column, reseal(getattr(row, column)))
                changed.append(row)
            except Unreadable:
                unreadable += 1
        model._default_manager.bulk_update(changed, [column])
        rotated, after = rotated + len(changed), batch[-1].pk
    return Rotated(str(model._meta.verbose_name_plural), rotated, unreadable)


def _batch(model: type[Model], column: str, after: int) -> list[Model]:
    rows = model._default_manager.select_for_update().filter(pk__gt=after).exclude(**{column: ""})
    return list(rows.order_by("pk")[:BATCH])
