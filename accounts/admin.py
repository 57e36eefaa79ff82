from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.api.serializers import ProfileChanges
from accounts.codes import authenticator_of
from accounts.models import Scope, ServiceKey, User
from accounts.reauthentication import confirmation_first
from accounts.services.keys import create_service_key, revoke_service_keys
from accounts.services.people import change_profile
from config.core.admin import Page
from config.core.columns import Column, YesNo

PROFILE_FIELDS = ("name", "bio", "country", "timezone")


class PersonForm(forms.ModelForm[User]):
    """The same rules as over the API."""

    class Meta:
        model = User
        fields = PROFILE_FIELDS  # the panel adds those that are its own

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        profile = ProfileChanges(data={name: cleaned.get(name, "") for name in PROFILE_FIELDS})
        if not profile.is_valid():
            for name, complaints in profile.errors.items():
                self.add_error(name, [str(complaint) for complaint in complaints])
        return cleaned | dict(profile.validated_data or {})


@admin.register(User)
class UserAdmin(Page):
    form = PersonForm
    list_display = (
        "name",
        "email",
        Column("identity_provider", "account of"),
        "country",
        YesNo("is_active", "active"),
        YesNo("is_staff", "staff"),
        Column("joined_at", "joined", sorts=True),
    )
    list_filter = ("is_active", "is_staff")
    found_filters = ("identity_provider",)
    search_fields = ("id",)
    search_help_text = "Name, e-mail or id"
    ordering = ("-joined_at",)
    when_empty = "Nobody has registered yet."
    readonly_fields = (
        "id",
        "identity_provider",
        "email",
        "password_state",
        "codes_state",
        "last_login",
        "joined_at",
        "updated_at",
    )
    fields = (
        "id",
        "identity_provider",
        "name",
        "email",
        "bio",
        "country",
        "timezone",
        "is_active",
        "is_staff",
        "is_superuser",
        "groups",
        "user_permissions",
        "password_state",
        "codes_state",
        "last_login",
        "joined_at",
        "updated_at",
    )
    filter_horizontal = ("groups", "user_permissions")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A permission is called after its table, which would otherwise be asked for one by one."""
        if db_field.name == "user_permissions":
            kwargs["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="password")
    def password_state(self, user: User) -> str:
        return "set" if user.has_usable_password() else "none; signs in elsewhere"

    @admin.display(description="one-time codes")
    def codes_state(self, user: User) -> str:
        if authenticator_of(user) is None:
            return "not set up"
        address = reverse("admin:reset_codes", args=[user.pk])
        return format_html('set up; a superuser may <a href="{}">reset them</a>', address)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Whoever may hand out power proves who they are before anything is changed."""
        hands_out = request.method == "POST" and request.user.is_superuser
        elsewhere = confirmation_first(request, timezone.now()) if hands_out else None
        return elsewhere or super().change_view(request, object_id, form_url, extra_context)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only superusers hand out power: staff who may edit people could otherwise make themselves anything."""
        power = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*self.readonly_fields, *power)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """What others see goes through the service, which has boards redrawn."""
        changes = {name: form.cleaned_data[name] for name in PROFILE_FIELDS if name in form.changed_data}
        if changes:
            change_profile(user_id=obj.id, changes=changes)
        super().save_model(request, obj, form, change)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register, or arrive with their first token

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # their standings would vanish from finished boards; deactivate them instead


class ServiceKeyForm(forms.ModelForm[ServiceKey]):
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes")


@admin.register(ServiceKey)
class ServiceKeyAdmin(Page):
    form = ServiceKeyForm
    list_display = (
        "name",
        "prefix",
        Column("scopes", "good for"),
        Column("created_at", "made"),
        Column("revoked_at", "revoked"),
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("^name", "^prefix")
    search_help_text = "Name or prefix, from its beginning"
    ordering = ("-created_at",)
    when_empty = "No other service may write here yet."
    actions = ("revoke",)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """After a proof: a key may move money, and asks nobody for a code."""
        elsewhere = confirmation_first(request, timezone.now()) if self.has_add_permission(request) else None
        return elsewhere or super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: ServiceKey, form: Any, change: bool) -> None:
        """Keys are made by the service, which shows the secret this once."""
        key, secret = create_service_key(name=obj.name, scopes=[Scope(scope) for scope in obj.scopes])
        obj.pk, obj._state.adding = key.pk, False
        messages.warning(request, f"The key is {secret} — copy it now, it is not shown again.")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ServiceKey]) -> None:
        ids = queryset.values_list("id", flat=True)
        count = revoke_service_keys(key_ids=ids, now=timezone.now())
        messages.success(request, f"{count} keys revoked.")

    def has_change_permission(self, request: HttpRequest, obj: ServiceKey | None = None) -> bool:
        return obj is None and super().has_change_permission(request)  # the list's action, not the form

    def has_delete_permission(self, request: HttpRequest, obj: ServiceKey | None = None) -> bool:
        return False  # a revoked key stays on record
