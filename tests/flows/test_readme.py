"""The README's walk through the API, as it stands there."""

import json
import re
import subprocess

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


def test_the_readme_names_only_what_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert (ROOT / target).exists(), target
    for command in re.findall(r"`manage\.py (\w+)", readme):
        if command != "procrastinate":
            assert list(ROOT.glob(f"*/management/commands/{command}.py")), command
