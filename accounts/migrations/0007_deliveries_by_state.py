from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_notifications")]
    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["state", "-due_at", "id"], name="deliveries_by_state"),
        ),
    ]
