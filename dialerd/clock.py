"""The machine's clocks, behind the `Clock` port."""

from __future__ import annotations

import time

from dialerd.core.clock import Instant, Mono, Now


class SystemClock:
    """Wall and monotonic time of this machine."""

    def now(self) -> Now:
        """Both clocks, read together."""
        return Now(Instant(time.time_ns() // 1_000_000), Mono(time.monotonic_ns() // 1_000))
