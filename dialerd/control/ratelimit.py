"""How many requests a key may make in a minute; what keeps people safe is never counted."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 60.0
MOST_KEYS = 10_000
_FREE_ENDINGS = ("/hangup", "/disposition", "/transfer", "/pause", "/stop")
_CALL_OF_TWILIO = re.compile(r"/2010-04-01/Accounts/[^/]+/Calls/[^/]+\.json")
"""Where a bot written for Twilio hangs up."""
_FREE_PATHS = ("/v1/panic", "/v1/dnc", "/v1/dnc/import")


def is_free(method: str, path: str) -> bool:
    """Whether a request is never refused for its number: hang-ups, halts, additions to the do-not-call list."""
    if method != "POST":
        return False
    return path in _FREE_PATHS or path.endswith(_FREE_ENDINGS) or _CALL_OF_TWILIO.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key in this minute."""

    limit: int
    remaining: int
    reset: int
    """Seconds until the next minute begins for it."""
    refused: bool = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As response headers."""
        figures = {"limit": self.limit, "remaining": self.remaining, "reset": self.reset}
        return [(f"x-ratelimit-{name}".encode(), str(value).encode()) for name, value in figures.items()]


class RateLimit:
    """Counts by key, each key's minute beginning with its first request."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` 0: no limit."""
        self._limit = per_minute
        self._clock = clock
        self._used: dict[str, tuple[float, int]] = {}

    def take(self, key: str, *, free: bool) -> Allowance | None:
        """Count a request of a key; None where there is no limit."""
        if not self._limit:
            return None
        now = self._clock()
        begun, used = self._used.get(key, (now, 0))
        if now - begun >= WINDOW:
            begun, used = now, 0
        refused = used >= self._limit and not free
        if not free and not refused:
            used += 1
            if len(self._used) >= MOST_KEYS:
                self._used.clear()
            self._used[key] = (begun, used)
        return Allowance(self._limit, self._limit - used, math.ceil(begun + WINDOW - now), refused)
