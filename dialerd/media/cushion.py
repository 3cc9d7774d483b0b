"""The silence before audio that comes as it is made, so that its jitter leaves no gaps."""

from __future__ import annotations

CUSHION = 3
"""Frames of silence in front of audio that comes as it is made, so that its jitter leaves no gaps; doubled whenever
that was not enough, and halved again after a speech for which it was."""
MOST_CUSHION = 12


class Cushion:
    """How much silence stands before audio that comes as it is made."""

    def __init__(self, least: int = CUSHION) -> None:
        self.size = self._least = least
        self._was_late = False

    def grow(self) -> None:
        """It was not enough."""
        self.size = min(2 * self.size, MOST_CUSHION)
        self._was_late = True

    def settle(self) -> None:
        """A speech is over."""
        if not self._was_late:
            self.size = max(self.size // 2, self._least)
        self._was_late = False
