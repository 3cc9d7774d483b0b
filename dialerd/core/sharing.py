"""Whose turn it is: members that share something by weight, each start going to the one that is furthest behind.

Every start moves its member's tag forward by 1/weight, and the lowest tag is next (stride scheduling). What one
cannot use the others take, and nobody saves up: who comes back begins where the row is. So among members that always
have work starts are in proportion to weights, and each start of the others brings everybody's turn nearer: a member
waits for at most (sum of weights / its own) starts, and one for each of the others.

A rota is a hint, no state: it is not part of a turn, and a daemon begins with an empty one.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M", bound=Hashable)


class Rota(Generic[M]):
    """Members in line for one shared thing."""

    __slots__ = ("_count", "_line", "_tags", "_time", "_waiting")

    def __init__(self) -> None:
        self._tags: dict[M, float] = {}
        self._time = 0.0
        """The tag of the start before: nobody begins behind it."""
        self._waiting: dict[M, tuple[float, int]] = {}
        self._line: list[tuple[float, int, M]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, member: M) -> bool:
        return member in self._waiting

    def tag(self, member: M) -> float:
        """Where the member stands: the lowest is next."""
        return max(self._tags.get(member, 0.0), self._time)

    def enter(self, member: M) -> None:
        """The member has something to start; entering twice changes nothing."""
        if member not in self._waiting:
            self._push(member)

    def leave(self, member: M) -> None:
        """The member has nothing to start for now."""
        self._waiting.pop(member, None)

    def forget(self, member: M) -> None:
        """The member does not come back."""
        self.leave(member)
        self._tags.pop(member, None)

    def first(self) -> M | None:
        """Whose turn it is; None: nobody waits."""
        while self._line:
            tag, count, member = self._line[0]
            if self._waiting.get(member) == (tag, count):
                return member
            heapq.heappop(self._line)
        return None

    def took(self, member: M, weight: float) -> None:
        """The member has had a start. Out of its turn it costs the member alone."""
        tag = self.tag(member)
        if self.first() == member:
            self._time = tag
        self._tags[member] = tag + 1 / weight
        if member in self._waiting:
            self._push(member)

    def _push(self, member: M) -> None:
        self._count += 1
        entry = (self.tag(member), self._count)
        self._waiting[member] = entry
        heapq.heappush(self._line, (*entry, member))
        if len(self._line) > 2 * len(self._waiting) + _STALE_ALLOWED:
            self._line = [(*place, one) for one, place in self._waiting.items()]
            heapq.heapify(self._line)


_STALE_ALLOWED = 64
"""Superseded entries that a line may carry before it is rebuilt."""
