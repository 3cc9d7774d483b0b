"""The store in one SQLite file: its lock, its schema, one writer, two readers.

Commits are durable when they return (WAL, synchronous=FULL). One daemon a file; other programs may read it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.journal import Entry
from dialerd.core.model import CampaignId, ImportId
from dialerd.ports import ApiKey, NewContact, OpenState, Script
from dialerd.store import writes
from dialerd.store.lock import StoreLock
from dialerd.store.migrate import migrate_sqlite
from dialerd.store.reader import Reader
from dialerd.store.reads import Reads
from dialerd.store.sql import SQLITE, Sql
from dialerd.store.tables import IMPORT_SEALED
from dialerd.store.turns import Planner
from dialerd.store.writer import Writer

CHUNK = 500
"""Rows of bulk work in one transaction at most."""
STEP = 50
"""Rows of bulk work that a turn of the engine may have to wait for."""


class SqliteStore(Reads):
    """The `Store` port on SQLite."""

    def __init__(self, url: str | Path, instance: str) -> None:
        """`url`: a path, or `sqlite:///PATH`. `instance`: who a second daemon is told holds the store."""
        self.path = _path(url)
        self._lock = StoreLock(self.path, instance)
        self._writer = Writer(self.path)
        self._engine_reader = Reader(self.path)
        self._people_reader = Reader(self.path)
        self._planner = Planner(SQLITE)
        super().__init__(str(self.path), SQLITE, self._engine_reader, self._people_reader)

    # --- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Lock, create or migrate. Raises `PortError` naming the holder of the lock, or what is wrong."""
        self._lock.acquire()
        try:
            await asyncio.to_thread(migrate_sqlite, self.path)
            await self._writer.open()
            await self._engine_reader.open()
            await self._people_reader.open()
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
            stack.push_async_callback(self._people_reader.close)
            stack.push_async_callback(self._engine_reader.close)

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        """What the engine must hold; drops imports that were never sealed. Raises `PortError`."""
        for import_id in await self._writer.run(_unsealed):
            await self.drop_import(import_id)
        return await self._held(rested_since, shown_since)

    # --- the journal -----------------------------------------------------------------------------

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none; cancelling the caller does not stop it.

        Raises `PortError` (I/O, disk, lock), `InvariantError` (integrity).
        """
        if entries:
            await self._writer.run(_write, self._planner, entries)

    async def probe(self) -> None:
        """Write and remove a row in one transaction. Raises `PortError`."""
        await self._writer.run(_probe)

    # --- imports ---------------------------------------------------------------------------------

    async def begin_import(self, campaign: CampaignId) -> ImportId:
        """A fresh unsealed import for contacts of `campaign`. Raises `PortError`."""
        (import_id,) = await self._writer.run_behind(partial(_begin_import, campaign=campaign))
        return import_id

    async def add_contacts(
        self, import_id: ImportId, campaign: CampaignId, rows: Sequence[NewContact]
    ) -> int:
        """Append at most `CHUNK` rows; returns how many were new to the campaign. Below dialing in priority.

        Raises `InvariantError` if there are more or the import is not open, `PortError`.
        """
        if len(rows) > CHUNK:
            raise InvariantError(f"{len(rows)} contacts in one transaction, {CHUNK} are allowed")
        steps = [
            partial(_add_contacts, import_id=import_id, campaign=campaign, people=rows[first : first + STEP])
            for first in range(0, len(rows), STEP)
        ]
        return sum(await self._writer.run_behind(*steps)) if steps else 0

    async def drop_import(self, import_id: ImportId) -> None:
        """Forget an import that was refused; an unknown one is no error.

        Raises `InvariantError` for a sealed one, `PortError`.
        """
        (campaign,) = await self._writer.run_behind(partial(_doom_import, import_id=import_id))
        if campaign is None:
            return
        left = True
        while left:
            step = partial(_empty_import, import_id=import_id, campaign=campaign)
            (left,) = await self._writer.run_behind(step)

    # --- scripts and keys ------------------------------------------------------------------------

    async def add_script(self, script: Script) -> None:
        """Store a script version. Raises `InvariantError` if that version exists, `PortError`."""
        await self._writer.run(_insert, writes.add_script(SQLITE), writes.script_row(script))

    async def add_key(self, key: ApiKey) -> None:
        """Store an API key's digest. Raises `InvariantError` if its id or digest exists, `PortError`."""
        await self._writer.run(_insert, writes.add_key(SQLITE), writes.key_row(key))

    async def revoke_key(self, key_id: str, at: Instant) -> bool:
        """Revoke a key; False if there is none. Raises `PortError`."""
        changed = await self._writer.run(_execute, writes.revoke_key(SQLITE), {"key": key_id, "at": at})
        return changed == 1


