"""What is wrong with one connection: said once when it begins or changes, once when it is over, and how long to
wait before the next attempt.

It opens no connection and sleeps for nobody.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts, in seconds: doubling from `first` to `last`, each shortened at random by up to half."""

    first: float = 0.2
    last: float = 5.0

    def delay(self, failures: int, rng: random.Random) -> float:
        """The wait after the `failures`-th failure in a row (1 is the first)."""
        whole = min(self.last, self.first * 2.0 ** min(failures - 1, 32))
        return whole * rng.uniform(0.5, 1.0)


class Outage:
    """The trouble of one connection. `log` gets `unavailable` and `recovered`, static event names."""

    def __init__(
        self, log: Any, unavailable: str, recovered: str, backoff: Backoff, rng: random.Random
    ) -> None:
        self._log = log
        self._unavailable = unavailable
        self._recovered = recovered
        self._backoff = backoff
        self._rng = rng
        self._kind: str | None = None
        self._failures = 0
        self.detail = "not connected yet"

    def failed(self, kind: str, detail: str, *, lasted: float = 0.0) -> float:
        """Note a failure and return the seconds to wait; logged only where `kind` differs from the last one's.

        `lasted`: how long (s) the connection had held. One that held longer than the longest wait starts the waits
        anew, so that one which breaks at once each time is not retried without pause.
        """
        if kind != self._kind:
            self._log.warning(self._unavailable, kind=kind, detail=detail)
        self._kind = kind
        self.detail = detail
        self._failures = 1 if lasted > self._backoff.last else self._failures + 1
        return self._backoff.delay(self._failures, self._rng)

    def recovered(self, **fields: Any) -> None:
        """The connection is up; logged with `fields`."""
        self._log.info(self._recovered, **fields)
        self._kind = None
        self.detail = ""
