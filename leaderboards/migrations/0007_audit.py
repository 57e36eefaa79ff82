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
        ("leaderboards", "0006_search_and_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="CorrectionAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                ("points", models.BigIntegerField(help_text="More than the person's totals make; negative: fewer.")),
                ("reason", models.TextField()),
                ("made_at", models.DateTimeField()),
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
                    "made_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
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
                        to="leaderboards.correction",
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="leaderboard_competi_43868f_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FinalStandingsAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.BigIntegerField()),
                ("number", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("previous_digest", models.CharField(blank=True, max_length=64)),
                ("scoring_version", models.PositiveIntegerField()),
                ("frozen_at", models.DateTimeField()),
                ("reason", models.TextField(blank=True)),
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
                    "frozen_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        help_text="Empty: the clock.",
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
                        to="leaderboards.finalstandings",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="leaderboard_competi_3887de_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StandingAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                (
                    "adjustment_points",
                    models.BigIntegerField(default=0, help_text="Added to the score by a correction."),
                ),
                ("disqualified_reason", models.TextField(blank=True)),
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
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="audit_events",
                        related_query_name="audit_event",
                        to="leaderboards.standing",
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="leaderboard_competi_6f71fb_idx"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="correction",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "leaderboards_correctionaudit" ("competition_id", "id", "made_at", "made_by_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points", "reason", "user_id") VALUES (NEW."competition_id", NEW."id", NEW."made_at", NEW."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."points", NEW."reason", NEW."user_id"); RETURN NULL;',
                    hash="338d1282cdfb9d58ed51e514a751d6bfcf2b28a2",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_cbf48",
                    table="leaderboards_correction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="correction",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "leaderboards_correctionaudit" ("competition_id", "id", "made_at", "made_by_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points", "reason", "user_id") VALUES (OLD."competition_id", OLD."id", OLD."made_at", OLD."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."points", OLD."reason", OLD."user_id"); RETURN NULL;',
                    hash="6b9c799b551c961e86c66a9e621ab45349857550",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_47a51",
                    table="leaderboards_correction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="correction",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "leaderboards_correctionaudit" ("competition_id", "id", "made_at", "made_by_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points", "reason", "user_id") VALUES (NEW."competition_id", NEW."id", NEW."made_at", NEW."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."points", NEW."reason", NEW."user_id"); RETURN NULL;',
                    hash="95777007ef60e4481bc90904786b4f426821c43a",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_365c7",
                    table="leaderboards_correction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finalstandings",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "leaderboards_finalstandingsaudit" ("competition_id", "digest", "frozen_at", "frozen_by_id", "id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason", "scoring_version") VALUES (NEW."competition_id", NEW."digest", NEW."frozen_at", NEW."frozen_by_id", NEW."id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."previous_digest", NEW."reason", NEW."scoring_version"); RETURN NULL;',
                    hash="318b7c0be0e8946a89e28ca5eb48648ecc1ba83a",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_1da4b",
                    table="leaderboards_finalstandings",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finalstandings",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "leaderboards_finalstandingsaudit" ("competition_id", "digest", "frozen_at", "frozen_by_id", "id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason", "scoring_version") VALUES (OLD."competition_id", OLD."digest", OLD."frozen_at", OLD."frozen_by_id", OLD."id", OLD."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."previous_digest", OLD."reason", OLD."scoring_version"); RETURN NULL;',
                    hash="009ac9377f627169ec00c859bca15b64efeb98a2",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_ad5bb",
                    table="leaderboards_finalstandings",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finalstandings",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."frozen_at" IS DISTINCT FROM (NEW."frozen_at") OR OLD."frozen_by_id" IS DISTINCT FROM (NEW."frozen_by_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."previous_digest" IS DISTINCT FROM (NEW."previous_digest") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."scoring_version" IS DISTINCT FROM (NEW."scoring_version"))',
                    func='INSERT INTO "leaderboards_finalstandingsaudit" ("competition_id", "digest", "frozen_at", "frozen_by_id", "id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason", "scoring_version") VALUES (NEW."competition_id", NEW."digest", NEW."frozen_at", NEW."frozen_by_id", NEW."id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."previous_digest", NEW."reason", NEW."scoring_version"); RETURN NULL;',
                    hash="1cf2bbc2ab8b298e7be7ebe1007144a935d0b2b2",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_4ddc2",
                    table="leaderboards_finalstandings",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="standing",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."adjustment_points" IS DISTINCT FROM (NEW."adjustment_points") OR OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."disqualified_reason" IS DISTINCT FROM (NEW."disqualified_reason") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                    func='INSERT INTO "leaderboards_standingaudit" ("adjustment_points", "competition_id", "disqualified_reason", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."adjustment_points", NEW."competition_id", NEW."disqualified_reason", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."user_id"); RETURN NULL;',
                    hash="fdec982613fb64259026aadd252b839e8fd9d1ee",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_f8b10",
                    table="leaderboards_standing",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="correctionaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="22a44670684041b8e27369b18bcc92bf931d8df6",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_0593d",
                    table="leaderboards_correctionaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finalstandingsaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="2bf107227ec1a48d90f63e38865be8d4b4898be8",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_918e9",
                    table="leaderboards_finalstandingsaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="standingaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="9b0bcebe772207de84384cce745647a7887cfdd0",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_7e114",
                    table="leaderboards_standingaudit",
                    when="BEFORE",
                ),
            ),
        ),
    ]
