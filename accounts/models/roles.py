"""Who may do what, and how staff prove who they are: tables of Django and django-otp, for the audit trail."""

from django.contrib.auth.models import Group
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models.people import User
from config.core.audit import audited


@audited(model_name="RoleGivenAudit", linked=False, told_by=["user", "group"])
class RoleGiven(User.groups.through):  # type: ignore[name-defined,misc]  # Django makes it as it goes
    """Who has which role; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(model_name="PermissionGivenAudit", linked=False, told_by=["user"])
class PermissionGiven(User.user_permissions.through):  # type: ignore[name-defined,misc]  # as above
    """Who has which single permission; Django's own table, for the audit trail."""

    class Meta:
        proxy = True


@audited(model_name="RolePermissionAudit", linked=False, told_by=["group"])
class RolePermission(Group.permissions.through):  # type: ignore[name-defined,misc]  # as above
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
class RecoveryCodes(StaticDevice):  # type: ignore[misc]  # as above
    """A member of staff's set of recovery codes; django-otp's own table, for the audit trail."""

    class Meta:
        proxy = True
