"""The plan and the model, without an installation."""

import asyncio
from itertools import islice
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.chaos import checks
from tests.chaos.model import Largest, Model
from tests.chaos.plan import LENGTHS, PEOPLE, Action, Kind, Operation, operations, schedule
from tests.chaos.run import Fault, Outcome, missing
from tests.chaos.traffic import BROKEN, SILENT, Answer, Traffic, World, refusal_problem

WORLD = World(
    [{"id": f"person {number}", "token": ""} for number in range(PEOPLE)], "", "walk", "reported", "doors", []
)


def test_a_seed_is_the_same_run_again_and_another_one_another() -> None:
    def planned(seed: int) -> tuple[list[Kind], list[Operation]]:
        return schedule(Random(seed), LENGTHS["full"]), list(islice(operations(Random(seed), per_second=200), 10_000))

    assert planned(7) == planned(7)
    assert planned(7) != planned(8)
    faults, asked = planned(7)
    assert [faults.count(kind) for kind in (Kind.POSTGRESQL, Kind.SERVER, Kind.WORKER)] == [20, 50, 50]
    assert faults.count(Kind.REDIS) + faults.count(Kind.REDIS_EMPTY) == 20
    assert {operation.action for operation in asked} == set(Action)
    assert 180 < len(asked) / asked[-1].at < 220


def test_what_was_acknowledged_must_be_there_and_what_was_only_sent_may_be() -> None:
    model = Model()
    model.days[0, "garmin", 0] = Largest(100, {150})
    model.days[0, "other", 0] = Largest(120)
    assert [model.day_problem(0, 0, shown) == "" for shown in (120, 150, 100, 130)] == [True, True, False, False]
    stored = [("person 0", "garmin", WORLD.day(0), 90), ("person 0", "other", WORLD.day(0), 120)]
    assert len(list(checks.reading_problems(model, WORLD, stored))) == 1
    model.days[0, "garmin", 0].acknowledge(150)
    assert model.day_problem(0, 0, 120)
    model.reports[1].may_be, model.inside[2].may_be = {5, 7}, {1}
    assert [model.report_problem(1, shown) == "" for shown in (5, 7, 6)] == [True, True, False]
    assert [model.inside_problem(2, shown) == "" for shown in (True, False)] == [True, False]


def test_a_score_must_be_what_was_walked() -> None:
    walked = {person: {0: 10, 1: 5} for person in range(PEOPLE)}
    right = {person["id"]: 15 for person in WORLD.people}
    assert list(checks.board_problems(Model(), WORLD, walked, right, {}, {})) == []
    wrong = right | {"person 3": 14}
    assert list(checks.board_problems(Model(), WORLD, walked, wrong, {}, {})) == ["person 3 has 14 points for 15 steps"]


@pytest.mark.parametrize(
    ("before", "ours", "after", "said"),
    [
        ([("a", 5)], [("a", "paid", 5, "", "")], [("a", 5)], ""),
        ([], [("a", "sent", 5, "", "")], [("a", 5)], ""),
        ([("a", 5)], [("a", "paid", 5, "", "")], [("a", 5), ("a", 5)], "a was paid 2 times"),
        ([("b", 5)], [], [("b", 5)], "b was paid and is not known"),
        ([("a", 6)], [("a", "paid", 5, "", "")], [("a", 6)], "a was paid with another amount"),
        ([], [("a", "paid", 5, "", "")], [], "a counts as paid and was not"),
    ],
)
def test_the_books_of_both_sides_are_compared(
    before: list[tuple[str, int]], ours: list[checks.Row], after: list[tuple[str, int]], said: str
) -> None:
    assert checks.transfer_problems(before, ours, after) == ([said] if said else [])


def test_what_was_distributed_is_paid_in_the_end() -> None:
    ours = [("a", "paid", 5, "one", ""), ("b", "unknown", 5, "one", "no answer")]
    assert checks.unsettled(ours, {"one"}, 2) == ["b is unknown (no answer)"]
    assert checks.unsettled(ours[:1], {"one"}, 2) == ["one has 1 transfers"]


def test_servers_that_show_different_boards_and_one_that_shows_none_are_found_out() -> None:
    class Apart(Traffic):
        async def ask(
            self, method: str, path: str, token: str, body: Any = None, *, server: int | None = None
        ) -> Answer:
            if path.endswith("doors"):
                return Answer(503)
            return Answer(200, {"data": {"version": server if path.endswith("walk") else 1, "entries": []}})

    async def compared() -> list[str]:
        async with aiohttp.ClientSession() as session:
            traffic = Apart(session, ["one", "two"], WORLD, Random(1))
            boards = [WORLD.walk, WORLD.reported, WORLD.doors]
            return (await checks.seconds_until_consistent(traffic, [], boards, within=0))[1]

    apart, silent = asyncio.run(compared())
    assert apart == "board walk is not the same at every server"
    assert silent.startswith("board doors: Answer(status=503")


@pytest.mark.parametrize(
    ("status", "excused", "passes"),
    [
        (200, False, True),
        (503, True, True),
        (503, False, False),
        (500, True, False),
        (502, True, False),
        (BROKEN, True, True),
        (BROKEN, False, False),
        (SILENT, True, False),
    ],
)
def test_only_503_or_a_broken_connection_and_only_meanwhile(status: int, excused: bool, passes: bool) -> None:
    assert (refusal_problem(Answer(status), excused=excused) == "") == passes


def test_a_server_that_answers_500_is_found_out() -> None:
    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500, text="a stack trace")

    async def ask() -> list[str]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", fail)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            traffic = Traffic(session, [f"http://127.0.0.1:{port}"], WORLD, Random(1))
            traffic.calm.disturb()
            for operation in islice(operations(Random(1), per_second=200), 5):
                if operation.action is not Action.CALCULATE:
                    await traffic.perform(operation)
        await runner.cleanup()
        return traffic.problems

    problems = asyncio.run(ask())
    assert problems
    assert all("answered 500: a stack trace" in problem for problem in problems)


def test_a_full_run_that_left_something_out_has_not_passed() -> None:
    outcome = Outcome(1, "full", faults=[Fault(1, Kind.CLOCK, left_out="no libfaketime")], timed_out=1)
    assert missing(outcome) == ["clock set forth and back was left out: no libfaketime"]
    assert missing(Outcome(1, "full")) == ["the gateway never answered too late"]
