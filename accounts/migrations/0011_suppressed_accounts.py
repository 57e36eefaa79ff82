from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_gone_devices")]

    operations = [
        migrations.AddField(
            model_name="suppression",
            name="account_too",
            field=models.BooleanField(default=True, help_text="Also by what is about the account itself."),
        ),
    ]
