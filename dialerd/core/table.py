"""A mapping with one pending layer: what a turn changes is seen by that turn alone until it is adopted.

So a turn whose commit fails is thrown away without a trace, and readers outside the turn see committed
state only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Table(Generic[K, V]):
    """Committed rows plus the pending changes of the current turn. Rows are immutable values."""

    __slots__ = ("_grown", "_rows", "pending")

    def __init__(self, rows: Mapping[K, V] | None = None) -> None:
        self._rows: dict[K, V] = dict(rows or {})
        self.pending: dict[K, V | None] = {}
        """What the current turn has changed; for the table and its world alone."""
        self._grown = 0
        """By how many rows the pending changes make the table longer."""

    @property
    def committed(self) -> Mapping[K, V]:
        """The rows as last adopted."""
        return MappingProxyType(self._rows)

    def get(self, key: K) -> V | None:
        """The row as the current turn sees it."""
        if self.pending and key in self.pending:
            return self.pending[key]
        return self._rows.get(key)

    def __getitem__(self, key: K) -> V:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        return len(self._rows) + self._grown

    def put(self, key: K, row: V) -> None:
        """Set a row for this turn."""
        if self.get(key) is None:
            self._grown += 1
        self.pending[key] = row

    def remove(self, key: K) -> None:
        """Remove a row for this turn; a missing one is no error."""
        if self.get(key) is not None:
            self._grown -= 1
        self.pending[key] = None

    def values(self) -> Iterator[V]:
        """All rows as the current turn sees them."""
        for key, row in self._rows.items():
            if key not in self.pending:
                yield row
        for pending in self.pending.values():
            if pending is not None:
                yield pending

    def adopt(self) -> None:
        """Make the pending changes the committed rows."""
        for key, row in self.pending.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
        self.pending.clear()
        self._grown = 0

    def discard(self) -> None:
        """Forget the pending changes."""
        self.pending.clear()
        self._grown = 0
