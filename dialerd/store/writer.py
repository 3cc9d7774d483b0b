"""The one writer of an SQLite store: a thread that executes a whole transaction in one hop.

Transactions of the engine go before bulk work (imports), and bulk work gives way to them between its steps. What
was handed over is executed even if nobody waits for it any more. Nothing else may write to the database.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Concatenate, ParamSpec, TypeVar

from dialerd.core.errors import PortError
from dialerd.store.faults import mapped

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT = 250
"""Milliseconds to wait for another program's lock; the engine stops dialing and tries again by itself."""
CACHE_KIB = 16_384
STATEMENTS = 128


@dataclass(eq=False, slots=True)
class _Job:
    steps: Sequence[Callable[[sqlite3.Connection], Any]]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Writer:
    """Runs transactions, one after another, in its own thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._urgent: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread: Thread | None = None

    async def open(self) -> None:
        """Start the thread and connect. Raises `PortError`."""
        # A daemon thread: an interpreter that ends without `close` must not wait for it. SQLite survives that.
        self._closing = False
        self._thread = Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()
        await self.run(_nothing)

    async def run(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` as one transaction; it is durable when this returns, and left no trace if it raised.

        Cancelling the caller does not stop the transaction. Raises `PortError`, `InvariantError`.
        """
        (result,) = await self._hand_over(
            self._urgent, [lambda connection: work(connection, *args, **kwargs)]
        )
        return result

    async def run_behind(self, *steps: Callable[[sqlite3.Connection], T]) -> list[T]:
        """Run `steps` behind everything handed to `run`, in one transaction unless it has to give way.

        A step that raises leaves no trace; those before it may have been committed. Raises like `run`.
        """
        return await self._hand_over(self._bulk, steps)

    async def _hand_over(
        self, queue: deque[_Job], steps: Sequence[Callable[[sqlite3.Connection], T]]
    ) -> list[T]:
        loop = asyncio.get_running_loop()
        job = _Job(steps, loop, loop.create_future())
        with self._changed:
            if self._closing or self._thread is None:
                raise PortError(f"the store {self._path} is closed", retryable=False)
            queue.append(job)
            self._changed.notify()
        results: list[T] = await job.done
        return results

    async def close(self) -> None:
        """Finish what was handed over, then disconnect."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(thread.join)

    # --- the thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)
        self._disconnect()

    def _do(self, job: _Job) -> None:
        try:
            results, error = self._transact(job.steps), None
        except Exception as raised:  # noqa: BLE001 - it is raised again where the transaction was asked for
            results, error = None, raised
        # The loop may have been closed by a daemon that is going down.
        with suppress(RuntimeError):
            job.loop.call_soon_threadsafe(_settle, job.done, results, error)

    def _next(self) -> _Job | None:
        with self._changed:
            while not (self._urgent or self._bulk):
                if self._closing:
                    return None
                self._changed.wait()
            return (self._urgent or self._bulk).popleft()

    def _transact(self, steps: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        results: list[Any] = []
        with mapped(self._path):
            try:
                connection = self._begin()
                for step in steps:
                    if results and self._urgent:
                        connection.execute("COMMIT")
                        self._give_way()
                        connection = self._begin()
                    results.append(step(connection))
                connection.execute("COMMIT")
            except sqlite3.OperationalError:
                # Closing rolls back. Only a new connection notices that a file has become writable again.
                self._disconnect()
                raise
            except BaseException:
                self._roll_back()
                raise
        return results

    def _give_way(self) -> None:
        while self._urgent:
            self._do(self._urgent.popleft())

    def _begin(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT / 1_000, isolation_level=None, cached_statements=STATEMENTS
            )
            try:
                for pragma in (
                    "journal_mode=WAL",
                    "synchronous=FULL",
                    "foreign_keys=ON",
                    f"cache_size=-{CACHE_KIB}",
                ):
                    connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _nothing(connection: sqlite3.Connection) -> None:
    """A transaction that shows whether there can be one."""


def _settle(done: asyncio.Future[Any], results: list[Any] | None, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(results)
    else:
        done.set_exception(error)
