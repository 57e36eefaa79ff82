"""Every check of a run is shown to fail: on an installation that is sound, one thing after the other is spoilt behind
the program's back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic

import psycopg
import pytest
import redis

from tests.chaos import checks
from tests.chaos.plan import PEOPLE, operations
from tests.chaos.run import Installation, command_problems, installation
from tests.chaos.watchers import Shown

pytestmark = pytest.mark.slow  # an installation of its own

EVERYBODY = list(range(PEOPLE))
Found = dict[str, list[str]]


def spoil(running: Installation, statement: str) -> None:
    """As nobody's code can: without the triggers that keep rows as they are."""
    with psycopg.connect(running.site.postgres.url) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement).rowcount > 0, statement


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the checks said when all was well, and after each thing that was spoilt."""
    folder = tmp_path_factory.mktemp("planted")
    return asyncio.run(_spoil_everything(folder / "site"))


async def _spoil_everything(folder: Path) -> Found:
    async with _sound(folder) as running:
        found: Found = {}
        await _when_all_is_well(running, found)
        await _the_books(running, found)
        await _the_jobs(running, found)
        await _what_is_stored(running, found)
        await _what_is_shown(running, found)
        found["commands"] = await asyncio.to_thread(command_problems, running.site)
        await _readiness(running, found)
    return found


@asynccontextmanager
async def _sound(folder: Path) -> AsyncIterator[Installation]:
    async with installation(folder, Random(3), finished=3, servers=1) as running:
        for operation in islice(operations(Random(3), per_second=200), 300):
            await running.traffic.perform(operation)
        await running.traffic.distribute(running.traffic.world.finished[1])
        yield running


async def _when_all_is_well(running: Installation, found: Found) -> None:
    _, found["settling"] = await running.seconds_until_settled()
    _, found["nothing"] = await running.problems(EVERYBODY)
    found["nothing"] += running.traffic.problems


async def _the_books(running: Installation, found: Found) -> None:
    transfers = running.stripe.transfers
    key, transfer = next(iter(transfers.items()))
    transfers["again"] = transfer
    found["paid twice"] = await running.inside_problems()
    del transfers["again"], transfers[key]
    found["never paid"] = await running.inside_problems()
    transfers[key] = transfer
    spoil(running, "UPDATE prizes_transfer SET state = 'unknown', paid_at = NULL")
    _, found["forgotten"] = await running.seconds_until_settled(within=0)
    spoil(
        running,
        "UPDATE prizes_posting SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(id) FROM prizes_posting)",
    )
    found["ledger"] = await running.inside_problems()


async def _the_jobs(running: Installation, found: Found) -> None:
    """One of a worker that lives, which nobody takes up."""
    spoil(
        running,
        "WITH lost AS (INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id)"
        " SELECT 'default', 'lost', 'doing', id FROM procrastinate_workers ORDER BY last_heartbeat DESC LIMIT 1"
        " RETURNING id) INSERT INTO procrastinate_events (job_id, type, at)"
        " SELECT id, 'started', now() - interval '2 minutes' FROM lost",
    )
    _, found["a job"] = await running.seconds_until_settled(within=0)


async def _what_is_stored(running: Installation, found: Found) -> None:
    spoil(running, "DELETE FROM fitness_activity WHERE id = (SELECT max(id) FROM fitness_activity)")
    found["a reading"] = await running.inside_problems()
    spoil(running, "UPDATE fitness_countedday SET steps = steps - 1 WHERE competition_id IS NULL AND steps > 0")
    found["a day"] = await checks.acknowledged_problems(running.traffic, EVERYBODY)
    running.traffic.model.reports[0].may_be = {999_999}
    running.traffic.model.inside[0].may_be = {1 - max(running.traffic.model.inside[0].may_be)}
    found["a report"] = await checks.acknowledged_problems(running.traffic, [])


async def _what_is_shown(running: Installation, found: Found) -> None:
    watcher = running.watchers[0]
    assert watcher.shown
    right = watcher.shown
    for name, shown in (("an old frame", right._replace(version=right.version - 1)), ("a wrong row", _altered(right))):
        watcher.shown = shown
        _, found[name] = await checks.seconds_until_consistent(
            running.traffic, running.watchers, running.boards, within=0
        )
    watcher.shown = right
    with redis.Redis.from_url(running.site.valkey.url) as client:
        ranks = client.keys(f"*{running.traffic.world.walk}*:ranks")[0]
        client.zincrby(ranks, -5, client.zrange(ranks, 3, 3)[0])
    found["a score in Redis"] = await running.inside_problems()
    spoil(running, "UPDATE leaderboards_finalstandings SET document = replace(document, '901', '902')")


def _altered(right: Shown) -> Shown:
    (user_id, score, rank), *others = right.rows
    return right._replace(rows=((user_id, score + 1, rank), *others))


async def _readiness(running: Installation, found: Found) -> None:
    async def asked() -> list[str]:
        traffic = running.traffic
        _, problems = await checks.seconds_until_ready(traffic.session, traffic.addresses, monotonic(), within=0.2)
        return problems

    await asyncio.to_thread(running.site.valkey.kill)
    found["without Redis"] = await asked()
    with running.site.held(running.site.servers[0]):
        running.site.servers[0].kill()
        found["without a server"] = await asked()


def test_nothing_is_wrong_where_nothing_was_spoilt(found: Found) -> None:
    assert (found["nothing"], found["settling"]) == ([], [])


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("paid twice", "was paid 2 times"),
        ("never paid", "counts as paid and was not"),
        ("forgotten", "is unknown"),
        ("a job", "1 lost count as being done"),
        ("ledger", "it is off by 1 minor units"),
        ("a reading", "0 is stored"),
        ("a day", "were acknowledged"),
        ("a report", "reported steps instead of [999999]"),
        ("a report", "against what was acknowledged"),
        ("an old frame", "instead of version"),
        ("a wrong row", "shows other rows"),
        ("a score in Redis", "Redis has"),
        ("commands", "verify_ledger ended with"),
        ("commands", "verify_standings ended with"),
        ("commands", "verify_leaderboards ended with"),
        ("without Redis", "is not ready after 0 s: degraded"),
        ("without a server", "is not ready after 0 s: ClientConnectorError"),
    ],
)
def test_what_was_spoilt_is_found(found: Found, spoilt: str, said: str) -> None:
    assert any(said in problem for problem in found[spoilt]), found[spoilt]
