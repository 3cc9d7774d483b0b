"""The store, as the engine finds it: in order, failing, or damaged for good; and what is owed to it meanwhile.

It keeps the state of an outage and decides when the store is tried again. It writes nothing itself.
"""

from __future__ import annotations

import structlog

from dialerd.core.clock import MICROS_PER_MILLI, Mono
from dialerd.core.commands import Command, Panic
from dialerd.core.errors import PortError
from dialerd.core.journal import Author

RETRY = 1_000 * MICROS_PER_MILLI

_log = structlog.get_logger("dialerd.engine")


class Outage:
    """Whether turns can be written, and since a turn could not: what comes next."""

    def __init__(self) -> None:
        self.fault: str | None = None
        """What is wrong with the store; None: the last turn was written."""
        self.broken: PortError | None = None
        """The store is damaged: nothing is written to it any more, a restart after a restore is needed."""
        self.retry_at = Mono(0)
        self.owed: tuple[tuple[Command, Author], ...] = ()
        """A panic that was carried out but could not be written: it comes first in every turn until it is."""

    def resting(self, now: Mono) -> bool:
        """Whether the store has failed within the last second, or for good: events wait until it is tried again."""
        return self.broken is not None or (self.fault is not None and now < self.retry_at)

    def failed(self, error: PortError, now: Mono) -> None:
        """A turn could not be written."""
        if not error.retryable:
            self.broke(error)
        elif self.fault is None:
            _log.error("store.failed", detail=str(error))
        self.fault = str(error)
        self.retry_at = Mono(now + RETRY)

    def broke(self, error: PortError) -> None:
        """The store is damaged: nothing is dialed or written any more."""
        if self.broken is None:
            _log.critical("store.broken", detail=str(error))
        self.broken = error
        self.fault = str(error)

    def owe_panic(self, by: Author) -> None:
        """Somebody panicked: once the store is back, nothing is dialed before that has been written."""
        self.owed = ((Panic(), by),)
        _log.warning("engine.panic_owed")

    def recovered(self) -> None:
        """A turn has been written."""
        self.owed = ()
        if self.fault is not None and self.broken is None:
            self.fault = None
            _log.info("store.recovered")
