"""A connection that only reads, in a thread of its own.

It must be closed: an open aiosqlite connection keeps the process from ending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from dialerd.core.errors import PortError
from dialerd.store.faults import mapped
from dialerd.store.sql import Sql

BUSY_TIMEOUT = 2_000
"""Milliseconds. In WAL mode a reader waits for nobody but for recovery after a crash."""


class Reader:
    """Runs queries one after another; each sees one committed state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        """Connect. Raises `PortError`."""
        with mapped(self._path):
            connection = await aiosqlite.connect(
                self._path, timeout=BUSY_TIMEOUT / 1_000, isolation_level=None
            )
            try:
                await connection.execute_fetchall("PRAGMA query_only=ON")
            except BaseException:
                await connection.close()
                raise
        self._connection = connection

    async def close(self) -> None:
        """Disconnect and end the thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def fetch(self, sql: Sql, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows of a query. Raises `PortError`."""
        if self._connection is None:
            raise PortError(f"the store {self._path} is closed", retryable=False)
        with mapped(self._path):
            rows = await self._connection.execute_fetchall(sql.text, sql.bind(values))
        return list(rows)
