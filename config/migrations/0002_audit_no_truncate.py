"""The audit trail is not emptied either: TRUNCATE fires none of the triggers that refuse a change of its rows."""

from django.db import migrations

_TABLES = (
    "accounts_authenticatoraudit",
    "accounts_permissiongivenaudit",
    "accounts_recoverycodesaudit",
    "accounts_roleaudit",
    "accounts_rolegivenaudit",
    "accounts_rolepermissionaudit",
    "accounts_servicekeyaudit",
    "accounts_useraudit",
    "competitions_competitionaudit",
    "competitions_rulesversionaudit",
    "fitness_flagaudit",
    "leaderboards_correctionaudit",
    "leaderboards_finalstandingsaudit",
    "leaderboards_standingaudit",
    "prizes_awardlistaudit",
    "prizes_distributionaudit",
    "prizes_entryaudit",
    "prizes_paymentaudit",
    "prizes_payoutaccountaudit",
    "prizes_prizeplanaudit",
    "prizes_transferaudit",
    "prizes_treasuryactionaudit",
)
_PROTECT = "".join(
    f"""
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """
    for table in _TABLES
)
_RELEASE = "".join(f"DROP TRIGGER {table}_no_truncate ON {table};" for table in _TABLES)


class Migration(migrations.Migration):
    dependencies = [
        ("config", "0001_roles"),
        ("accounts", "0005_audit"),
        ("competitions", "0008_audit"),
        ("leaderboards", "0007_audit"),
        ("fitness", "0010_audit"),
        ("prizes", "0004_audit"),
    ]
    operations = [migrations.RunSQL(_PROTECT, _RELEASE)]
