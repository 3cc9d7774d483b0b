"""A connection to PostgreSQL that only reads. It comes back by itself: each query may be the one that reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import asyncpg

from dialerd.core.errors import PortError
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_faults import mapped
from dialerd.store.sql import Sql


class PostgresReader:
    """Runs queries one after another; each sees one committed state."""

    def __init__(
        self,
        access: Access,
        application: str,
        patience: float,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`patience`: seconds until a query must have been answered. `settings`: of the server, for its planner."""
        self.name = access.name
        self._access = access
        self._settings = settings
        self._application = application
        self._patience = patience
        self._connection: asyncpg.Connection | None = None
        self._is_open = False
        self._one = asyncio.Lock()

    async def open(self) -> None:
        """Connect. Raises `PortError`."""
        self._is_open = True
        async with self._one:
            self._connection = await self._connect()

    async def close(self) -> None:
        """Disconnect."""
        self._is_open = False
        self.drop()

    def drop(self) -> None:
        """Let the connection go: what it leads to may not be what the writer writes to any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def fetch(self, sql: Sql, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows of a query. Raises `PortError`."""
        if not self._is_open:
            raise PortError(f"the store {self._access.name} is closed", retryable=False)
        row = [_without_nul(value) for value in sql.bind(values)]
        with mapped(self._access.name):
            async with self._one, asyncio.timeout(self._patience):
                return await self._ask(sql.text, row)

    async def _ask(self, text: str, row: Sequence[Any]) -> Sequence[Sequence[Any]]:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await self._connect()
        try:
            found: Sequence[Sequence[Any]] = await connection.fetch(text, *row)
        except asyncpg.PostgresError:
            raise
        except BaseException:
            # It is not known what state it is in.
            self.drop()
            raise
        return found

    async def _connect(self) -> asyncpg.Connection:
        settings = {
            **self._settings,
            "default_transaction_read_only": "on",
            "statement_timeout": str(round(self._patience * 1_000)),
        }
        return await self._access.connect(self._application, settings)


def _without_nul(value: Any) -> Any:
    """PostgreSQL takes no text with a NUL, and nothing stored has one: ask for something else that is nowhere."""
    return value.replace("\0", "\uffff") if isinstance(value, str) else value
