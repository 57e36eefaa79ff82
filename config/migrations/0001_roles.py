"""The four roles of the panel, as groups. What a role may do can be changed in the panel afterwards, on record."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {
    # Sees and runs the competitions that they own, and nothing else.
    "organiser": ["competitions.organise_own"],
    # Decides flags, and sees what they were raised on.
    "reviewer": [
        "competitions.view_competition",
        "competitions.view_participant",
        "competitions.view_rulesversion",
        "leaderboards.view_standing",
        "leaderboards.view_correction",
        "leaderboards.view_finalstandings",
        "fitness.view_flag",
        "fitness.decide_flag",
        "fitness.view_activity",
        "fitness.view_supersededactivity",
        "fitness.view_datasource",
        "fitness.view_sample",
        "fitness.view_countedday",
    ],
    # Moves money, and sees what it follows from.
    "treasurer": [
        "competitions.view_competition",
        "competitions.view_participant",
        "competitions.view_seat",
        "competitions.view_rulesversion",
        "leaderboards.view_standing",
        "leaderboards.view_correction",
        "leaderboards.view_finalstandings",
        "prizes.distribute_prizes",
        "prizes.view_account",
        "prizes.view_awardlist",
        "prizes.view_entry",
        "prizes.view_gatewayevent",
        "prizes.view_payment",
        "prizes.view_payoutaccount",
        "prizes.view_settlement",
        "prizes.view_transfer",
        "prizes.view_treasuryaction",
    ],
    # Reads, to answer questions, and changes nothing.
    "support": [
        "accounts.view_user",
        "competitions.view_competition",
        "competitions.view_participant",
        "competitions.view_seat",
        "competitions.view_rulesversion",
        "competitions.view_statusmove",
        "leaderboards.view_board",
        "leaderboards.view_standing",
        "leaderboards.view_correction",
        "leaderboards.view_finalstandings",
        "fitness.view_flag",
        "fitness.view_activity",
        "fitness.view_supersededactivity",
        "fitness.view_datasource",
        "fitness.view_sample",
        "fitness.view_countedday",
        "fitness.view_connection",
        "fitness.view_import",
        "prizes.view_awardlist",
        "prizes.view_payment",
        "prizes.view_settlement",
        "prizes.view_transfer",
        "procrastinate.view_procrastinatejob",
    ],
}


def make_roles(apps, schema_editor):
    """A second time changes nothing. Django makes permissions after the last migration only, so they are made here."""
    for app_config in apps.get_app_configs():
        app_config.models_module = True
        create_permissions(app_config, apps=apps, verbosity=0)
        app_config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, permissions in ROLES.items():
        role, _ = Group.objects.get_or_create(name=name)
        for permission in permissions:
            app, codename = permission.split(".")
            role.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_audit"),
        ("competitions", "0008_audit"),
        ("leaderboards", "0007_audit"),
        ("fitness", "0010_audit"),
        ("prizes", "0004_audit"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
