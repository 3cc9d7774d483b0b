"""The do-not-call list in memory: exact numbers and prefixes, with an instant at which an entry may end.

Every dial asks it, so a look-up costs a set membership. Reasons and sources stay in the store. Changes of a turn are
pending until it is committed, as in `dialerd.core.table`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dialerd.core.clock import Instant
from dialerd.core.model import E164

_PREFIX = re.compile(r"\+[1-9][0-9]{0,13}\*")


@dataclass(frozen=True, slots=True)
class DncEntry:
    """A number that must not be called, or all numbers under a prefix (`+9198*`)."""

    pattern: str
    reason: str = ""
    source: str = ""
    created_at: Instant = Instant(0)
    expires_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class DncMatch:
    """Why a number must not be called."""

    pattern: str
    expires_at: Instant | None


def is_pattern(text: str) -> bool:
    """Whether `text` is a number or a prefix that the list can hold."""
    if text.endswith("*"):
        return _PREFIX.fullmatch(text) is not None
    try:
        E164(text)
    except ValueError:
        return False
    return True


class DncList:
    """Patterns and when they end. Numbers are held as integers: a million of them take about 100 MB."""

    __slots__ = ("_ends", "_longest", "_numbers", "_pending", "_prefixes", "detail", "version")

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._ends: dict[int, Instant] = {}
        self._prefixes: dict[str, Instant | None] = {}
        self._longest = 0
        self._pending: dict[str, DncEntry | None] = {}
        self.version = 0
        """Counts changes, over restarts: receipts name it."""
        self.detail: str | None = "the do-not-call list has not been read yet"
        """Why the list cannot be trusted, so that nothing may be dialed; None: it can."""

    def __len__(self) -> int:
        return len(self._numbers) + len(self._ends) + len(self._prefixes)

    def load(self, patterns: Iterable[tuple[str, Instant | None]]) -> None:
        """Add committed entries, as they are read at start."""
        for pattern, expires_at in patterns:
            self._put(pattern, expires_at)

    def match(self, phone: E164, now: Instant) -> DncMatch | None:
        """The entry that bars `phone` now, pending ones included."""
        for pattern in self._candidates(phone):
            found = self._pending[pattern] if pattern in self._pending else self._committed(pattern)
            if found is not None and (found.expires_at is None or found.expires_at > now):
                return DncMatch(pattern, found.expires_at)
        return None

    def add(self, entry: DncEntry) -> None:
        """List a pattern in this turn; one that is listed already takes the new end."""
        self._pending[entry.pattern] = entry

    def remove(self, pattern: str) -> None:
        """Take a pattern off in this turn."""
        self._pending[pattern] = None

    def adopt(self) -> None:
        """The turn is committed."""
        for pattern, entry in self._pending.items():
            self._drop(pattern)
            if entry is not None:
                self._put(pattern, entry.expires_at)
        self._pending.clear()

    def discard(self) -> None:
        """Forget this turn's changes."""
        self._pending.clear()

    def _candidates(self, phone: E164) -> list[str]:
        found = [str(phone)]
        if self._longest or self._pending:
            longest = max([self._longest, *(len(p) - 1 for p in self._pending)])
            found += [f"{phone[:length]}*" for length in range(2, min(longest, len(phone)) + 1)]
        return found

    def _committed(self, pattern: str) -> DncMatch | None:
        if pattern.endswith("*"):
            return DncMatch(pattern, self._prefixes[pattern]) if pattern in self._prefixes else None
        number = int(pattern)
        if number in self._numbers:
            return DncMatch(pattern, None)
        return DncMatch(pattern, self._ends[number]) if number in self._ends else None

    def _put(self, pattern: str, expires_at: Instant | None) -> None:
        if pattern.endswith("*"):
            self._prefixes[pattern] = expires_at
            self._longest = max(self._longest, len(pattern) - 1)
        elif expires_at is None:
            self._numbers.add(int(pattern))
        else:
            self._ends[int(pattern)] = expires_at

    def _drop(self, pattern: str) -> None:
        if pattern.endswith("*"):
            self._prefixes.pop(pattern, None)
        else:
            self._numbers.discard(int(pattern))
            self._ends.pop(int(pattern), None)
