"""The one writer of a PostgreSQL store: a task that executes one transaction after another on one connection.

Transactions of the engine go before bulk work (imports), and bulk work gives way to them between its steps. What was
handed over is executed even if nobody waits for it any more. Every wait has an end: a server that does not answer
fails the transaction, and one that fails between COMMIT and its answer is in doubt until the next connection tells.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from dialerd.core.errors import InDoubtError, InvariantError, PortError
from dialerd.store.postgres_faults import FAULTS, mapped
from dialerd.store.postgres_session import PostgresSession
from dialerd.store.transactions import Asked, Fetch, Transaction

T = TypeVar("T")

DEADLINE = 3.0
"""Seconds until a transaction must have been committed."""
LEAST = 1.0
"""Seconds that a transaction gets at least, however long it has waited for its turn."""
SETTLING = 1.5
"""Seconds in which to learn at once what became of a transaction in doubt; else it is learned later."""
_OURS = (InvariantError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What is wrong with the transaction and not with the server."""


@dataclass(eq=False, slots=True)
class _Job:
    steps: deque[Transaction[Any]]
    done: asyncio.Future[list[Any]]
    latest: float
    """By the loop's clock: when its first transaction must have been committed."""
    results: list[Any] = field(default_factory=list)
    unconfirmed: tuple[int, list[Any]] | None = None
    """The transaction whose COMMIT was sent last, and its results."""


class PostgresWriter:
    """Executes transactions (`writing.Executor`)."""

    def __init__(self, name: str, session: PostgresSession) -> None:
        """`name`: what the store is called in messages."""
        self._name = name
        self._session = session
        self._urgent: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._one = asyncio.Lock()
        """Held by whoever uses the session."""

    def start(self) -> None:
        """Begin to work."""
        self._closing = False
        self._task = asyncio.create_task(self._serve(), name="store-writer")

    async def close(self) -> None:
        """Finish what was handed over, then end."""
        task, self._task = self._task, None
        if task is not None:
            self._closing = True
            self._changed.set()
            await task

    async def execute(self, transaction: Transaction[T]) -> T:
        """Execute it now; it is durable when this returns, and left no trace if it raised anything but `InDoubtError`.

        Cancelling the caller does not stop it. Raises `PortError`, `InvariantError`.
        """
        (result,) = await self._hand_over(self._urgent, [transaction])
        return result

    async def execute_behind(self, steps: Sequence[Transaction[T]]) -> list[T]:
        """Execute `steps` behind all that was handed to `execute`, in one transaction unless it has to give way.

        A step that raises leaves no trace; those before it may have been committed. Raises like `execute`.
        """
        return await self._hand_over(self._bulk, steps)

    async def settle(self, transaction: int) -> bool:
        """Whether a transaction that was in doubt is stored. Raises `PortError` while that cannot be told."""
        self._refuse_closed()
        with mapped(self._name):
            async with self._one, asyncio.timeout(DEADLINE):
                return await self._session.fate(transaction)

    async def _hand_over(self, queue: deque[_Job], steps: Iterable[Transaction[T]]) -> list[T]:
        self._refuse_closed()
        loop = asyncio.get_running_loop()
        job = _Job(deque(steps), loop.create_future(), loop.time() + DEADLINE)
        queue.append(job)
        self._changed.set()
        results: list[T] = await job.done
        return results

    def _refuse_closed(self) -> None:
        if self._closing or self._task is None:
            raise PortError(f"the store {self._name} is closed", retryable=False)

    # --- the task --------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while (job := await self._next()) is not None:
            await self._do(job)

    async def _next(self) -> _Job | None:
        while not (self._urgent or self._bulk):
            if self._closing:
                return None
            self._changed.clear()
            await self._changed.wait()
        return (self._urgent or self._bulk).popleft()

    async def _do(self, job: _Job) -> None:
        try:
            while job.steps:
                async with self._one:
                    await self._transact(job)
                if job.steps:
                    await self._give_way()
        except Exception as error:  # noqa: BLE001 - it is raised again where the transaction was asked for
            if not job.done.done():
                job.done.set_exception(error)
            if self._closing and isinstance(error, PortError):
                self._refuse_all(error)
        else:
            if not job.done.done():
                job.done.set_result(job.results)

    async def _give_way(self) -> None:
        while self._urgent:
            await self._do(self._urgent.popleft())

    def _refuse_all(self, error: PortError) -> None:
        """The daemon is going down and its store is out: nothing more can be written."""
        for queue in (self._urgent, self._bulk):
            while queue:
                job = queue.popleft()
                if not job.done.done():
                    job.done.set_exception(error)

    async def _transact(self, job: _Job) -> None:
        """Execute as many steps as may be in one transaction."""
        clock = asyncio.get_running_loop().time
        job.unconfirmed = None
        try:
            with mapped(self._name):
                async with asyncio.timeout_at(max(job.latest, clock() + LEAST)):
                    await self._steps(job)
        except PortError as error:
            if job.unconfirmed is None or not await self._was_stored(job.unconfirmed[0], error):
                raise
        assert job.unconfirmed is not None
        job.results += job.unconfirmed[1]
        job.latest = clock() + DEADLINE

    async def _steps(self, job: _Job) -> None:
        results: list[Any] = []
        connection = await self._session.begin()
        try:
            while job.steps and not (results and self._urgent):
                results.append(await _perform(connection, job.steps.popleft()))
            job.unconfirmed = self._session.last, results
            await self._session.commit(connection)
        except BaseException as error:
            if isinstance(error, _OURS) and self._session.doubtful is None:
                await self._roll_back(connection)
            else:
                # It is not known what state the connection is in, or the server is not one to write to any more.
                # Without the connection the server rolls back.
                self._session.drop()
            raise

    async def _roll_back(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except BaseException:
            self._session.drop()
            raise

    async def _was_stored(self, transaction: int, error: PortError) -> bool:
        """Of a transaction whose COMMIT failed. Raises `InDoubtError` if that cannot be told now."""
        try:
            async with asyncio.timeout(SETTLING):
                return await self._session.fate(transaction)
        except (PortError, *FAULTS) as unsettled:
            if isinstance(unsettled, PortError) and not unsettled.retryable:
                raise
            raise InDoubtError(
                f"{error}; whether the last transaction is stored will be known when the server answers again",
                transaction,
            ) from unsettled


async def _perform(connection: asyncpg.Connection, transaction: Transaction[T]) -> T:
    try:
        asked = next(transaction)
        while True:
            asked = transaction.send(await _answer(connection, asked))
    except StopIteration as ended:
        result: T = ended.value
        return result


async def _answer(connection: asyncpg.Connection, asked: Asked) -> Any:
    if isinstance(asked, Fetch):
        return await connection.fetch(asked.sql, *asked.row)
    if len(asked.rows) == 1:
        status = await connection.execute(asked.sql, *asked.rows[0])
        return int(status.rpartition(" ")[2])
    if asked.counted:
        return len(await connection.fetchmany(_returning(asked.sql), asked.rows))
    return await connection.executemany(asked.sql, asked.rows)


def _returning(sql: str) -> str:
    """With a row for each row that is changed: the driver tells no numbers of many executions."""
    return sql if " RETURNING " in sql else f"{sql} RETURNING 1"
