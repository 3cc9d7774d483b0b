"""The do-not-call list in memory: exact numbers and prefixes, with an instant at which an entry may end.

Every dial asks it, so it answers from two dictionaries. Reasons and sources stay in the store. Changes of a turn are
pending until it is committed, as in `dialerd.core.table`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dialerd.core.clock import Instant
from dialerd.core.identity import E164

_PREFIX = re.compile(r"\+[1-9][0-9]{0,13}\*")
_LONGEST = 16
"""Characters of an E.164 number at most, its plus sign included."""


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


def span(pattern: str) -> tuple[str, str]:
    """The first and the last number that a pattern can mean, in the order of their text."""
    if not pattern.endswith("*"):
        return pattern, pattern
    prefix = pattern[:-1]
    return prefix, prefix.ljust(_LONGEST, "9")


class DncPatterns:
    """Patterns and when they end (None: never).

    A number is an integer key: a million of them take 60 MB, and a dictionary of plain values is nothing that the
    garbage collector has to walk through.
    """

    __slots__ = ("_lengths", "_numbers", "_prefixes")

    def __init__(self, patterns: Iterable[tuple[str, Instant | None]] = ()) -> None:
        self._numbers: dict[int, Instant | None] = {}
        self._prefixes: dict[str, Instant | None] = {}
        self._lengths: dict[int, int] = {}
        """How many prefixes there are of each length."""
        self.update(patterns)

    def __len__(self) -> int:
        return len(self._numbers) + len(self._prefixes)

    def __iter__(self) -> Iterator[tuple[str, Instant | None]]:
        for number, expires_at in self._numbers.items():
            yield f"+{number}", expires_at
        for prefix, expires_at in self._prefixes.items():
            yield f"{prefix}*", expires_at

    def update(self, patterns: Iterable[tuple[str, Instant | None]]) -> None:
        """Hold these too; a pattern that is held already takes the new end. Raises `ValueError` for no pattern."""
        numbers = self._numbers
        for pattern, expires_at in patterns:
            try:
                numbers[int(pattern)] = expires_at
            except ValueError:
                if not is_pattern(pattern):
                    raise
                self._put_prefix(pattern[:-1], expires_at)

    def drop(self, pattern: str) -> None:
        """Hold a pattern no more; one that is not held is no error."""
        if not pattern.endswith("*"):
            self._numbers.pop(int(pattern), None)
            return
        prefix = pattern[:-1]
        if prefix in self._prefixes:
            del self._prefixes[prefix]
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]

    def over(self, phone: E164) -> list[tuple[str, Instant | None]]:
        """The patterns that mean `phone`, ended ones included."""
        number = int(phone)
        found = [(str(phone), self._numbers[number])] if number in self._numbers else []
        for length in self._lengths:
            prefix = phone[:length]
            if prefix in self._prefixes:
                found.append((f"{prefix}*", self._prefixes[prefix]))
        return found

    def _put_prefix(self, prefix: str, expires_at: Instant | None) -> None:
        if prefix not in self._prefixes:
            self._lengths[len(prefix)] = self._lengths.get(len(prefix), 0) + 1
        self._prefixes[prefix] = expires_at


class DncList:
    """The list as it is committed, and what the turn that is under way has changed of it."""

    __slots__ = ("_early", "_listed", "detail", "pending", "version")

    def __init__(self) -> None:
        self._listed = DncPatterns()
        self.pending: dict[str, DncEntry | None] = {}
        self._early: dict[str, DncEntry | None] = {}
        """What was changed before the list was read: the reading may have missed it."""
        self.version = 0
        """Counts changes, over restarts: receipts name it."""
        self.detail: str | None = "the do-not-call list has not been read yet"
        """Why the list cannot be trusted, so that nothing may be dialed; None: it can."""

    def __len__(self) -> int:
        return len(self._listed)

    def load(self, patterns: Iterable[tuple[str, Instant | None]]) -> None:
        """Take over the list as it was read; what turns have changed since the reading began stands."""
        self._listed = patterns if isinstance(patterns, DncPatterns) else DncPatterns(patterns)
        self._change(self._early)
        self._early = {}

    def match(self, phone: E164, now: Instant) -> DncMatch | None:
        """The entry that bars `phone` now and longest, pending ones included."""
        found = self._with_pending(phone) if self.pending else self._listed.over(phone)
        if not found:
            return None
        bars = [DncMatch(pattern, end) for pattern, end in found if end is None or end > now]
        return max(bars, key=lambda bar: (bar.expires_at is None, bar.expires_at), default=None)

    def add(self, entry: DncEntry) -> None:
        """List a pattern in this turn; one that is listed already takes the new end."""
        self.pending[entry.pattern] = entry

    def remove(self, pattern: str) -> None:
        """Take a pattern off in this turn."""
        self.pending[pattern] = None

    def adopt(self) -> None:
        """The turn is committed."""
        if not self.pending:
            return
        self._change(self.pending)
        if self.detail is not None:
            self._early |= self.pending
        self.pending = {}

    def discard(self) -> None:
        """Forget this turn's changes."""
        self.pending = {}

    def _with_pending(self, phone: E164) -> list[tuple[str, Instant | None]]:
        found = [item for item in self._listed.over(phone) if item[0] not in self.pending]
        for pattern in (str(phone), *(f"{phone[:length]}*" for length in range(2, len(phone) + 1))):
            entry = self.pending.get(pattern)
            if entry is not None:
                found.append((pattern, entry.expires_at))
        return found

    def _change(self, changes: dict[str, DncEntry | None]) -> None:
        for pattern, entry in changes.items():
            if entry is None:
                self._listed.drop(pattern)
            else:
                self._listed.update([(pattern, entry.expires_at)])
