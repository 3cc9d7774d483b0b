"""Calls per second: a meter that no window of one second ever exceeds, and that spreads calls evenly.

Two bounds hold together. The window bound is exact: a start is allowed only if the one `limit` starts ago is
more than a second old. The spacing bound spreads starts over the second, with a little catch-up so that a
late wake-up does not cost capacity. A meter is not part of a turn's pending state: a turn that is thrown
away wastes the starts it took, which errs on the slow side.
"""

from __future__ import annotations

from collections import deque

from dialerd.core.clock import Mono

_WINDOW = 1_000_000
_GUARD = 25_000
"""Microseconds added to the window: what leaves here in order may reach the wire a few milliseconds apart."""
_CATCH_UP = 100_000


class Meter:
    """Limits starts to `rate` a second (below one: one start every 1/rate seconds)."""

    __slots__ = ("_even", "_interval", "_starts", "_window", "rate")

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ValueError("a rate must be above 0")
        self.rate = rate
        limit = max(1, int(rate))
        self._starts: deque[int] = deque(maxlen=limit)
        self._window = round(_WINDOW * (1 if rate >= 1 else 1 / rate)) + _GUARD
        self._interval = round(_WINDOW / rate)
        self._even = -_WINDOW
        """When the next start would be due if all were spread evenly."""

    def at_rate(self, rate: float) -> Meter:
        """A meter of another rate that remembers the starts of this one."""
        fresh = Meter(rate)
        fresh._starts.extend(self._starts)
        # What was caught up stays caught up: a rate that changes often must not give that again each time.
        fresh._even = self._even - self._interval + fresh._interval if self._starts else self._even
        return fresh

    def free_at(self, now: Mono) -> Mono:
        """The earliest reading at which the next start is allowed; `now` or before: at once."""
        even = self._even - min(_CATCH_UP, self._interval * (self._starts.maxlen or 1) // 2)
        if self._interval >= _CATCH_UP:
            even = self._even
        if len(self._starts) == self._starts.maxlen:
            return Mono(max(self._starts[0] + self._window, even))
        return Mono(even)

    def allows(self, now: Mono) -> bool:
        """Whether a start at `now` keeps within the rate."""
        return self.free_at(now) <= now

    def take(self, now: Mono) -> None:
        """Count a start at `now`; ask `allows` first."""
        self._starts.append(now)
        self._even = max(self._even, now - _CATCH_UP) + self._interval
