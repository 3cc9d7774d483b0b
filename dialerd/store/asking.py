"""How a store is asked: a query through a connection, its rows read as records, and what is wrong with them told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Dialect

from dialerd.store.faults import damaged
from dialerd.store.sql import Sql

T = TypeVar("T")
Rows: TypeAlias = Sequence[Sequence[Any]]


class Lane(Protocol):
    """A connection that answers one query after another."""

    async def fetch(self, sql: Sql, values: Mapping[str, Any]) -> Rows:
        """All rows of a query. Raises `PortError`."""
        ...


class Asking:
    """Asks one store."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        """`name`: what the store is called in messages."""
        self._name = name
        self._dialect = dialect

    async def _ask(self, lane: Lane, query: Sql, values: Mapping[str, Any], read: Callable[[Rows], T]) -> T:
        return self._read(await lane.fetch(query, values), read)

    def _read(self, found: Rows, read: Callable[[Rows], T]) -> T:
        try:
            return read(found)
        except (ValueError, TypeError, LookupError) as error:
            # What it says may hold a number or a name.
            raise damaged(
                self._name, f"it holds what was never written to it ({type(error).__name__})"
            ) from error
