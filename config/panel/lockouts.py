"""Who is locked out, who guesses, and who came in: the tables of django-axes, to look at."""

from datetime import timedelta

import structlog
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from config.core.admin import ReadOnly

log = structlog.get_logger(__name__)


@admin.register(AccessAttempt)
class WrongGuessesAdmin(ReadOnly):
    """Counts that have run out are cleared away with the next guess."""

    list_display = ("username", "ip_address", "failures_since_start", "state", "attempt_time", "user_agent")
    search_fields = ("^username",)
    search_help_text = "Name, from its beginning"
    when_empty = "Nobody has given a wrong password or code lately."
    fields = readonly_fields = (*list_display, "path_info")
    actions = ("lift",)

    @admin.display(description="state")
    def state(self, attempt: AccessAttempt) -> str:
        """Of this browser; several at one address count together."""
        ends_at = attempt.attempt_time + settings.AXES_COOLOFF_TIME
        if attempt.failures_since_start < settings.AXES_FAILURE_LIMIT or ends_at <= timezone.now():
            return "open"
        return f"locked for {(ends_at - timezone.now()) // timedelta(minutes=1) + 1} min"

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @admin.action(description="Let them try again", permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> HttpResponse | None:
        """Whoever it is starts from nought, with every browser of theirs."""
        pairs = sorted(set(queryset.values_list("username", "ip_address")), key=str)
        if "confirmed" in request.POST:
            for username, address in pairs:
                AccessAttempt.objects.filter(username=username, ip_address=address).delete()
                log.warning("lockout_lifted", by=str(request.user.pk), address=address)
            messages.success(request, f"Lifted for {len(pairs)}.")
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Let them try again",
            "opts": self.opts,
            "pairs": pairs,
            "chosen": request.POST.getlist("_selected_action"),
        }
        return TemplateResponse(request, "panel/sign_in/lift.html", context)


@admin.register(AccessLog)
class LogInsAdmin(ReadOnly):
    list_display = ("username", "ip_address", "attempt_time", "user_agent")
    search_fields = ("^username",)
    search_help_text = "Name, from its beginning"
    when_empty = "Nobody has come in yet."
    fields = readonly_fields = list_display
