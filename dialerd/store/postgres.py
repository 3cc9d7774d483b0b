"""The store in a PostgreSQL database: its lock, its schema, one writer, three readers.

Commits are durable when they return (synchronous_commit is on). One daemon a database; other programs may read it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from dialerd.core.clock import Instant
from dialerd.core.errors import PortError
from dialerd.ports import OpenState
from dialerd.store.migrate import refuse_unknown
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_faults import mapped
from dialerd.store.postgres_migrate import migrate_postgres
from dialerd.store.postgres_reader import PostgresReader
from dialerd.store.postgres_session import PostgresSession
from dialerd.store.postgres_writer import PostgresWriter
from dialerd.store.reads import Reads
from dialerd.store.sql import POSTGRESQL
from dialerd.store.writing import Writing

ENGINE_PATIENCE = 4.0
PEOPLE_PATIENCE = 10.0
REPORT_PATIENCE = 120.0
"""Seconds until a query of the engine, one that a person waits for, and a report must have been answered."""
IN_ORDER = {"enable_sort": "off", "enable_bitmapscan": "off", "plan_cache_mode": "force_generic_plan"}
"""What the engine waits for comes from an index in its order, by one plan. The planner, who cannot know how many
contacts of a campaign are due, would read and sort all of them for the first few."""


_MAY_CREATE = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"


class PostgresStore(Reads, Writing):
    """The `Store` port on PostgreSQL."""

    def __init__(self, access: Access, instance: str) -> None:
        """`instance`: who a second daemon is told holds the store."""
        self._access = access
        self._session = PostgresSession(access, instance, self._writer_moved)
        self._writer = PostgresWriter(access.name, self._session)
        self._engine_reader = PostgresReader(access, f"dialerd reader {instance}", ENGINE_PATIENCE, IN_ORDER)
        self._people_reader = PostgresReader(access, f"dialerd lists {instance}", PEOPLE_PATIENCE)
        self._report_reader = PostgresReader(access, f"dialerd reports {instance}", REPORT_PATIENCE)
        lanes = (self._engine_reader, self._people_reader, self._report_reader)
        Reads.__init__(self, access.name, POSTGRESQL, *lanes)
        Writing.__init__(self, POSTGRESQL, self._writer, self._report_reader)

    async def open(self) -> None:
        """Lock, create or migrate. Raises `PortError` naming the holder of the lock, or what is wrong."""
        try:
            with mapped(self._access.name):
                await self._session.take()
                await migrate_postgres(self._access)
                await self._session.claim()
            self._writer.start()
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
            stack.push_async_callback(self._session.close)
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
        """Whether a commit that raised `InDoubtError` is stored. Raises `PortError` while that cannot be told."""
        return await self._writer.settle(transaction)

    def _writer_moved(self) -> None:
        """The writer has a new connection, perhaps to another server: the readers must not stay on the old one."""
        self._engine_reader.drop()
        self._people_reader.drop()
        self._report_reader.drop()


async def examine(access: Access) -> None:
    """Connect and look whether a store could be opened here; nothing is changed. Raises `PortError`."""
    with mapped(access.name):
        connection = await access.connect("dialerd check")
        try:
            async with asyncio.timeout(ENGINE_PATIENCE):
                if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
                    rows = await connection.fetch("SELECT version_num FROM alembic_version")
                    refuse_unknown([row[0] for row in rows], access.name)
                elif not await connection.fetchval(_MAY_CREATE):
                    raise PortError(
                        f"the store {access.name} has no tables and dialerd's role may not create them: make it the "
                        "owner of the database",
                        retryable=False,
                    )
        finally:
            connection.terminate()
