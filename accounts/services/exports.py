"""Letting go of exports. They are written above the apps whose rows they hold: `config.people.exports`."""

from functools import partial
from uuid import UUID

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Export


@transaction.atomic
def remove_exports(exports: QuerySet[Export]) -> int:
    """With their files, once that is committed. Whoever writes one of them notices. Says how many."""
    found = list(exports.select_for_update())
    Export.objects.filter(id__in=[export.id for export in found]).delete()
    for export in found:
        transaction.on_commit(partial(storages["private"].delete, export.file_name))
    return len(found)


def forget_exports(*, user_id: UUID) -> None:
    """Of a person who is erased."""
    remove_exports(Export.objects.filter(user_id=user_id))
