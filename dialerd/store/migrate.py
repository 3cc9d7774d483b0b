"""Brings a store's schema to what this version of the code needs. Forward only.

Alembic runs from inside the package, without an alembic.ini. A database that a newer version has migrated is
refused: old code would read it wrongly.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, exc
from sqlalchemy.pool import NullPool

from dialerd.core.errors import PortError
from dialerd.store.faults import fault
from dialerd.store.lock import FILE_MODE


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


def upgrade(connection: Connection, store: str) -> None:
    """Upgrade the database behind `connection` to the newest schema; `store` names it to people."""
    config = _config()
    config.attributes["connection"] = connection
    present = MigrationContext.configure(connection).get_current_heads()
    refuse_unknown(present, store)
    if set(present) != set(ScriptDirectory.from_config(config).get_heads()):
        command.upgrade(config, "head")


def refuse_unknown(present: Iterable[str], store: str) -> None:
    """Raise `PortError` if the schema of a store is one that only a newer version knows."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    for revision in present:
        if revision not in known:
            raise PortError(
                f"the store {store} has schema {revision}, which this version of dialerd does not know: a newer "
                "version has upgraded it. Install that version, or restore the backup made before the upgrade",
                retryable=False,
            )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "dialerd.store:migrations")
    return config


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
