"""Reading imports."""

from uuid import UUID

from django.db.models import QuerySet

from config.core.errors import NotFound
from fitness.models import Import


def imports_of(user_id: UUID) -> QuerySet[Import]:
    """The newest first."""
    return Import.objects.filter(user_id=user_id).order_by("-created_at", "id")


def access_import(user_id: UUID, import_id: UUID) -> Import:
    """Raises NotFound, also for somebody else's."""
    found = Import.objects.filter(id=import_id, user_id=user_id).first()
    if found is None:
        raise NotFound
    return found
