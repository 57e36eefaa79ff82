from django.db import migrations, models


class Migration(migrations.Migration):
    """Nothing has written this column yet; an address that somebody put there by hand is refused, not lost."""

    dependencies = [
        ("accounts", "0006_notifications"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="avatar",
            field=models.CharField(
                blank=True,
                help_text="Digest of the picture; accounts.pictures.names makes file names and URLs of it.",
                max_length=32,
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("avatar", ""), ("avatar__regex", "^[0-9a-f]{32}$"), _connector="OR"),
                name="avatar_is_a_digest",
            ),
        ),
    ]
