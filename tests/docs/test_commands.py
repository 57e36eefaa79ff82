"""What documents tell people to type, as it stands there."""

import os
import re
import subprocess
from collections.abc import Callable

import pytest

from tests.flows.servers import ROOT, Server

pytestmark = pytest.mark.slow


def test_the_requests_of_the_integration_are_answered_as_printed(
    transactional_db: None, run_server: Callable[..., Server]
) -> None:
    server = run_server("uvicorn")
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    board = ada.new_competition()
    ada.join(board)
    ben.join(board)
    [script] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/integration.md").read_text(), re.DOTALL)
    known = {
        "API": f"{server.address}/api/v1",
        "ADA": ada.token or "",
        "BEN": ben.token or "",
        "ADA_ID": ada.user_id,
        "BOARD": board,
    }
    run = subprocess.run(
        ["bash", "-euc", script], env={**os.environ, **known}, capture_output=True, text=True, check=True, timeout=60
    )
    printed = re.findall(r"# (\d{3})$", script, re.MULTILINE)
    assert run.stdout.split() == printed
    assert len(printed) == 7
