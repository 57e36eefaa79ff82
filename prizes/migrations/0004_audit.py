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
        ("leaderboards", "0007_audit"),
        ("prizes", "0003_search_and_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="DistributionAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                (
                    "requested_with",
                    models.CharField(blank=True, help_text="Name of the service key, if it was one.", max_length=80),
                ),
                ("requested_at", models.DateTimeField()),
                ("needs_approval", models.BooleanField()),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "released_at",
                    models.DateTimeField(blank=True, help_text="When its transfers were ordered.", null=True),
                ),
                (
                    "approved_by",
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
                    "award_list",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        serialize=False,
                        to="prizes.awardlist",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="audit_events",
                        related_query_name="audit_event",
                        to="prizes.distribution",
                    ),
                ),
                (
                    "requested_by",
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
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PayoutAccountAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.BigIntegerField()),
                ("gateway", models.CharField(max_length=16)),
                ("reference", models.CharField(max_length=120)),
                ("ready", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="audit_events",
                        related_query_name="audit_event",
                        to="prizes.payoutaccount",
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
            },
        ),
        migrations.CreateModel(
            name="AwardListAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.BigIntegerField()),
                ("version", models.PositiveIntegerField()),
                ("plan", models.JSONField(help_text="As it stood when the competition started.")),
                ("ties_share", models.BooleanField()),
                ("currency", models.CharField(max_length=3)),
                ("promised_minor", models.BigIntegerField(help_text="What the competition promises, fees aside.")),
                ("fees_minor", models.BigIntegerField(help_text="Entry fees that were paid and not refunded.")),
                ("platform_fee_minor", models.BigIntegerField()),
                ("organiser_minor", models.BigIntegerField(help_text="The organiser's part of the fees.")),
                ("pool_minor", models.BigIntegerField()),
                ("kept_minor", models.BigIntegerField(help_text="What of the pool no award takes.")),
                ("created_at", models.DateTimeField()),
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
                    "created_by",
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
                        to="prizes.awardlist",
                    ),
                ),
                (
                    "standings",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="leaderboards.finalstandings",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_awar_competi_7076fd_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EntryAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("entry_fee", "entry fee paid"),
                            ("refund_owed", "refund promised"),
                            ("refund_paid", "refund paid"),
                            ("funding", "pool funded"),
                            ("fees_split", "fees split between pool, platform and organiser"),
                            ("prize_owed", "prize awarded"),
                            ("prize_withdrawn", "award withdrawn before it was sent"),
                            ("prize_paid", "prize paid"),
                            ("payment_returned", "a paid transfer came back"),
                            ("remainder", "what the pool had left"),
                            ("organiser_paid", "paid out to the organiser"),
                        ],
                        max_length=16,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
                (
                    "by",
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
                    "competition",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
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
                        to="prizes.entry",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        help_text="Whose fee, prize or refund it is.",
                        null=True,
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_entr_competi_e57be9_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                ("gateway", models.CharField(max_length=16)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("paid", "paid"), ("closed", "closed")], default="open", max_length=8
                    ),
                ),
                ("checkout_reference", models.CharField(blank=True, max_length=120)),
                (
                    "payment_reference",
                    models.CharField(blank=True, help_text="What a refund is asked for by.", max_length=120),
                ),
                ("created_at", models.DateTimeField()),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
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
                        to="prizes.payment",
                    ),
                ),
                (
                    "seat",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="competitions.seat",
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_paym_competi_91a1ad_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PrizePlanAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("document", models.JSONField()),
                ("updated_at", models.DateTimeField()),
                (
                    "competition",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        serialize=False,
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
                        to="prizes.prizeplan",
                    ),
                ),
                (
                    "updated_by",
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_priz_competi_c1879e_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TransferAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, serialize=False)),
                ("key", models.CharField(max_length=120)),
                ("purpose", models.CharField(choices=[("prize", "prize"), ("refund", "refund")], max_length=8)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("gateway", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("sent", "sent"),
                            ("unknown", "unknown"),
                            ("paid", "paid"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField(default=1)),
                (
                    "destination",
                    models.CharField(blank=True, help_text="The payout account, or the payment's.", max_length=120),
                ),
                ("reference", models.CharField(blank=True, help_text="The gateway's own name for it.", max_length=120)),
                ("waits_for", models.CharField(blank=True, help_text="What a pending transfer lacks.", max_length=200)),
                ("reason", models.CharField(blank=True, help_text="Why it failed or is unknown.", max_length=500)),
                ("created_at", models.DateTimeField()),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
                (
                    "award",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="prizes.award",
                    ),
                ),
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
                    "owed",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The entry that promises it.",
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="prizes.entry",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="prizes.payment",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="audit_events",
                        related_query_name="audit_event",
                        to="prizes.transfer",
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
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_tran_competi_22af6c_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TreasuryActionAudit",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("pgh_context", pghistory.utils.JSONField(null=True)),
                ("pgh_context_id", models.UUIDField(null=True)),
                ("id", models.BigIntegerField()),
                ("action", models.CharField(max_length=32)),
                (
                    "service_key",
                    models.CharField(blank=True, help_text="Name of the key, if no person did it.", max_length=80),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("done_at", models.DateTimeField()),
                (
                    "by",
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
                        to="prizes.treasuryaction",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["competition", "-pgh_created_at", "-pgh_id"], name="prizes_trea_competi_83039f_idx"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="awardlist",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_awardlistaudit" ("competition_id", "created_at", "created_by_id", "currency", "fees_minor", "id", "kept_minor", "organiser_minor", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan", "platform_fee_minor", "pool_minor", "promised_minor", "standings_id", "ties_share", "version") VALUES (NEW."competition_id", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."fees_minor", NEW."id", NEW."kept_minor", NEW."organiser_minor", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."plan", NEW."platform_fee_minor", NEW."pool_minor", NEW."promised_minor", NEW."standings_id", NEW."ties_share", NEW."version"); RETURN NULL;',
                    hash="634e5577aceea02a668bcfb4f3f0f7111b9b2150",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_13ad7",
                    table="prizes_awardlist",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="awardlist",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_awardlistaudit" ("competition_id", "created_at", "created_by_id", "currency", "fees_minor", "id", "kept_minor", "organiser_minor", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan", "platform_fee_minor", "pool_minor", "promised_minor", "standings_id", "ties_share", "version") VALUES (OLD."competition_id", OLD."created_at", OLD."created_by_id", OLD."currency", OLD."fees_minor", OLD."id", OLD."kept_minor", OLD."organiser_minor", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."plan", OLD."platform_fee_minor", OLD."pool_minor", OLD."promised_minor", OLD."standings_id", OLD."ties_share", OLD."version"); RETURN NULL;',
                    hash="51ccad86fca97ba9e8127e3a8e551b374233ee4b",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_ba200",
                    table="prizes_awardlist",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="awardlist",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "prizes_awardlistaudit" ("competition_id", "created_at", "created_by_id", "currency", "fees_minor", "id", "kept_minor", "organiser_minor", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan", "platform_fee_minor", "pool_minor", "promised_minor", "standings_id", "ties_share", "version") VALUES (NEW."competition_id", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."fees_minor", NEW."id", NEW."kept_minor", NEW."organiser_minor", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."plan", NEW."platform_fee_minor", NEW."pool_minor", NEW."promised_minor", NEW."standings_id", NEW."ties_share", NEW."version"); RETURN NULL;',
                    hash="55335f681ced208c670d540694d49341fcacb2a1",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_0a94a",
                    table="prizes_awardlist",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="distribution",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_distributionaudit" ("approved_at", "approved_by_id", "award_list_id", "needs_approval", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "released_at", "requested_at", "requested_by_id", "requested_with") VALUES (NEW."approved_at", NEW."approved_by_id", NEW."award_list_id", NEW."needs_approval", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."award_list_id", NEW."released_at", NEW."requested_at", NEW."requested_by_id", NEW."requested_with"); RETURN NULL;',
                    hash="dc4a2f4bde6a65d6568110183c2c7d5d1fedf8e5",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_22b02",
                    table="prizes_distribution",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="distribution",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_distributionaudit" ("approved_at", "approved_by_id", "award_list_id", "needs_approval", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "released_at", "requested_at", "requested_by_id", "requested_with") VALUES (OLD."approved_at", OLD."approved_by_id", OLD."award_list_id", OLD."needs_approval", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."award_list_id", OLD."released_at", OLD."requested_at", OLD."requested_by_id", OLD."requested_with"); RETURN NULL;',
                    hash="3a0c516a4856485f71be10be86ff5fc08339703f",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_034a5",
                    table="prizes_distribution",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="distribution",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "prizes_distributionaudit" ("approved_at", "approved_by_id", "award_list_id", "needs_approval", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "released_at", "requested_at", "requested_by_id", "requested_with") VALUES (NEW."approved_at", NEW."approved_by_id", NEW."award_list_id", NEW."needs_approval", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."award_list_id", NEW."released_at", NEW."requested_at", NEW."requested_by_id", NEW."requested_with"); RETURN NULL;',
                    hash="79eb2726b207ef010366279673af438b74f0295c",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_09390",
                    table="prizes_distribution",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="entry",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_entryaudit" ("by_id", "competition_id", "created_at", "id", "kind", "note", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."by_id", NEW."competition_id", NEW."created_at", NEW."id", NEW."kind", NEW."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."user_id"); RETURN NULL;',
                    hash="18d2382f4c84a0f780a84566a37c2c65669cd4c2",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_4d919",
                    table="prizes_entry",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="entry",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_entryaudit" ("by_id", "competition_id", "created_at", "id", "kind", "note", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (OLD."by_id", OLD."competition_id", OLD."created_at", OLD."id", OLD."kind", OLD."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."user_id"); RETURN NULL;',
                    hash="54ce0a5698aea8aea460f07eea6f5def021df29f",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_9e029",
                    table="prizes_entry",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="entry",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."by_id" IS DISTINCT FROM (NEW."by_id") OR OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                    func='INSERT INTO "prizes_entryaudit" ("by_id", "competition_id", "created_at", "id", "kind", "note", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."by_id", NEW."competition_id", NEW."created_at", NEW."id", NEW."kind", NEW."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."user_id"); RETURN NULL;',
                    hash="6f6ad9948ab7f07834958f11afb90f44eb17fbcf",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_293c3",
                    table="prizes_entry",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_paymentaudit" ("amount_minor", "checkout_reference", "competition_id", "created_at", "currency", "gateway", "id", "paid_at", "payment_reference", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "seat_id", "state", "user_id") VALUES (NEW."amount_minor", NEW."checkout_reference", NEW."competition_id", NEW."created_at", NEW."currency", NEW."gateway", NEW."id", NEW."paid_at", NEW."payment_reference", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."seat_id", NEW."state", NEW."user_id"); RETURN NULL;',
                    hash="db12dd98f666c4690aa8c63b32fd7bde999fd337",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_3ea90",
                    table="prizes_payment",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_paymentaudit" ("amount_minor", "checkout_reference", "competition_id", "created_at", "currency", "gateway", "id", "paid_at", "payment_reference", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "seat_id", "state", "user_id") VALUES (OLD."amount_minor", OLD."checkout_reference", OLD."competition_id", OLD."created_at", OLD."currency", OLD."gateway", OLD."id", OLD."paid_at", OLD."payment_reference", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."seat_id", OLD."state", OLD."user_id"); RETURN NULL;',
                    hash="d08e64364d1d262cf9caa2e2d82d6e8cc423c0af",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_7f487",
                    table="prizes_payment",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."checkout_reference" IS DISTINCT FROM (NEW."checkout_reference") OR OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."paid_at" IS DISTINCT FROM (NEW."paid_at") OR OLD."payment_reference" IS DISTINCT FROM (NEW."payment_reference") OR OLD."seat_id" IS DISTINCT FROM (NEW."seat_id") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                    func='INSERT INTO "prizes_paymentaudit" ("amount_minor", "checkout_reference", "competition_id", "created_at", "currency", "gateway", "id", "paid_at", "payment_reference", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "seat_id", "state", "user_id") VALUES (NEW."amount_minor", NEW."checkout_reference", NEW."competition_id", NEW."created_at", NEW."currency", NEW."gateway", NEW."id", NEW."paid_at", NEW."payment_reference", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."seat_id", NEW."state", NEW."user_id"); RETURN NULL;',
                    hash="0d84063727b18c1e2e381a6af648c732c5f3f6db",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_4095b",
                    table="prizes_payment",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payoutaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_payoutaccountaudit" ("created_at", "gateway", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "ready", "reference", "updated_at", "user_id") VALUES (NEW."created_at", NEW."gateway", NEW."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."ready", NEW."reference", NEW."updated_at", NEW."user_id"); RETURN NULL;',
                    hash="1d35e433a83d5230d9ddf230c93a1aa5de9c8d19",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_b381d",
                    table="prizes_payoutaccount",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payoutaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_payoutaccountaudit" ("created_at", "gateway", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "ready", "reference", "updated_at", "user_id") VALUES (OLD."created_at", OLD."gateway", OLD."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."ready", OLD."reference", OLD."updated_at", OLD."user_id"); RETURN NULL;',
                    hash="6c3faf2784bb081b87d86efcfa530260b830a44c",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_3b30d",
                    table="prizes_payoutaccount",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payoutaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "prizes_payoutaccountaudit" ("created_at", "gateway", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "ready", "reference", "updated_at", "user_id") VALUES (NEW."created_at", NEW."gateway", NEW."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."ready", NEW."reference", NEW."updated_at", NEW."user_id"); RETURN NULL;',
                    hash="b9a9e68196963b59667780e35a09080daede9bf4",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_589fe",
                    table="prizes_payoutaccount",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prizeplan",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_prizeplanaudit" ("competition_id", "document", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "updated_at", "updated_by_id") VALUES (NEW."competition_id", NEW."document", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."competition_id", NEW."updated_at", NEW."updated_by_id"); RETURN NULL;',
                    hash="cffe9b235711e934e646082e62ff14a7cc930785",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_27e8f",
                    table="prizes_prizeplan",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prizeplan",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_prizeplanaudit" ("competition_id", "document", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "updated_at", "updated_by_id") VALUES (OLD."competition_id", OLD."document", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."competition_id", OLD."updated_at", OLD."updated_by_id"); RETURN NULL;',
                    hash="b4711fa9827896acddaa4e857b65d023e50229c0",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_e4c44",
                    table="prizes_prizeplan",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prizeplan",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "prizes_prizeplanaudit" ("competition_id", "document", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "updated_at", "updated_by_id") VALUES (NEW."competition_id", NEW."document", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."competition_id", NEW."updated_at", NEW."updated_by_id"); RETURN NULL;',
                    hash="3deacc78c8fbf2f976bd6a270a15dbe416a91f2f",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_4e2ff",
                    table="prizes_prizeplan",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transfer",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_transferaudit" ("amount_minor", "attempt", "award_id", "competition_id", "created_at", "currency", "destination", "gateway", "id", "key", "owed_id", "paid_at", "payment_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "purpose", "reason", "reference", "state", "user_id", "waits_for") VALUES (NEW."amount_minor", NEW."attempt", NEW."award_id", NEW."competition_id", NEW."created_at", NEW."currency", NEW."destination", NEW."gateway", NEW."id", NEW."key", NEW."owed_id", NEW."paid_at", NEW."payment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."purpose", NEW."reason", NEW."reference", NEW."state", NEW."user_id", NEW."waits_for"); RETURN NULL;',
                    hash="a2da5b5c256bac7b6081ec699a262f2ebeb95e01",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_ea155",
                    table="prizes_transfer",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transfer",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_transferaudit" ("amount_minor", "attempt", "award_id", "competition_id", "created_at", "currency", "destination", "gateway", "id", "key", "owed_id", "paid_at", "payment_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "purpose", "reason", "reference", "state", "user_id", "waits_for") VALUES (OLD."amount_minor", OLD."attempt", OLD."award_id", OLD."competition_id", OLD."created_at", OLD."currency", OLD."destination", OLD."gateway", OLD."id", OLD."key", OLD."owed_id", OLD."paid_at", OLD."payment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."purpose", OLD."reason", OLD."reference", OLD."state", OLD."user_id", OLD."waits_for"); RETURN NULL;',
                    hash="3b11db2637e8dde2f224ae8c4a61484cf6e5a7c7",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_210e7",
                    table="prizes_transfer",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transfer",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."attempt" IS DISTINCT FROM (NEW."attempt") OR OLD."award_id" IS DISTINCT FROM (NEW."award_id") OR OLD."competition_id" IS DISTINCT FROM (NEW."competition_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."destination" IS DISTINCT FROM (NEW."destination") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."owed_id" IS DISTINCT FROM (NEW."owed_id") OR OLD."paid_at" IS DISTINCT FROM (NEW."paid_at") OR OLD."payment_id" IS DISTINCT FROM (NEW."payment_id") OR OLD."purpose" IS DISTINCT FROM (NEW."purpose") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."waits_for" IS DISTINCT FROM (NEW."waits_for"))',
                    func='INSERT INTO "prizes_transferaudit" ("amount_minor", "attempt", "award_id", "competition_id", "created_at", "currency", "destination", "gateway", "id", "key", "owed_id", "paid_at", "payment_id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "purpose", "reason", "reference", "state", "user_id", "waits_for") VALUES (NEW."amount_minor", NEW."attempt", NEW."award_id", NEW."competition_id", NEW."created_at", NEW."currency", NEW."destination", NEW."gateway", NEW."id", NEW."key", NEW."owed_id", NEW."paid_at", NEW."payment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."purpose", NEW."reason", NEW."reference", NEW."state", NEW."user_id", NEW."waits_for"); RETURN NULL;',
                    hash="25689861b94b3a8bc1b0a08d9df2ae04a525211d",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_d0304",
                    table="prizes_transfer",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treasuryaction",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_treasuryactionaudit" ("action", "by_id", "competition_id", "details", "done_at", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "service_key") VALUES (NEW."action", NEW."by_id", NEW."competition_id", NEW."details", NEW."done_at", NEW."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'insert\', NEW."id", NEW."reason", NEW."service_key"); RETURN NULL;',
                    hash="7e4fe975c378faf735a0054238d824314f9ba076",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_a2adc",
                    table="prizes_treasuryaction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treasuryaction",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "prizes_treasuryactionaudit" ("action", "by_id", "competition_id", "details", "done_at", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "service_key") VALUES (OLD."action", OLD."by_id", OLD."competition_id", OLD."details", OLD."done_at", OLD."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'delete\', OLD."id", OLD."reason", OLD."service_key"); RETURN NULL;',
                    hash="614136dd541dc64e6db656b082242d59dce97acc",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_a631e",
                    table="prizes_treasuryaction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treasuryaction",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "prizes_treasuryactionaudit" ("action", "by_id", "competition_id", "details", "done_at", "id", "pgh_context", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "service_key") VALUES (NEW."action", NEW."by_id", NEW."competition_id", NEW."details", NEW."done_at", NEW."id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_id\', TRUE), \'\'), NULL)::UUID, NOW(), \'update\', NEW."id", NEW."reason", NEW."service_key"); RETURN NULL;',
                    hash="396afe3ae117170966a221d8c0fbf61f16738029",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_1f0bb",
                    table="prizes_treasuryaction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="awardlistaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="35e07df0520f53511c0512e240ab356e7a56089c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ef0f9",
                    table="prizes_awardlistaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="distributionaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="4d1e935b5ef39da1ebd984f9cdcfeee3b55dc4dc",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_83a32",
                    table="prizes_distributionaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="entryaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="fe8df6aee2818c607619c857fc4e87e746be45f0",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_fc59d",
                    table="prizes_entryaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="paymentaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="1611d20c4eda0798590b0099bcf2982ab1b41667",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_14011",
                    table="prizes_paymentaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payoutaccountaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="d710be89f4aecc52a926ec2090f1e97fed7e044c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_845d5",
                    table="prizes_payoutaccountaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prizeplanaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="0b8b24e45be8275f28ecd51378dee0ff757c18c4",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ae84a",
                    table="prizes_prizeplanaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transferaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="48701f2775233b11dc9e3f37b15655e4e3e10139",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_07d94",
                    table="prizes_transferaudit",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treasuryactionaudit",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="fc5115dd5a433e16b983998d5cdcfc65c798fc9b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_c7a24",
                    table="prizes_treasuryactionaudit",
                    when="BEFORE",
                ),
            ),
        ),
    ]
