"""Where a benchmark keeps its stores: SQLite files, or databases of a private PostgreSQL (`STORE=postgresql`)."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tests.postgres import Server, aside, execute, server

STORE = os.environ.get("STORE", "sqlite")
SHARED = "256MB"
"""Memory of the private PostgreSQL for its pages."""


class Shelf(Protocol):
    """Stores by name; each has an address that `dialerd.store.choice.store_at` and DIALERD_STORE__URL understand."""

    def new(self, name: str) -> str:
        """The address of a store that does not exist yet, or is empty."""
        ...

    def copied(self, address: str, name: str) -> str:
        """A copy of a store that nobody has open; it is on the disk when this returns."""
        ...

    def discard(self, address: str) -> None:
        """Remove a store."""
        ...

    def execute(self, address: str, statement: str) -> None:
        """Run a statement on a store that nobody has open."""
        ...

    def size(self, address: str) -> float:
        """MB on the disk."""
        ...


class Files:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str) -> str:
        return f"sqlite:///{self._folder / name}.db"

    def copied(self, address: str, name: str) -> str:
        copy = self.new(name)
        shutil.copyfile(_path(address), _path(copy))
        with _path(copy).open("rb") as file:
            os.fsync(file)
        return copy

    def discard(self, address: str) -> None:
        path = _path(address)
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()

    def execute(self, address: str, statement: str) -> None:
        with closing(sqlite3.connect(_path(address), isolation_level=None)) as database:
            database.execute(statement)

    def size(self, address: str) -> float:
        return _path(address).stat().st_size / 1e6


class Databases:
    """Databases of one server."""

    def __init__(self, running: Server) -> None:
        self._server = running

    def new(self, name: str) -> str:
        self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self._server.url(name)

    def copied(self, address: str, name: str) -> str:
        self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_name(address)}" STRATEGY file_copy')
        return self._server.url(name)

    def discard(self, address: str) -> None:
        self._server.execute(f'DROP DATABASE "{_name(address)}" WITH (FORCE)')

    def execute(self, address: str, statement: str) -> None:
        self._server.execute(statement, url=address)

    def size(self, address: str) -> float:
        ((size,),) = aside(execute(address, "SELECT pg_database_size(current_database())"))
        return float(size) / 1e6


@contextmanager
def shelf(folder: Path) -> Iterator[Shelf]:
    """Where stores are kept until the block ends: in `folder`, unless STORE says that they are databases."""
    if STORE == "sqlite":
        yield Files(folder)
    elif STORE == "postgresql":
        with server(shared_buffers=SHARED) as running:
            yield Databases(running)
    else:
        raise SystemExit(f"STORE is {STORE!r}: set it to sqlite or postgresql")


@contextmanager
def copy_of(shelf: Shelf, address: str, name: str) -> Iterator[str]:
    """A copy of a prepared store for one run."""
    copy = shelf.copied(address, name)
    try:
        yield copy
    finally:
        shelf.discard(copy)


def _path(address: str) -> Path:
    return Path(address.removeprefix("sqlite:///"))


def _name(address: str) -> str:
    return urlsplit(address).path.removeprefix("/")
