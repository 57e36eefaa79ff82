"""python -m tests.doors.audit: secrets in the tree, and known holes in the packages that are locked."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]

PASSWORD, HEX, BASE64, JWT, IN_URL = (
    "Secret Keyword",
    "Hex High Entropy String",
    "Base64 High Entropy String",
    "JSON Web Token",
    "Basic Auth Credentials",
)
# What only looks like a secret: where (a regular expression over the path), what the scan calls it, and why it is none.
EXCUSED: Sequence[tuple[str, str, str]] = (
    (r"tests/.*\.py", PASSWORD, "tests make passwords up"),
    (r"[a-z]+/migrations/\d+_audit\.py", HEX, "digests of triggers, by which pgtrigger knows them again"),
    (r"README\.md", PASSWORD, "of the account that the example makes"),
    (r"docs/clouds\.md", PASSWORD, "how to make one up"),
    (r"accounts/(links|notices)\.py", PASSWORD, "names of letters"),
    (r"competitions/services/lifecycle\.py", BASE64, "the letters of join codes"),
    (r"config/core/environment\.py|\.env\.example", IN_URL, "what an address looks like"),
    (r"config/core/environment\.py", PASSWORD, "for development; without DEBUG it is refused"),
    (r"deploy/kubernetes/ingress\.yaml", PASSWORD, "the name of a secret, by which it is referred to"),
    (r"tests/config/test_logging\.py", IN_URL, "what must not be in a log"),
    (r"tests/config/test_tracing\.py", HEX, "the trace in the example of W3C's Trace Context"),
    (r"config/demo/people\.py", PASSWORD, "of the demo, which refuses to run without DEBUG"),
    (r"tests/(accounts|config|doors)/.*\.py", JWT, "tokens that nobody signed"),
    (r"tests/accounts/channels/test_twilio_webhook\.py", f"{HEX}|{BASE64}", "the example in Twilio's documentation"),
    (r"tests/prizes/stripe_server\.py", BASE64, "the key in Stripe's documentation"),
)


class Secret(NamedTuple):
    path: str
    line: int
    kind: str


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def secrets_in(paths: Iterable[str], root: Path = ROOT) -> Iterator[Secret]:
    """What looks like a secret there and is not excused. Secrets themselves are not told."""
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import default_settings

    found = SecretsCollection(root=str(root))
    with default_settings():
        for path in paths:
            found.scan_file(path)
    for path, secret in found:
        if not is_excused(path, secret.type):
            yield Secret(path, secret.line_number, secret.type)


def is_excused(path: str, kind: str) -> bool:
    return any(re.fullmatch(where, path) and re.fullmatch(what, kind) for where, what, _ in EXCUSED)


def advisories(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Of pip-audit's report: the holes, and the packages about which nobody could be asked. By itself it takes the
    latter for well."""
    holes, unasked = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unasked.append(package["name"])
        for hole in package.get("vulns", ()):
            mended = ", ".join(hole["fix_versions"]) or "not mended yet"
            holes.append(f"{package['name']} {package['version']}: {hole['id']} ({mended})")
    return holes, unasked


def ask_for_advisories() -> tuple[list[str], list[str]]:
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.txt", "--require-hashes", "--disable-pip"]
    asked = subprocess.run(
        [*command, "--format=json", "--progress-spinner=off"], cwd=ROOT, capture_output=True, text=True
    )
    if not asked.stdout.strip():
        if re.search(r"Connection|Timeout|timed out|Max retries|resolve|HTTPError", asked.stderr):
            return [], ["all of them"]
        raise SystemExit(asked.stderr)
    return advisories(json.loads(asked.stdout))


def main() -> int:
    found = sorted(secrets_in(committed()))
    holes, unasked = ask_for_advisories()
    said = [f"{path}:{line}: {kind}. Take it out, or excuse it in tests/doors/audit.py." for path, line, kind in found]
    said += holes
    if unasked:
        said.append(
            f"NOT ASKED: the advisory service said nothing about {len(unasked)} packages ({', '.join(unasked[:3])}, …)."
            " Whether they have known holes is open; run this where the service can be reached."
        )
    among = "in those that were asked about" if unasked else "in all that is locked"
    sys.stdout.write("\n".join([*said, f"{len(found)} secrets, {len(holes)} known holes {among}.", ""]))
    return 1 if found or holes else 0


if __name__ == "__main__":
    raise SystemExit(main())
