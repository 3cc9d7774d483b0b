"""The store in one SQLite file: its lock, its schema, one writer, three readers.

Commits are durable when they return (WAL, synchronous=FULL). One daemon a file; other programs may read it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError, PortError
from dialerd.ports import OpenState
from dialerd.store.lock import StoreLock
from dialerd.store.migrate import migrate_sqlite
from dialerd.store.reader import Reader
from dialerd.store.reads import Reads
from dialerd.store.sql import SQLITE
from dialerd.store.transactions import Asked, Fetch, Transaction
from dialerd.store.writer import Writer
from dialerd.store.writing import Writing

T = TypeVar("T")


class SqliteStore(Reads, Writing):
    """The `Store` port on SQLite."""

    def __init__(self, url: str | Path, instance: str) -> None:
        """`url`: a path, or `sqlite:///PATH`. `instance`: who a second daemon is told holds the store."""
        self.path = path_of(url)
        self._lock = StoreLock(self.path, instance)
        self._writer = Writer(self.path)
        self._engine_reader = Reader(self.path)
        self._people_reader = Reader(self.path)
        self._report_reader = Reader(self.path)
        lanes = (self._engine_reader, self._people_reader, self._report_reader)
        Reads.__init__(self, str(self.path), SQLITE, *lanes)
        Writing.__init__(self, SQLITE, _InThread(self._writer), self._report_reader)

    async def open(self) -> None:
        """Lock, create or migrate. Raises `PortError` naming the holder of the lock, or what is wrong."""
        self._lock.acquire()
        try:
            await asyncio.to_thread(migrate_sqlite, self.path)
            await self._writer.open()
            await self._engine_reader.open()
            await self._people_reader.open()
            await self._report_reader.open()
            await self._folding.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what was begun, release the lock."""
        async with AsyncExitStack() as stack:
            # Undone from the last line up: the writer's connection is the last one, which folds the write-ahead
            # log into the database, and the lock outlives all of them.
            stack.callback(self._lock.release)
            stack.push_async_callback(self._writer.close)
            stack.push_async_callback(self._report_reader.close)
            stack.push_async_callback(self._people_reader.close)
            stack.push_async_callback(self._engine_reader.close)
            stack.push_async_callback(self._folding.close)

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        """What the engine must hold; drops imports that were never sealed. Raises `PortError`."""
        await self._drop_unsealed()
        return await self._held(rested_since, shown_since)

    async def settle(self, transaction: int) -> bool:
        """Never needed: SQLite always tells whether it has committed. Raises `InvariantError`."""
        raise InvariantError(f"transaction {transaction} is not in doubt")


def path_of(url: str | Path) -> Path:
    """The file of an SQLite address. Raises `PortError` if it names none."""
    if isinstance(url, str) and url.startswith("sqlite:"):
        named = make_url(url).database
        if not named or named == ":memory:":
            raise PortError(f"the store address {url} names no file; write sqlite:///PATH", retryable=False)
        return Path(named)
    return Path(url)


class _InThread:
    """Executes transactions in the writer's thread, each in one hop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def execute(self, transaction: Transaction[T]) -> T:
        return await self._writer.run(_perform, transaction)

    async def execute_behind(self, steps: Sequence[Transaction[T]]) -> list[T]:
        return await self._writer.run_behind(*(partial(_perform, transaction=step) for step in steps))


def _perform(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    try:
        asked = next(transaction)
        while True:
            asked = transaction.send(_answer(connection, asked))
    except StopIteration as ended:
        result: T = ended.value
        return result


def _answer(connection: sqlite3.Connection, asked: Asked) -> Any:
    if isinstance(asked, Fetch):
        return connection.execute(asked.sql, asked.row).fetchall()
    if len(asked.rows) == 1:
        return connection.execute(asked.sql, asked.rows[0]).rowcount
    return connection.executemany(asked.sql, asked.rows).rowcount
