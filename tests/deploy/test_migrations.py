"""No migration after the first release stops the servers that run while it does."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now, Random

from tests.deploy.locking import faults

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # the state of all models, and a squawk for each

# The last of each app that an empty database still gets before anybody is served.
BASELINE = {"accounts": 11, "competitions": 8, "config": 4, "fitness": 10, "leaderboards": 8, "prizes": 4}


@pytest.fixture(scope="module")
def loader(django_db_setup: None, django_db_blocker: Any) -> Iterator[MigrationLoader]:
    with django_db_blocker.unblock():
        yield MigrationLoader(connection)


def number(name: str) -> int:
    return int(name.partition("_")[0])


def test_the_migrations_since_the_first_release_stop_nobody(loader: MigrationLoader) -> None:
    ours = [key for key in loader.disk_migrations if key[0] in BASELINE]
    assert len(ours) >= sum(BASELINE.values()), "none of them was looked for in vain"
    found = {
        key: faults(loader.get_migration(*key), loader.project_state(key, at_end=False))
        for key in ours
        if number(key[1]) > BASELINE[key[0]]
    }
    assert {key: wrong for key, wrong in found.items() if wrong} == {}


PLANTED = {
    "an index that nobody may write beside": (
        migrations.AddIndex("sample", models.Index(fields=["amount"], name="planted")),
        "require-concurrent-index-creation",
    ),
    "a column whose default is another for each row, so the table is written anew": (
        migrations.AddField("sample", "planted", models.FloatField(db_default=Random())),
        "adding-field-with-default",
    ),
    "a column that older servers do not fill, and whose default Django takes away again": (
        migrations.AddField("sample", "planted", models.IntegerField(default=0)),
        "ban-drop-default",
    ),
    "another type": (
        migrations.AlterField("sample", "amount", models.DecimalField(max_digits=20, decimal_places=2)),
        "changing-column-type",
    ),
    "a constraint that is checked for every row at once": (
        migrations.AddConstraint("sample", models.CheckConstraint(condition=models.Q(amount__lt=10), name="planted")),
        "constraint-missing-not-valid",
    ),
    "a name that older servers do not know": (
        migrations.RenameField("sample", "amount", "count"),
        "renaming-column",
    ),
    "a column that older servers still read": (migrations.RemoveField("sample", "zone"), "ban-drop-column"),
    "a column that may no longer be empty": (
        migrations.AlterField("sample", "superseded_at", models.DateTimeField(db_default=Now())),
        "adding-not-nullable-field",
    ),
    "code over every row": (migrations.RunPython(lambda apps, editor: None), "rows-without-a-word"),
    "a statement over every row": (migrations.RunSQL("UPDATE fitness_sample SET version = 1"), "rows-without-a-word"),
    "the same in a list": (migrations.RunSQL(["UPDATE fitness_sample SET version = 1"]), "rows-without-a-word"),
    "with parameters": (migrations.RunSQL([("DELETE FROM fitness_sample WHERE id > %s", [1])]), "rows-without-a-word"),
    "behind a WITH": (
        migrations.RunSQL("WITH old AS (SELECT id FROM fitness_sample) DELETE FROM fitness_sample USING old"),
        "rows-without-a-word",
    ),
    "inside of another": (
        migrations.SeparateDatabaseAndState([migrations.RunPython(lambda apps, editor: None)]),
        "rows-without-a-word",
    ),
}


def planted(*operations: Any, atomic: bool = True) -> migrations.Migration:
    made = type("Migration", (migrations.Migration,), {"operations": list(operations), "atomic": atomic})
    return cast("migrations.Migration", made("9999_planted", "fitness"))


@pytest.mark.parametrize("what", PLANTED)
def test_it_finds(what: str, loader: MigrationLoader) -> None:
    operation, rule = PLANTED[what]
    found = faults(planted(operation), loader.project_state())
    assert rule in {fault.partition(":")[0] for fault in found}, found


def good() -> dict[str, migrations.Migration]:
    small = models.CheckConstraint(condition=models.Q(amount__lt=10), name="planted")
    person = models.ForeignKey("accounts.User", models.CASCADE)
    key, name = models.BigAutoField(primary_key=True), models.CharField(max_length=9)
    fields: list[tuple[str, models.Field[Any, Any]]] = [("id", key), ("user", person), ("name", name)]
    words: Callable[..., Any] = migrations.RunPython.noop
    return {
        "a new table, with whatever it needs": planted(migrations.CreateModel("Planted", fields)),
        "a column that may be empty": planted(
            migrations.AddField("sample", "planted", models.IntegerField(null=True)),
        ),
        "a column whose default PostgreSQL keeps": planted(
            migrations.AddField("sample", "planted", models.IntegerField(db_default=0)),
        ),
        "an index made beside those who write": planted(
            AddIndexConcurrently("sample", models.Index(fields=["amount"], name="planted")), atomic=False
        ),
        "a constraint for new rows": planted(AddConstraintNotValid("sample", small)),
        "and the old ones looked through without a lock": planted(ValidateConstraint("sample", "planted")),
        "code that says which rows": planted(migrations.RunPython(words, hints={"rows": "The four groups of staff."})),
    }


@pytest.mark.django_db(transaction=True)  # what is made beside those who write refuses to be in a transaction
@pytest.mark.parametrize("what", good())
def test_it_lets_pass(what: str, loader: MigrationLoader) -> None:
    assert faults(good()[what], loader.project_state()) == []


def test_the_check_would_have_refused_migrations_of_the_baseline(loader: MigrationLoader) -> None:
    """Those that were made when there was nobody to hold up."""
    key = ("fitness", "0008_search_and_lists")
    found = faults(loader.get_migration(*key), loader.project_state(key, at_end=False))
    assert {fault.partition(":")[0] for fault in found} == {"require-concurrent-index-creation"}
