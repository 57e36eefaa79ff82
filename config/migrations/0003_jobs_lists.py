"""Failed jobs stay until somebody has seen them; the list begins with them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("config", "0002_audit_no_truncate"), ("procrastinate", "0041_post_retry_failed_job")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX failed_jobs_lists ON procrastinate_jobs (id) WHERE status = 'failed'",
            "DROP INDEX failed_jobs_lists",
        )
    ]
