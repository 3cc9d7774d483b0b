"""How late a media worker's event loop is: one that is late plays and hears late, and should get no more calls.

Looked at ten times a second; a single late look is nothing, a loop that stood still for a long time is. It measures
and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two looks."""
LOOKS = 5
"""Looks whose mean counts."""


class Lag:
    """Whether the loop is too late: by more than `latest` seconds on the mean, until it is half of that again."""

    def __init__(self, latest: float) -> None:
        self._latest = latest
        self._looks: deque[float] = deque(maxlen=LOOKS)
        self._most = 0.0
        self.too_late = False

    @property
    def mean(self) -> float:
        """Seconds by which it was late of late."""
        return sum(self._looks) / LOOKS

    def take_most(self) -> float:
        """Seconds by which it was late at most since this was last asked."""
        most, self._most = self._most, 0.0
        return most

    def note(self, late: float) -> bool:
        """What the newest look has shown, in seconds; whether `too_late` has changed by it."""
        self._looks.append(max(0.0, late))
        self._most = max(self._most, late)
        before = self.too_late
        self.too_late = self.mean > (self._latest / 2 if before else self._latest)
        return self.too_late != before


async def watch(lag: Lag, changed: Callable[[], None]) -> None:
    """Look again and again, until cancelled."""
    while True:
        due = time.monotonic() + INTERVAL
        await asyncio.sleep(INTERVAL)
        if lag.note(time.monotonic() - due):
            changed()
