"""How much of the event loop's time one peer's messages may take: a share, however fast it sends them.

All calls of a worker share its loop. What messages mean, and what is done with those that have to wait, is not known
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 1 / 4
"""Of the time, where the messages do not end."""
AT_ONCE = 0.002
"""Seconds of work after which the rest must wait."""
DEAREST = 0.025
"""Seconds that one message counts for at most: it may be the machine that was slow."""


class Ration:
    """One peer's. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._paid_at = 0.0
        """When what was taken is paid for by time that has passed."""

    def took(self, seconds: float) -> None:
        """A message has taken so long."""
        self._paid_at = max(self._paid_at, self._clock()) + min(seconds, DEAREST) / SHARE

    def wait(self) -> float:
        """Seconds for which the next message must wait; 0: it may be taken."""
        ahead = self._paid_at - self._clock()
        return ahead if ahead > AT_ONCE / SHARE else 0.0
