"""How much of the event loop's time one peer's messages may take: a share, however fast it sends them.

All calls of a worker share its loop. What messages mean, and what is done with those that have to wait, is not known
here; nor is any clock.
"""

from __future__ import annotations

SHARE = 1 / 4
"""Of the time, where the messages do not end."""
AT_ONCE = 0.002
"""Seconds of work after which the rest must wait."""
DEAREST = 0.025
"""Seconds that one message counts for at most: collecting garbage is not its fault."""


class Ration:
    """One peer's. Times are seconds."""

    def __init__(self) -> None:
        self._paid_at = 0.0
        """When what was taken is paid for by time that has passed."""

    def spend(self, now: float, cost: float) -> float:
        """A message has cost so much of the processor. Returns for how long the next must wait; 0: it may be taken."""
        self._paid_at = max(self._paid_at, now) + min(cost, DEAREST) / SHARE
        ahead = self._paid_at - now
        return ahead if ahead > AT_ONCE / SHARE else 0.0
