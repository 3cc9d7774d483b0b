"""How large a document is once its aliases are written out, found out without writing them out.

A few hundred bytes of aliases of aliases stand for billions of parts, and whoever walks them is busy for ever. Each
part is looked at once here, however often it is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ContainsItselfError(ValueError):
    """A part is an alias of something that it is in."""


class Expansion:
    """Sizes of a document's parts, each measured once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._within: set[int] = set()

    def of(self, value: Any) -> tuple[int, int]:
        """Its parts and their characters in all, and how deeply they nest.

        Raises `ContainsItselfError`, `RecursionError`.
        """
        if isinstance(value, str):
            return 1 + len(value), 0
        if not isinstance(value, Mapping | list):
            return 1, 0
        ident = id(value)
        if ident in self._within:
            raise ContainsItselfError
        known = self._known.get(ident)
        if known is None:
            self._within.add(ident)
            known = self._known[ident] = self._measured(value)
            self._within.discard(ident)
        return known

    def _measured(self, value: Mapping[Any, Any] | list[Any]) -> tuple[int, int]:
        parts = [part for member in value.items() for part in member] if isinstance(value, Mapping) else value
        size, depth = 1, 0
        for part in parts:
            inner, deep = self.of(part)
            size += inner
            depth = max(depth, deep)
        return size, depth + 1
