"""How often a caller id was shown within a day, and how often that was answered. Counting only: it judges nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dialerd.core.clock import Instant

HOUR = 3_600_000
HOURS = 25
"""Hours that are counted: whole ones, so one more than a day has, and no 24 hours ever hold more than the cap."""
FINALS = 50
"""Calls by which the answer rate of a number is judged."""


class Usage:
    """How much one number was shown, and how often that was answered."""

    __slots__ = ("_hours", "answered", "finals")

    def __init__(self, hours: Iterable[tuple[int, int]] = ()) -> None:
        """`hours`: calls by hour since 1970."""
        self._hours: deque[list[int]] = deque([hour, calls] for hour, calls in sorted(hours))
        self.finals: deque[bool] = deque(maxlen=FINALS)
        self.answered = 0

    def count(self, now: Instant) -> int:
        """Calls within the last day."""
        first = now // HOUR - HOURS + 1
        while self._hours and self._hours[0][0] < first:
            self._hours.popleft()
        return sum(calls for _, calls in self._hours)

    def add(self, now: Instant) -> None:
        """One more call."""
        hour = now // HOUR
        if self._hours and self._hours[-1][0] == hour:
            self._hours[-1][1] += 1
        else:
            self._hours.append([hour, 1])

    def end(self, *, answered: bool) -> None:
        """A call has had its end."""
        if len(self.finals) == FINALS:
            self.answered -= self.finals[0]
        self.finals.append(answered)
        self.answered += answered

    def begin_again(self) -> None:
        """Judge it by calls from here on."""
        self.finals.clear()
        self.answered = 0
