"""An event loop on which no time passes but in ticks, as fast as the work is done."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import Any

from dialerd.core.clock import Instant, Mono, Now
from tests.core.world_builder import START


class _Leaps(selectors.SelectSelector):
    """Instead of waiting it moves the clock."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("nothing will ever happen here")
        if timeout > 0:
            self.loop.at += max(1, math.ceil(timeout * 1_000 / self.loop.tick - 1e-3))
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop and the clock of who lives on it; `at` counts ticks of `tick` milliseconds."""

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.at = 0
        selector = _Leaps()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.seconds(self.at)

    def seconds(self, at: int) -> float:
        """The loop's time at a tick."""
        return at * self.tick / 1_000

    def now(self) -> Now:
        """Both clocks, as the engine asks for them."""
        millis = self.at * self.tick
        return Now(Instant(START + millis), Mono(millis * 1_000))

    def get_debug(self) -> bool:
        return False
