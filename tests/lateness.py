"""A plugin of pytest's that makes sockets late, so that a test which takes the order of two of them for granted fails.

`make test-late` runs the tests with it. One of seven sockets that have something to say says so up to 60 ms later than
it could, and the whole loop is late now and then. No byte is lost, and none overtakes another of its socket: what fails
under it could fail on a busy machine. Time that a test keeps itself is untouched.
"""

from __future__ import annotations

import os
import random
import selectors
import time

SHARE = 0.15
"""Of the events that are held back."""
LONGEST = 0.06
"""Seconds."""
BUSY = 0.01
"""Share of the turns in which the loop itself is late."""
TURN = 0.002
"""Seconds for which it sleeps while all it has is held back: those are ready, and would wake it at once."""

_random = random.Random(os.environ.get("SEED", "1"))


class LateSelector(selectors.DefaultSelector):
    """Tells of some events later than it could. They stay ready meanwhile, since selectors are asked again."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[int, float] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector`."""
        if self._held:
            pause = max(0.001, min(self._held.values()) - time.monotonic())
            time.sleep(min(pause, TURN if timeout is None else timeout))
            timeout = 0
        ready = super().select(timeout)
        descriptors = {key.fd for key, _ in ready}
        self._held = {fd: until for fd, until in self._held.items() if fd in descriptors}
        told = [(key, events) for key, events in ready if self._is_told(key.fd)]
        if _random.random() < BUSY:
            time.sleep(_random.random() * LONGEST)
        return told

    def _is_told(self, descriptor: int) -> bool:
        until = self._held.get(descriptor)
        if until is None and _random.random() < SHARE:
            self._held[descriptor] = time.monotonic() + _random.random() * LONGEST
            return False
        if until is not None and time.monotonic() < until:
            return False
        self._held.pop(descriptor, None)
        return True


selectors.DefaultSelector = LateSelector  # type: ignore[misc]
