"""The program's own checks, loaded once: `python -m tests.chaos.verifier` answers every line with a line of JSON.

The commands `verify_ledger` and `verify_leaderboards` do the same and take seconds to start, which would be the most of
a run. The run ends with the commands themselves.
"""

import json
import os
import sys
from typing import Any


def found() -> dict[str, Any]:
    from competitions.models import Competition
    from leaderboards.verification import check_board
    from prizes.models import Transfer
    from prizes.verification import CHECKS, faults_of

    boards = [check_board(competition) for competition in Competition.objects.filter(name__startswith="The ")]
    transfers = Transfer.objects.values_list("key", "state", "amount_minor", "competition_id", "reason")
    rows = [[key, state, amount, str(competition), why] for key, state, amount, competition, why in transfers]
    return {
        "ledger": [f"{fault.check}: {fault.id}: {fault.problem}" for check in CHECKS for fault in faults_of(check)],
        "boards": [f"{board.competition_id}: {board.difference}" for board in boards if board.difference],
        "transfers": rows,
        "readings": _readings(),
        "doing": _doing(),
    }


def _readings() -> list[Any]:
    """Whose, from which source, of which day, how many steps."""
    from fitness.models import Activity

    stored = Activity.objects.values_list("user_id", "source", "day", "steps")
    return [[str(user_id), source, day.isoformat(), steps] for user_id, source, day, steps in stored]


def _doing() -> list[Any]:
    """How many jobs have counted as being done for more than a minute, by their task."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT task_name, count(*) FROM procrastinate_jobs job WHERE status = 'doing' AND"
            " (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id) < now() - interval '1 minute' GROUP BY 1"
        )
        return [list(row) for row in cursor.fetchall()]


def main() -> None:
    import django

    django.setup()
    from django.db import close_old_connections

    for _ in sys.stdin:
        close_old_connections()
        try:
            answer: dict[str, Any] = found()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
