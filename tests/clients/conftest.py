"""Node's packages, from the lock and once for all processes, and servers of the tests' own."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.conftest import run_server
from tests.flows.servers import ROOT

__all__ = ["run_server"]

TYPESCRIPT = ROOT / "docs/typescript"


@pytest.fixture(scope="session")
def typescript() -> Path:
    """The folder of the client with everything that its lock names installed."""
    if shutil.which("npm") is None and "CI" not in os.environ:
        pytest.skip("Node is not here")
    installed = TYPESCRIPT / "node_modules/.package-lock.json"
    with (TYPESCRIPT / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < (TYPESCRIPT / "package-lock.json").stat().st_mtime:
            npm(TYPESCRIPT, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return TYPESCRIPT


def npm(folder: Path, *arguments: str, **environ: str) -> str:
    """What it prints. Fails with all that it said."""
    ended = subprocess.run(
        ["npm", *arguments], cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
