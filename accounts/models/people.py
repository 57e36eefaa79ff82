"""Who people are."""

from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

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
    avatar = models.CharField(
        max_length=32,
        blank=True,
        help_text="Digest of the picture; accounts.pictures.names makes file names and URLs of it.",
    )
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name; empty: not said.")
    language = models.CharField(max_length=16, blank=True, db_default="", help_text="BCP 47; empty: the site's own.")
    email_verified_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the person showed that mail to it reaches them."
    )
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
            models.CheckConstraint(
                condition=models.Q(avatar="") | models.Q(avatar__regex="^[0-9a-f]{32}$"), name="avatar_is_a_digest"
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

    @property
    def has_verified_email(self) -> bool:
        """Whether its mail reaches them: Supabase has made sure of that for its own people."""
        return bool(self.email) and (
            self.email_verified_at is not None or self.identity_provider != IdentityProvider.LOCAL
        )
