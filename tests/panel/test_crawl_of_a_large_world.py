"""The crawl again, where there are a hundred thousand people: no page asks more for it."""

import json
from collections.abc import Iterator, Sequence

import pytest
from django.db import connection
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from tests.panel.test_crawl import (  # noqa: F401 - a fixture
    COUNT_EVERYTHING,
    MOST_BLOCKS,
    MOST_QUERIES,
    MOST_QUERIES_OF_A_REHEARSAL,
    STEPS,
    Page,
    as_on_a_desk,
    may_open,
    opened,
    pages_for,
    seated,
    seeded,
)


@pytest.fixture(scope="module")
def big_world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    yield from seeded(django_db_blocker, people=100_000, competitions=1_000)


@pytest.mark.large
@pytest.mark.django_db
def test_no_page_reads_more_of_a_big_world_than_of_a_small_one(big_world: None) -> None:
    """Whatever a page asks stays bounded where there are a hundred thousand people and a thousand competitions."""
    assert unbounded(seated("S"), pages_for("S")) == {}
    assert unbounded(seated("O"), [page for page in pages_for("O") if "O" in may_open(page.name)[0]]) == {}


def unbounded(client: Client, pages: Sequence[Page]) -> dict[str, str]:
    """Pages that fail, ask too often, or have a statement that reads too much."""
    wrong: dict[str, str] = {}
    for page in pages:
        most = MOST_QUERIES_OF_A_REHEARSAL if page.name in STEPS else MOST_QUERIES
        for _ in range(2 if page.name in COUNT_EVERYTHING else 1):
            answer = opened(client, page.address)
            if answer.status >= 500 or len(answer.queries) > most:
                wrong[page.address] = f"{answer.status}, {len(answer.queries)} queries"
        for statement in filter(only_reads, answer.queries):
            if (blocks := blocks_read(statement)) > MOST_BLOCKS:
                wrong[page.address] = f"{blocks} blocks: {statement[:300]}"
    return wrong


def only_reads(statement: str) -> bool:
    """Neither carries who moved something nor enqueues a job."""
    begins = statement.lstrip().startswith(("SELECT", "WITH"))
    return begins and not any(called in statement for called in ("set_config(", "procrastinate_defer"))


def blocks_read(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        [(plan,)] = cursor.fetchall()
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
