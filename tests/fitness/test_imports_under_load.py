"""What an import needs, however large its file is."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accounts.models import User
from benchmarks.imports import write_export
from benchmarks.stage import most_resident_kib

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).resolve().parents[2]
MIB = 1024


def most_mib(file: Path, person: User) -> tuple[float, dict[str, int]]:
    """Of `import_activities` in a process of its own, and what it says."""
    command = [sys.executable, "manage.py", "import_activities", str(file), "--user", str(person.id), "--json"]
    from django.conf import settings
    from django.db import connection

    parts = settings.DATABASE_URL.partition("?")
    url = parts[0].rpartition("/")[0] + f"/{connection.settings_dict['NAME']}" + parts[1] + parts[2]
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
    most = 0
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as process:
        while True:
            try:
                said, _ = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                most = max(most, most_resident_kib(process.pid))
    assert process.returncode == 0
    return most / MIB, json.loads(said)[0]


def test_memory_does_not_grow_with_the_file(person: User, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    needed = []
    for size in (2_000_000, 60_000_000):
        write_export(tmp_path / "export.xml", size, now)
        most, said = most_mib(tmp_path / "export.xml", person)
        assert said["accepted"] + said["unchanged"] == said["read"] > size / 2000
        assert said["rejected"] == 0
        needed.append(most)
    assert needed[1] < 200
    assert needed[1] - needed[0] < 50