def _path(url: str | Path) -> Path:
    if isinstance(url, str) and url.startswith("sqlite:"):
        named = make_url(url).database
        if not named or named == ":memory:":
            raise PortError(f"the store address {url} names no file; write sqlite:///PATH", retryable=False)
        return Path(named)
    return Path(url)


# --- transactions, run in the writer's thread ----------------------------------------------------


def _probe(connection: sqlite3.Connection) -> None:
    campaign = CampaignId("cmp_probe")
    import_id = _begin_import(connection, campaign=campaign)
    connection.execute("DELETE FROM imports WHERE id = ?", (import_id,))


def _write(connection: sqlite3.Connection, planner: Planner, entries: Sequence[Entry]) -> None:
    for write, rows in planner.plan(entries):
        changed = connection.executemany(write.sql, rows).rowcount
        if write.exact and changed != len(rows):
            raise InvariantError(f"{write.name}: {changed} of {len(rows)} rows found; nothing was stored")


def _begin_import(connection: sqlite3.Connection, campaign: CampaignId) -> ImportId:
    sql = writes.begin_import(SQLITE)
    ((ident,),) = connection.execute(sql.text, sql.bind({"campaign": campaign})).fetchall()
    return ImportId(ident)


def _add_contacts(
    connection: sqlite3.Connection, import_id: ImportId, campaign: CampaignId, people: Sequence[NewContact]
) -> int:
    rows = writes.contact_rows(import_id, campaign, people)
    added = connection.executemany(writes.add_contact(SQLITE), rows).rowcount
    values = {"added": added, "import": import_id, "campaign": campaign}
    if _execute(connection, writes.grow_import(SQLITE), values) != 1:
        raise InvariantError(f"import {import_id} of campaign {campaign} is not open")
    return added


def _doom_import(connection: sqlite3.Connection, import_id: ImportId) -> CampaignId | None:
    look = writes.import_state(SQLITE)
    found = connection.execute(look.text, look.bind({"import": import_id})).fetchone()
    if found is None:
        return None
    state, campaign = found
    if state == IMPORT_SEALED:
        raise InvariantError(f"import {import_id} is sealed: its contacts belong to campaign {campaign}")
    _execute(connection, writes.doom_import(SQLITE), {"import": import_id})
    return CampaignId(campaign)


def _empty_import(connection: sqlite3.Connection, import_id: ImportId, campaign: CampaignId) -> bool:
    """Whether there may be more."""
    values = {"campaign": campaign, "import": import_id, "limit": STEP}
    if _execute(connection, writes.empty_import(SQLITE), values) == STEP:
        return True
    _execute(connection, writes.forget_import(SQLITE), {"import": import_id})
    return False


def _unsealed(connection: sqlite3.Connection) -> list[ImportId]:
    sql = writes.unsealed_imports(SQLITE)
    return [ImportId(ident) for (ident,) in connection.execute(sql.text).fetchall()]


def _insert(connection: sqlite3.Connection, sql: str, row: writes.Row) -> None:
    connection.execute(sql, row)


def _execute(connection: sqlite3.Connection, sql: Sql, values: Mapping[str, Any]) -> int:
    """How many rows it changed."""
    return connection.execute(sql.text, sql.bind(values)).rowcount
