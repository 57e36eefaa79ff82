import uuid

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("competitions", "0008_audit"),
        ("fitness", "0009_insights"),
    ]

    operations = [
        migrations.CreateModel(
            name="FlagAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                (
                    "check_name",
                    models.CharField(
                        choices=[
                            ("cadence", "cadence"),
                            ("speed", "speed"),
                            ("daily_maximum", "daily maximum"),
                            ("active_minutes", "active minutes"),
                            ("shared_samples", "shared samples"),
                            ("device_clock", "device clock"),
                            ("manual_burst", "manual burst"),
                            ("outlier", "outlier"),
                        ],
                        max_length=16,
                        verbose_name="check",
                    ),
                ),
                ("day", models.DateField(help_text="The competition's day.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("accepted", "accepted"),
                            ("excluded", "excluded"),
                            ("disqualified", "disqualified"),
                        ],
                        default="open",
                        max_length=12,
                    ),
                ),
                (
                    "held",
                    models.BooleanField(
                        default=False, help_text="Something of it does not count until somebody decides."
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.TextField(blank=True, help_text="Of the decision.")),
                ("appealed_at", models.DateTimeField(blank=True, null=True)),
                ("appeal_waits", models.BooleanField(default=False)),
                (
                    "competition",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="competitions.competition",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="audit_events",
                        related_query_name="audit_event",
                        to="fitness.flag",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="fitness_fla_competi_ee3130_idx"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="flag",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "fitness_flagaudit" ("appeal_waits", "appealed_at", "check_name", "competition_id", "day", "decided_at", "decided_by_id", "held", "id", "opened_at", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "state", "user_id") VALUES (NEW."appeal_waits", NEW."appealed_at", NEW."check_name", NEW."competition_id", NEW."day", NEW."decided_at", NEW."decided_by_id", NEW."held", NEW."id", NEW."opened_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."reason", NEW."state", NEW."user_id"); RETURN NULL;',
                    hash="82bc108caefa30802f685269243d937c3a1cdaac",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_a3d5b",
                    table="fitness_flag",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="flag",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "fitness_flagaudit" ("appeal_waits", "appealed_at", "check_name", "competition_id", "day", "decided_at", "decided_by_id", "held", "id", "opened_at", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "state", "user_id") VALUES (OLD."appeal_waits", OLD."appealed_at", OLD."check_name", OLD."competition_id", OLD."day", OLD."decided_at", OLD."decided_by_id", OLD."held", OLD."id", OLD."opened_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."reason", OLD."state", OLD."user_id"); RETURN NULL;',
                    hash="7ff931ad759375813a01fb860154e589242d3812",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_950af",
                    table="fitness_flag",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="flag",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."appeal_waits" IS DISTINCT FROM (NEW."appeal_waits") OR OLD."appealed_at" IS DISTINCT FROM (NEW."appealed_at") OR OLD."check_name" IS DISTINCT FROM (NEW."check_name") OR OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."day" IS DISTINCT FROM (NEW."day") OR OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."held" IS DISTINCT FROM (NEW."held") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."opened_at" IS DISTINCT FROM (NEW."opened_at") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                    func='INSERT INTO "fitness_flagaudit" ("appeal_waits", "appealed_at", "check_name", "competition_id", "day", "decided_at", "decided_by_id", "held", "id", "opened_at", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "state", "user_id") VALUES (NEW."appeal_waits", NEW."appealed_at", NEW."check_name", NEW."competition_id", NEW."day", NEW."decided_at", NEW."decided_by_id", NEW."held", NEW."id", NEW."opened_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."reason", NEW."state", NEW."user_id"); RETURN NULL;',
                    hash="096b8b23c74c9fdea86f88e1003e6efda47918f3",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_55be3",
                    table="fitness_flag",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="flagaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="264c4cb80f96c6727d31be4cef832d6201e24f48",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_c206e",
                    table="fitness_flagaudit",
                    when="BEFORE",
                ),
            ),
        ),
    ]
