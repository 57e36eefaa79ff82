"""What of a migration would stop the servers of the release before, which go on while it runs.

squawk reads the SQL as PostgreSQL will: it knows which statements scan or rewrite a table under a lock that others wait
for, and which take away what older servers still name. What it cannot see is what a statement of ours does to rows:
every RunPython, and an UPDATE or DELETE in a RunSQL, has to say in ``hints["rows"]`` why these are few or how they are
divided.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# Of taste, or of what the migrate job sets for all (lock_timeout, by PGOPTIONS); none of them holds anybody up.
_OF_NO_CONCERN = (
    "ban-char-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamptz",
    "require-lock-timeout",
    "require-statement-timeout",
)
_SQUAWK = Path(sys.executable).parent / "squawk"
_CHANGES_ROWS = re.compile(
    r"^\s*(WITH\b.*\b)?(UPDATE|DELETE|MERGE|INSERT\b.*\bSELECT)\b", re.IGNORECASE | re.MULTILINE | re.DOTALL
)


def faults(migration: Migration, before: ProjectState) -> list[str]:
    """Each as `rule: statement`."""
    return [*_of_sql(_sql(migration, before), in_transaction=migration.atomic), *_of_rows(migration)]


def _sql(migration: Migration, before: ProjectState) -> str:
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(before.clone(), editor, collect_sql=True)
    return "\n".join(line for line in editor.collected_sql if not line.startswith("--"))


def _of_sql(sql: str, *, in_transaction: bool) -> list[str]:
    command = [str(_SQUAWK), "--reporter=json", "--pg-version=18.0", f"--exclude={','.join(_OF_NO_CONCERN)}"]
    command += ["--assume-in-transaction"] if in_transaction else []
    run = subprocess.run(command, input=sql, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(run.stdout)
    lines = sql.splitlines()
    return [f"{fault['rule_name']}: {lines[fault['line']]}" for fault in found]


def _of_rows(migration: Migration) -> list[str]:
    every = _with_inner(migration.operations)
    return [f"rows-without-a-word: {operation.describe()}" for operation in every if _is_silent(operation)]


def _with_inner(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _with_inner(operation.database_operations)


def _is_silent(operation: object) -> bool:
    if not isinstance(operation, RunPython | RunSQL) or operation.hints.get("rows"):
        return False
    return isinstance(operation, RunPython) or any(map(_CHANGES_ROWS.search, _statements(operation.sql)))


def _statements(sql: Any) -> list[str]:
    """RunSQL takes one text, or a list of texts and of pairs of a text and its parameters."""
    return [sql] if isinstance(sql, str) else [one if isinstance(one, str) else one[0] for one in sql]
