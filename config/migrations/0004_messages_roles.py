"""Support sees what people were told and how it reached them. Organisers see none of it: what somebody is told about
prizes, flags and their own days is theirs."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MORE = {
    "support": [
        "accounts.view_notification",
        "accounts.view_delivery",
        "accounts.view_device",
        "accounts.view_phone",
        "accounts.view_suppression",
    ],
}


def _permissions(apps, role):
    Permission = apps.get_model("auth", "Permission")
    names = [permission.split(".") for permission in MORE[role]]
    return [Permission.objects.get(content_type__app_label=app, codename=codename) for app, codename in names]


def extend_roles(apps, schema_editor):
    """Django makes permissions after the last migration only, so they are made here. A role that somebody has taken
    away stays away."""
    accounts = apps.get_app_config("accounts")
    accounts.models_module = True
    create_permissions(accounts, apps=apps, verbosity=0)
    accounts.models_module = None
    for role in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        role.permissions.add(*_permissions(apps, role.name))


def narrow_roles(apps, schema_editor):
    for role in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        role.permissions.remove(*_permissions(apps, role.name))


class Migration(migrations.Migration):
    dependencies = [("config", "0003_jobs_lists"), ("accounts", "0006_notifications")]
    operations = [migrations.RunPython(extend_roles, narrow_roles)]
