from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.core.audit import audited
from config.core.search import WordIndex


class IdentityProvider(models.TextChoices):
    LOCAL = "local", "this server"
    SUPABASE = "supabase", "Supabase"


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """Log-in names are the e-mails of local accounts; nobody else's address opens a door here."""
        by_email = self.annotate(in_small_letters=Lower("email"))  # as the unique index has them
        return by_email.get(identity_provider=IdentityProvider.LOCAL, in_small_letters=(username or "").lower())

    def create_superuser(self, email: str, password: str, **extra: Any) -> "User":
        user = self.model(email=email.lower(), is_staff=True, is_superuser=True, **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user


@audited(fields=["is_active", "is_staff", "is_superuser"])
class User(AbstractBaseUser, PermissionsMixin):
    """A person. The id is the ``sub`` of their tokens, wherever those come from."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    identity_provider = models.CharField(
        max_length=16, choices=IdentityProvider.choices, default=IdentityProvider.LOCAL, editable=False
    )
    email = models.EmailField(null=True, blank=True, help_text="May be missing; never links two accounts.")
    name = models.CharField(max_length=80)
    bio = models.CharField(max_length=500, blank=True)
    avatar = models.CharField(max_length=500, blank=True, help_text="URL of the picture.")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name; empty: not said.")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the admin site.")
    joined_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When everything about the person was forgotten but the id."
    )

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        permissions = [("read_operations", "Can read metrics and detailed health")]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=models.Q(identity_provider=IdentityProvider.LOCAL),
                name="one_local_account_per_email",
            ),
        ]
        indexes = [
            models.Index(fields=["-joined_at"]),
            models.Index(fields=["-joined_at"], condition=models.Q(is_staff=True), name="people_staff_lists"),
            models.Index(fields=["-joined_at"], condition=models.Q(is_active=False), name="people_closed_lists"),
            WordIndex("name", "email", name="people_search"),
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """What a service key may be good for."""

    ACTIVITY_WRITE = "activity:write", "sync activity for anybody"
    SCORES_WRITE = "scores:write", "report totals for anybody"
    PRIZES_DISTRIBUTE = "prizes:distribute", "distribute prizes"
    OPERATIONS_READ = "operations:read", "read metrics and detailed health"


@audited(exclude=["digest"])
class ServiceKey(models.Model):
    """A key for service-to-service calls. Only its SHA-256 is kept: the key itself has 256 random bits, so there is
    nothing to guess and no need for a slow hash."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True, help_text="Who uses it and for what.")
    prefix = models.CharField(max_length=12, editable=False, help_text="Its first letters, to recognise it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes


@audited(model_name="RoleGivenAudit", linked=False, told_by=["user", "group"])
class RoleGiven(User.groups.through):  # type: ignore[name-defined,misc]  # Django makes it as it goes
    """Who has which role; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(model_name="PermissionGivenAudit", linked=False, told_by=["user"])
class PermissionGiven(User.user_permissions.through):  # type: ignore[name-defined,misc]
    """Who has which single permission; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(model_name="RolePermissionAudit", linked=False, told_by=["group"])
class RolePermission(Group.permissions.through):  # type: ignore[name-defined,misc]
    """What a role may do; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(model_name="RoleAudit", linked=False)
class Role(Group):
    """A role and what it is called; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(fields=["user", "name", "confirmed"], model_name="AuthenticatorAudit", linked=False, told_by=["user"])
class Authenticator(TOTPDevice):  # type: ignore[misc]  # django-otp has no types
    """What makes somebody's one-time codes; django-otp's own table, for the audit trail, which keeps no secrets."""

    class Meta:
        proxy = True


@audited(fields=["user", "name", "confirmed"], model_name="RecoveryCodesAudit", linked=False, told_by=["user"])
class RecoveryCodes(StaticDevice):  # type: ignore[misc]
    """A member of staff's set of recovery codes; django-otp's own table, for the audit trail."""

    class Meta:
        proxy = True
