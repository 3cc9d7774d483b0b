"""Brings a PostgreSQL database's schema to what this version needs, by the migrations that SQLite has too.

Alembic is not asynchronous: it runs on SQLAlchemy's asyncpg dialect, which no query of the store uses.
"""

from __future__ import annotations

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from dialerd.store.migrate import upgrade
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_faults import mapped


async def migrate_postgres(access: Access) -> None:
    """Create the tables or upgrade them, all or nothing; the caller holds the lock. Raises `PortError`."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: access.connect("dialerd migrations"),
        poolclass=NullPool,
    )
    try:
        with mapped(access.name):
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(upgrade, access.name)
            except exc.DBAPIError as error:
                raise _driver_error(error) from error
    finally:
        await engine.dispose()


def _driver_error(error: exc.DBAPIError) -> BaseException:
    """What the driver has raised, under two layers of SQLAlchemy's."""
    return getattr(error.orig, "__cause__", None) or error
