"""Looks after what is stored, in bits and below dialing: campaigns that are to be deleted.

What is to be done stands in the store, so that a restart goes on with it. Nothing here is urgent: where the store is
out, it is tried again later.
"""

from __future__ import annotations

import asyncio

import structlog

from dialerd.core.clock import Instant, Millis
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.model import Policy
from dialerd.ports import Clock, Store

PERIOD = 600.0
"""Seconds between two looks at what has become due."""
RETRY = 10.0
"""Seconds until a store that is out is tried again."""
PAUSE = 0.02
"""Seconds between two bits: the disk is not for this alone."""

_log = structlog.get_logger("dialerd.upkeep")


class Upkeep:
    """One task, which must be running for anything to be deleted."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._wanted = asyncio.Event()
        self.deleted = 0
        """Rows, since the start."""

    def wake(self) -> None:
        """There is something to do now."""
        self._wanted.set()

    async def run(self) -> None:
        """Look after the store until cancelled."""
        while True:
            self._wanted.clear()
            wait = PERIOD
            try:
                await self.look()
            except PortError as error:
                _log.warning("upkeep.put_off", detail=str(error))
                wait = RETRY
            except InvariantError as error:
                _log.error("upkeep.failed", detail=str(error))
            await self._sleep(wait)

    async def look(self) -> None:
        """Do whatever is due. Raises `PortError`."""
        for campaign in await self._store.deletions():
            before, deleted = self.callable_before(), 0
            while bit := await self._store.delete_some(campaign, before):
                deleted += bit
                self.deleted += bit
                await asyncio.sleep(PAUSE)
            if deleted:
                _log.info("upkeep.campaign_deleted", campaign=campaign, rows=deleted)

    def callable_before(self) -> Instant:
        """Calls that began before this are of no interest to any frequency cap any more."""
        longest = max((window for window, _ in self._policy.caps), default=Millis(0))
        return Instant(self._clock.now().wall - longest)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return
