"""The README's walk through the API, as it stands there."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.flows.servers import ROOT, Server


def test_the_walk_through_works_as_printed(two_servers: tuple[Server, Server]) -> None:
    readme = (ROOT / "README.md").read_text()
    walk = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)[0]
    script = walk.replace("http://127.0.0.1:8080", two_servers[0].address)
    run = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    answers = [json.loads(part) for part in re.split(r"(?<=})(?={\"success\")", run.stdout.strip())]
    assert all(answer["success"] for answer in answers), run.stdout
    first, second = answers[-3]["data"], answers[-2]["data"]
    assert (first["accepted"], second["accepted"], second["unchanged"]) == (1, 0, 1)
    assert [(row["user_name"], row["score"], row["rank"]) for row in answers[-1]["data"]["entries"]] == [
        ("Ben", 12000, 1),
        ("Ada", 0, 2),
    ]


@pytest.mark.django_db
def test_the_sync_of_samples_is_taken_as_printed(person: User, signed_in: Callable[[User], APIClient]) -> None:
    [body] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    answer = signed_in(person).post("/api/v1/fitness/sync", json.loads(body), format="json")
    assert (answer.json()["data"]["accepted"], answer.json()["data"]["rejected"]) == (1, [])
