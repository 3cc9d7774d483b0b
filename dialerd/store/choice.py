"""Which store an address means."""

from __future__ import annotations

from typing import TypeAlias

from dialerd.store.postgres import PostgresStore, examine
from dialerd.store.postgres_access import Access, masked
from dialerd.store.sqlite import SqliteStore

AnyStore: TypeAlias = SqliteStore | PostgresStore


def is_postgres(url: str) -> bool:
    """Whether it leads to PostgreSQL, and not to an SQLite file."""
    return url.startswith(("postgresql://", "postgres://"))


def store_at(url: str, instance: str, password: str | None = None) -> AnyStore:
    """The store at `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`. Raises `PortError` if it is neither."""
    if is_postgres(url):
        return PostgresStore(Access(url, password), instance)
    return SqliteStore(url, instance)


def called(url: str) -> str:
    """The address for people."""
    return masked(url) if is_postgres(url) else url


async def check(url: str, password: str | None = None) -> None:
    """Find out whether a store could be opened there; nothing is changed. Raises `PortError`.

    Only PostgreSQL is asked: a file is made where none is.
    """
    if is_postgres(url):
        await examine(Access(url, password))
