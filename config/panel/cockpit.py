"""A competition's page: everything about it in one place."""

from django.contrib import admin

from competitions.admin.tables import CompetitionAdmin
from competitions.models import Competition


@admin.register(Competition)
class CockpitAdmin(CompetitionAdmin):
    """The list is the table's, the page the cockpit."""
