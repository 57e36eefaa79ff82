"""What PostgreSQL says a board is at, asked once for everybody who waits.

A read must show every write that was acknowledged before it, through whichever server. So it needs an answer from
PostgreSQL to a question that was put after the read arrived, but not an answer of its own: one question is on its way
at a time, and whoever comes meanwhile has a share in the next. A thousand readers cost one statement.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import OperationalError, connection

ANSWER_SECONDS = 5.0

_QUESTION = """
    SELECT board.competition_id, board.epoch::text, board.version, competition.xmin::text
      FROM leaderboards_board board JOIN competitions_competition competition ON competition.id = board.competition_id
     WHERE board.competition_id = ANY(%s)
"""


class BoardState(NamedTuple):
    """``competition`` is the transaction that last wrote the competition's row: its dates and rules are on the board's
    answer too, and change without the board's version."""

    epoch: str
    version: int
    competition: str


class BoardStates:
    """One connection of its own: the pool's belong to threads, and a thread is late when the event loop is busy."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, list[asyncio.Future[BoardState | None]]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def of(self, board_id: UUID) -> BoardState | None:
        """As it is after this call began; None for no such board. Raises OperationalError."""
        # An answer of their own: whoever goes away must not take the others along.
        answer: asyncio.Future[BoardState | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(board_id, []).append(answer)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), context=Context())  # it asks for whoever comes later, too
        return await answer

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ask(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    found = await self._states(waiting)
            except Exception as error:  # whatever it is: who waits must hear of it, and the next be asked
                await self.close()
                out = isinstance(error, psycopg.Error | OSError)  # a TimeoutError is an OSError
                for answer in _still_waiting(waiting):
                    answer.set_exception(OperationalError(str(error)) if out else error)
            else:
                for board_id, answers in waiting.items():
                    for answer in _still_waiting({board_id: answers}):
                        answer.set_result(found.get(board_id))
        self._asking = None

    async def _states(self, board_ids: Iterable[UUID]) -> dict[UUID, BoardState]:
        if self._connection is not None:
            with suppress(psycopg.OperationalError):  # it died with PostgreSQL, which may be back
                return await _asked(self._connection, board_ids)
            await self.close()
        self._connection = await _connect()
        return await _asked(self._connection, board_ids)


async def _asked(connection: psycopg.AsyncConnection[Any], board_ids: Iterable[UUID]) -> dict[UUID, BoardState]:
    cursor = await connection.execute(_QUESTION, [list(board_ids)], prepare=True)
    return {board_id: BoardState(*state) for board_id, *state in await cursor.fetchall()}


async def _connect() -> psycopg.AsyncConnection[Any]:
    parameters = connection.get_connection_params()
    for of_django in ("pool", "context", "cursor_factory", "prepare_threshold"):
        parameters.pop(of_django, None)
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)


def _still_waiting(waiting: Mapping[UUID, Sequence[asyncio.Future[Any]]]) -> list[asyncio.Future[Any]]:
    return [answer for answers in waiting.values() for answer in answers if not answer.done()]
