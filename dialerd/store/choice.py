"""Which store an address means.

What PostgreSQL needs is imported where it is used: a daemon on an SQLite file starts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from dialerd.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from dialerd.store.postgres import PostgresStore

    AnyStore: TypeAlias = SqliteStore | PostgresStore


def is_postgres(url: str) -> bool:
    """Whether it leads to PostgreSQL, and not to an SQLite file."""
    return url.startswith(("postgresql://", "postgres://"))


def store_at(url: str, instance: str, password: str | None = None) -> AnyStore:
    """The store at `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`. Raises `PortError` if it is neither."""
    if not is_postgres(url):
        return SqliteStore(url, instance)
    from dialerd.store.postgres import PostgresStore
    from dialerd.store.postgres_access import Access

    return PostgresStore(Access(url, password), instance)


def called(url: str) -> str:
    """The address for people."""
    if not is_postgres(url):
        return url
    from dialerd.store.postgres_access import masked

    return masked(url)


async def check(url: str, password: str | None = None) -> None:
    """Find out whether a store could be opened there; nothing is changed. Raises `PortError`.

    Only PostgreSQL is asked: a file is made where none is.
    """
    if is_postgres(url):
        from dialerd.store.postgres import examine
        from dialerd.store.postgres_access import Access

        await examine(Access(url, password))
