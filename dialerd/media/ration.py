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
"""Seconds that one message counts for at most: it may be the machine that was slow."""


class Ration:
    """One peer's. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._paid_at = 0.0
        """When what was taken is paid for by time that has passed."""

    def spend(self, began: float, ended: float) -> float:
        """A message has taken this time. Returns for how long the next one must wait; 0: it may be taken."""
        self._paid_at = max(self._paid_at, ended) + min(ended - began, DEAREST) / SHARE
        ahead = self._paid_at - ended
        return ahead if ahead > AT_ONCE / SHARE else 0.0
