"""Whether Asterisk does what a media worker asks of it.

One request may be unlucky; three of the same kind in a row that failed mean that calls would answer into silence.
It counts and nothing else: what is asked, and how to find out that all is well again, is its owner's business.
"""

from __future__ import annotations

import asyncio
from collections import Counter

STRIKES = 3


class Health:
    """Counts failures by kind of request, each kind for itself: one that works says nothing about another."""

    def __init__(self) -> None:
        self._strikes: Counter[str] = Counter()
        self._ill = asyncio.Event()
        self._detail = ""

    def answered(self, kind: str) -> None:
        """A request of this kind was answered, with yes or with no."""
        self._strikes.pop(kind, None)

    def missed(self, kind: str, detail: str) -> None:
        """A request of this kind (`make a bridge`) was not answered in time, or failed inside Asterisk."""
        self._strikes[kind] += 1
        if self._strikes[kind] >= STRIKES and not self._ill.is_set():
            self._detail = (
                f"Asterisk has failed {STRIKES} times in a row to {kind} ({detail}); nothing is dialed until it "
                "can again. If it does not recover, restart it"
            )
            self._ill.set()

    async def wait_ill(self) -> str:
        """Return what is wrong once something is."""
        await self._ill.wait()
        return self._detail

    def recovered(self) -> None:
        """It was shown that Asterisk can: count anew."""
        self._strikes.clear()
        self._ill.clear()
