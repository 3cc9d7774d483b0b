"""Brings a store's schema to what this version of the code needs. Forward only.

Alembic runs from inside the package, without an alembic.ini. A database that a newer version has migrated is
refused: old code would read it wrongly.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from dialerd.core.errors import PortError
from dialerd.store.faults import fault
from dialerd.store.lock import FILE_MODE
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_faults import mapped


def migrate_sqlite(path: Path) -> None:
    """Create the database or upgrade it, all or nothing. Raises `PortError`."""
    _create(path)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    # The driver would commit before each DDL statement; so that a failed migration leaves nothing, it is told
    # to keep out of transactions, and they are begun here.
    event.listen(engine, "connect", _autocommit)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            upgrade(connection, str(path))
    except exc.DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise fault(error.orig, path) from error
        raise
    finally:
        engine.dispose()


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


def upgrade(connection: Connection, store: str) -> None:
    """Upgrade the database behind `connection` to the newest schema; `store` names it to people."""
    config = Config()
    config.set_main_option("script_location", "dialerd.store:migrations")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    present = MigrationContext.configure(connection).get_current_heads()
    for revision in present:
        if revision not in known:
            raise PortError(
                f"the store {store} has schema {revision}, which this version of dialerd does not know: a newer "
                "version has upgraded it. Install that version, or restore the backup made before the upgrade",
                retryable=False,
            )
    if set(present) != set(scripts.get_heads()):
        command.upgrade(config, "head")


def _create(path: Path) -> None:
    # SQLite gives its side files the mode of the database: right from the start is right for all.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise PortError(
            f"cannot open the store {path}: {error.strerror}; check that its folder exists and that the daemon's "
            "user may write there",
            retryable=False,
        ) from error


def _autocommit(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
