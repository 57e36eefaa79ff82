import uuid

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import competitions.rules


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("competitions", "0007_search_and_lists"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="competition",
            options={
                "ordering": ["-start_at", "id"],
                "permissions": [("organise_own", "Can run competitions of their own in the panel")],
            },
        ),
        migrations.CreateModel(
            name="CompetitionAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                ("name", models.CharField(max_length=120)),
                ("description", models.TextField(blank=True, max_length=5000)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("daily", "daily"),
                            ("weekly", "weekly"),
                            ("monthly", "monthly"),
                            ("custom", "custom"),
                        ],
                        default=competitions.rules.Kind["CUSTOM"],
                        max_length=8,
                        verbose_name="type",
                    ),
                ),
                (
                    "timezone",
                    models.CharField(default="UTC", help_text="IANA zone: what “a day” means here.", max_length=64),
                ),
                ("start_at", models.DateTimeField()),
                ("end_at", models.DateTimeField(help_text="Exclusive.")),
                (
                    "starts_on",
                    models.DateField(editable=False, help_text="First day that counts, in the competition's zone."),
                ),
                ("last_on", models.DateField(editable=False, help_text="Last day that counts, included.")),
                (
                    "grace_hours",
                    models.PositiveSmallIntegerField(
                        default=24,
                        help_text="How long after the end late phones may still send what was measured before it.",
                    ),
                ),
                ("closes_at", models.DateTimeField(editable=False, help_text="When the grace is over.")),
                (
                    "metric",
                    models.CharField(
                        choices=[
                            ("steps", "steps"),
                            ("distance", "distance"),
                            ("calories", "calories"),
                            ("active_minutes", "active minutes"),
                            ("weighted", "weighted"),
                        ],
                        default=competitions.rules.Metric["STEPS"],
                        max_length=16,
                    ),
                ),
                (
                    "weights",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="For the weighted metric: points per step, metre, kcal, minute, as text.",
                    ),
                ),
                (
                    "score_source",
                    models.CharField(
                        choices=[("synced", "synced"), ("reported", "reported"), ("either", "either")],
                        default=competitions.rules.ScoreSource["EITHER"],
                        max_length=8,
                    ),
                ),
                (
                    "tie_rule",
                    models.CharField(
                        choices=[("first_to_reach", "first to reach"), ("shared", "shared")],
                        default=competitions.rules.TieRule["FIRST_TO_REACH"],
                        max_length=16,
                    ),
                ),
                (
                    "stored_policy",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What of policy.Policy is not as by default.",
                        verbose_name="policy",
                    ),
                ),
                (
                    "rules_version",
                    models.PositiveIntegerField(
                        default=0, editable=False, help_text="The newest of its frozen rules; 0 before the start."
                    ),
                ),
                (
                    "visibility",
                    models.CharField(
                        choices=[("open", "open"), ("public", "public"), ("private", "private")],
                        default=competitions.rules.Visibility["OPEN"],
                        max_length=8,
                    ),
                ),
                ("max_participants", models.PositiveIntegerField(blank=True, null=True)),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("entry_fee_minor", models.BigIntegerField(default=0, help_text="In the currency's minor unit.")),
                ("prize_pool_minor", models.BigIntegerField(default=0, help_text="In the currency's minor unit.")),
                (
                    "funded_minor",
                    models.BigIntegerField(
                        default=0, editable=False, help_text="What of the pool a treasurer has confirmed to be there."
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("upcoming", "upcoming"),
                            ("active", "active"),
                            ("ended", "ended"),
                            ("completed", "completed"),
                            ("cancelled", "cancelled"),
                        ],
                        default=competitions.rules.Status["DRAFT"],
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(editable=False)),
                (
                    "owner",
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
                        to="competitions.competition",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="RulesVersionAudit",
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
                ("made_at", models.DateTimeField()),
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
                    "made_by",
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
                        to="competitions.rulesversion",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="competition_competi_5218f7_idx"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="competition",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "competitions_competitionaudit" ("cancelled_at", "closes_at", "created_at", "currency", "description", "end_at", "entry_fee_minor", "funded_minor", "grace_hours", "id", "kind", "last_on", "max_participants", "metric", "name", "owner_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "prize_pool_minor", "published_at", "rules_version", "score_source", "start_at", "starts_on", "status", "stored_policy", "tie_rule", "timezone", "visibility", "weights") VALUES (NEW."cancelled_at", NEW."closes_at", NEW."created_at", NEW."currency", NEW."description", NEW."end_at", NEW."entry_fee_minor", NEW."funded_minor", NEW."grace_hours", NEW."id", NEW."kind", NEW."last_on", NEW."max_participants", NEW."metric", NEW."name", NEW."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."prize_pool_minor", NEW."published_at", NEW."rules_version", NEW."score_source", NEW."start_at", NEW."starts_on", NEW."status", NEW."stored_policy", NEW."tie_rule", NEW."timezone", NEW."visibility", NEW."weights"); RETURN NULL;',
                    hash="e888683a7edd91fc11f173ccad8b676363a76ccc",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_56500",
                    table="competitions_competition",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="competition",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "competitions_competitionaudit" ("cancelled_at", "closes_at", "created_at", "currency", "description", "end_at", "entry_fee_minor", "funded_minor", "grace_hours", "id", "kind", "last_on", "max_participants", "metric", "name", "owner_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "prize_pool_minor", "published_at", "rules_version", "score_source", "start_at", "starts_on", "status", "stored_policy", "tie_rule", "timezone", "visibility", "weights") VALUES (OLD."cancelled_at", OLD."closes_at", OLD."created_at", OLD."currency", OLD."description", OLD."end_at", OLD."entry_fee_minor", OLD."funded_minor", OLD."grace_hours", OLD."id", OLD."kind", OLD."last_on", OLD."max_participants", OLD."metric", OLD."name", OLD."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."prize_pool_minor", OLD."published_at", OLD."rules_version", OLD."score_source", OLD."start_at", OLD."starts_on", OLD."status", OLD."stored_policy", OLD."tie_rule", OLD."timezone", OLD."visibility", OLD."weights"); RETURN NULL;',
                    hash="026a9f54832faec2950fad034fc08889d79b8620",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_12b7f",
                    table="competitions_competition",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="competition",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."cancelled_at" IS DISTINCT FROM (NEW."cancelled_at") OR OLD."closes_at" IS DISTINCT FROM (NEW."closes_at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."end_at" IS DISTINCT FROM (NEW."end_at") OR OLD."entry_fee_minor" IS DISTINCT FROM (NEW."entry_fee_minor") OR OLD."funded_minor" IS DISTINCT FROM (NEW."funded_minor") OR OLD."grace_hours" IS DISTINCT FROM (NEW."grace_hours") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."last_on" IS DISTINCT FROM (NEW."last_on") OR OLD."max_participants" IS DISTINCT FROM (NEW."max_participants") OR OLD."metric" IS DISTINCT FROM (NEW."metric") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."prize_pool_minor" IS DISTINCT FROM (NEW."prize_pool_minor") OR OLD."published_at" IS DISTINCT FROM (NEW."published_at") OR OLD."rules_version" IS DISTINCT FROM (NEW."rules_version") OR OLD."score_source" IS DISTINCT FROM (NEW."score_source") OR OLD."start_at" IS DISTINCT FROM (NEW."start_at") OR OLD."starts_on" IS DISTINCT FROM (NEW."starts_on") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."stored_policy" IS DISTINCT FROM (NEW."stored_policy") OR OLD."tie_rule" IS DISTINCT FROM (NEW."tie_rule") OR OLD."timezone" IS DISTINCT FROM (NEW."timezone") OR OLD."visibility" IS DISTINCT FROM (NEW."visibility") OR OLD."weights" IS DISTINCT FROM (NEW."weights"))',
                    func='INSERT INTO "competitions_competitionaudit" ("cancelled_at", "closes_at", "created_at", "currency", "description", "end_at", "entry_fee_minor", "funded_minor", "grace_hours", "id", "kind", "last_on", "max_participants", "metric", "name", "owner_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "prize_pool_minor", "published_at", "rules_version", "score_source", "start_at", "starts_on", "status", "stored_policy", "tie_rule", "timezone", "visibility", "weights") VALUES (NEW."cancelled_at", NEW."closes_at", NEW."created_at", NEW."currency", NEW."description", NEW."end_at", NEW."entry_fee_minor", NEW."funded_minor", NEW."grace_hours", NEW."id", NEW."kind", NEW."last_on", NEW."max_participants", NEW."metric", NEW."name", NEW."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."prize_pool_minor", NEW."published_at", NEW."rules_version", NEW."score_source", NEW."start_at", NEW."starts_on", NEW."status", NEW."stored_policy", NEW."tie_rule", NEW."timezone", NEW."visibility", NEW."weights"); RETURN NULL;',
                    hash="41a96449cecaef99c270e7fa0268c38662b7d7d2",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_c3d3f",
                    table="competitions_competition",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rulesversion",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "competitions_rulesversionaudit" ("competition_id", "digest", "id", "made_at", "made_by_id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason") VALUES (NEW."competition_id", NEW."digest", NEW."id", NEW."made_at", NEW."made_by_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."previous_digest", NEW."reason"); RETURN NULL;',
                    hash="1959279e22d86d3ab584b4170cb64b5b6fcad486",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_ded3a",
                    table="competitions_rulesversion",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rulesversion",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "competitions_rulesversionaudit" ("competition_id", "digest", "id", "made_at", "made_by_id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason") VALUES (OLD."competition_id", OLD."digest", OLD."id", OLD."made_at", OLD."made_by_id", OLD."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."previous_digest", OLD."reason"); RETURN NULL;',
                    hash="72234d0fa36e28b0b0d2526afafeec7bd634e6b0",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_423dc",
                    table="competitions_rulesversion",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rulesversion",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."made_at" IS DISTINCT FROM (NEW."made_at") OR OLD."made_by_id" IS DISTINCT FROM (NEW."made_by_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."previous_digest" IS DISTINCT FROM (NEW."previous_digest") OR OLD."reason" IS DISTINCT FROM (NEW."reason"))',
                    func='INSERT INTO "competitions_rulesversionaudit" ("competition_id", "digest", "id", "made_at", "made_by_id", "number", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "previous_digest", "reason") VALUES (NEW."competition_id", NEW."digest", NEW."id", NEW."made_at", NEW."made_by_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."previous_digest", NEW."reason"); RETURN NULL;',
                    hash="a64669c5d1e6119cbcbcad65300915005b3a842a",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_02ea4",
                    table="competitions_rulesversion",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="competitionaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="ca6433655a3e58bbc3791028c1debe4131403a52",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_89393",
                    table="competitions_competitionaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rulesversionaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="5d14cb08029880b48dede5012a9bc52b2b54f92c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_f686f",
                    table="competitions_rulesversionaudit",
                    when="BEFORE",
                ),
            ),
        ),
    ]
