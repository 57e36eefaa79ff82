"""Tables that libraries brought along, in the panel's look; and what nobody needs to see is not in it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as _auth
from django.contrib.auth.models import Group, Permission
from django.db.models import Case, Model, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import admin as _procrastinate
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob
from rest_framework_simplejwt.token_blacklist import admin as _token_blacklist
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.reauthentication import confirmation_first
from config.core.admin import Page, ReadOnly, ReadOnlyInline
from config.core.columns import Column, Number, State

MOST_JOBS = 5_000
"""Of those that failed, and of the newest."""
_FAILED_FIRST = Case(When(status="failed", then=Value(0)), default=Value(1)).asc()

_STOCK = (_auth, _procrastinate, _token_blacklist)  # theirs are registered before they can be taken out again
admin.site.unregister([Group, ProcrastinateJob])
admin.site.unregister([OutstandingToken, BlacklistedToken])  # tokens are secrets


@admin.register(Group)
class RoleAdmin(Page):
    """What members of staff may do. Whoever could change a role could give themselves everything."""

    plural = "roles"
    list_display = ("name", "may")
    filter_horizontal = ("permissions",)
    when_empty = "There are no roles, so only superusers can do anything."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).prefetch_related("permissions")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """A permission is called after its table, which would otherwise be asked for one by one."""
        options["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **options)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Whoever changes what others may do proves who they are before."""
        elsewhere = confirmation_first(request, timezone.now()) if request.method == "POST" else None
        return elsewhere or super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description="may")
    def may(self, role: Group) -> str:
        return ", ".join(sorted(permission.name.removeprefix("Can ") for permission in role.permissions.all()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser


class EventInline(ReadOnlyInline):
    model = ProcrastinateEvent
    verbose_name_plural = "what happened to it"
    fields = readonly_fields = ("at", "type")
    ordering = ("id",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("procrastinate.view_procrastinatejob")


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnly):
    """What failed first, then the newest. A job's arguments may hold a secret, such as a consent to be revoked: shown
    are those that name a row."""

    plural = "jobs"
    list_display = (
        "task",
        State("status"),
        Number("attempts"),
        "concerns",
        Column("last_at", "last moved"),
        Column("scheduled_at", "not before"),
        Column("queue_name", "queue"),
    )
    list_filter = ("status",)
    fields = readonly_fields = (
        "id",
        "task",
        "status",
        "attempts",
        "concerns",
        "scheduled_at",
        "queue_name",
        "priority",
    )
    inlines = (EventInline,)
    ordering = (_FAILED_FIRST, "-id")
    when_empty = "Nothing waits to be done, and nothing has failed."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcrastinateJob]:
        newest, failed = ProcrastinateJob.objects.all(), ProcrastinateJob.objects.filter(status="failed")
        shown = Q(id__gte=_last_shown(newest)) | Q(status="failed", id__gte=_last_shown(failed))
        events = ProcrastinateEvent.objects.filter(job=OuterRef("pk")).order_by("-id")
        jobs: QuerySet[ProcrastinateJob] = super().get_queryset(request).filter(shown)
        return jobs.annotate(last_at=Subquery(events.values("at")[:1]))

    @admin.display(description="task")
    def task(self, job: ProcrastinateJob) -> str:
        app, _, name = job.task_name.partition(".")
        return f"{name.rpartition('.')[2].replace('_', ' ')} ({app})"

    @admin.display(description="concerns")
    def concerns(self, job: ProcrastinateJob) -> str:
        return ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in _named_rows(job).items())

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Without the others, which are part of its own name too."""
        job = super().get_object(request, object_id, from_field)
        if job is not None:
            job.args = _named_rows(job)
        return job


def _last_shown(jobs: QuerySet[ProcrastinateJob]) -> Coalesce:
    """The key of the last of these that is still in the list."""
    last = jobs.order_by("-id").values("id")[MOST_JOBS - 1 : MOST_JOBS]
    return Coalesce(Subquery(last), Value(0))


def _named_rows(job: ProcrastinateJob) -> dict[str, Any]:
    return {name: value for name, value in job.args.items() if name.endswith("_id")}
