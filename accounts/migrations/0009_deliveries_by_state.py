from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_exports")]
    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["state", "-due_at", "id"], name="deliveries_by_state"),
        ),
    ]
