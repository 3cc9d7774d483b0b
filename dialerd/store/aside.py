"""A store's files read in another process, through a connection of its own: the daemon only passes their text on.

To make text of a hundred thousand rows takes seconds of the interpreter, for which dialing must not wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialerd.core.identity import CampaignId
from dialerd.core.results import Columns
from dialerd.ports import ExportPart
from dialerd.store.asking import Lane
from dialerd.store.choice import is_postgres
from dialerd.store.exports import Exports
from dialerd.store.faults import mapped
from dialerd.store.reader import BUSY_TIMEOUT
from dialerd.store.sql import POSTGRESQL, SQLITE, Sql
from dialerd.store.sqlite import path_of

Call = Callable[..., Awaitable[Any]]
"""Carries out a function of a module with arguments that pickle, in a process that lives on between calls."""

PATIENCE = 50.0
"""Seconds until a part must have been read."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store is."""

    url: str = field(repr=False)
    instance: str
    password: str | None = field(default=None, repr=False)


class ExportsAside:
    """The port's `Exports`, asked in another process."""

    def __init__(self, call: Call, address: StoreAddress) -> None:
        self._call = call
        self._address = address

    async def result_columns(self, campaign: CampaignId) -> Columns:
        """The names of all variables and captured values of a campaign."""
        found: Columns = await self._call(ask, self._address, "result_columns", campaign)
        return found

    async def results(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """Some contacts in list order, a row each."""
        part: ExportPart = await self._call(ask, self._address, "results", campaign, columns, behind)
        return part

    async def reject_columns(self, campaign: CampaignId) -> Columns:
        """The names of all columns that rejected rows of a campaign's lists had."""
        found: Columns = await self._call(ask, self._address, "reject_columns", campaign)
        return found

    async def rejects(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """Some rejected rows, list by list."""
        part: ExportPart = await self._call(ask, self._address, "rejects", campaign, columns, behind)
        return part


# --- in the other process ------------------------------------------------------------------------


def ask(address: StoreAddress, question: str, *arguments: object) -> Any:
    """Ask a question of `Exports`. Raises `PortError`."""
    return _runner().run(_answer(address, question, arguments))


_kept: dict[str, Any] = {}
"""The loop and the connection, from one call to the next."""


def _runner() -> asyncio.Runner:
    runner: asyncio.Runner = _kept.setdefault("runner", asyncio.Runner())
    return runner


async def _answer(address: StoreAddress, question: str, arguments: Sequence[object]) -> Any:
    if question.endswith("_columns"):
        # A file begins: what is behind the address may have changed since the last one.
        await _disconnect()
    if "exports" not in _kept:
        lane = _PlainReader(path_of(address.url)) if not is_postgres(address.url) else _postgres(address)
        await lane.open()
        dialect = POSTGRESQL if is_postgres(address.url) else SQLITE
        _kept.update(lane=lane, exports=Exports(lane.name, dialect, lane))
    return await getattr(_kept["exports"], question)(*arguments)


async def _disconnect() -> None:
    _kept.pop("exports", None)
    lane = _kept.pop("lane", None)
    if lane is not None:
        await lane.close()


def _postgres(address: StoreAddress) -> Any:
    from dialerd.store.postgres_access import Access
    from dialerd.store.postgres_reader import PostgresReader

    access = Access(address.url, address.password)
    in_order = {"enable_sort": "off", "enable_bitmapscan": "off"}
    return PostgresReader(access, f"dialerd files {address.instance}", PATIENCE, in_order)


class _PlainReader(Lane):
    """A connection to an SQLite file in this thread: the process has nothing else to do, and must be able to end."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        with mapped(self._path):
            connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT / 1_000, isolation_level=None)
            connection.execute("PRAGMA query_only=ON")
        self._connection = connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    async def fetch(self, sql: Sql, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        assert self._connection is not None
        with mapped(self._path):
            return self._connection.execute(sql.text, sql.bind(values)).fetchall()
