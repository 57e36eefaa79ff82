"""python -m tests.chaos SEED [--length full|short|sequence] [--json FILE] [--markdown FILE]"""

import argparse
import json
import sys
from pathlib import Path

from tests.chaos import report
from tests.chaos.plan import LENGTHS
from tests.chaos.run import run_in_a_folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("seed", type=int)
    parser.add_argument("--length", choices=LENGTHS, default="full")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args()
    outcome = run_in_a_folder(asked.seed, asked.length)
    report.show(outcome)
    if asked.json:
        asked.json.write_text(json.dumps(report.document(outcome), indent=2) + "\n")
    if asked.markdown:
        asked.markdown.write_text(report.markdown(outcome))
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
