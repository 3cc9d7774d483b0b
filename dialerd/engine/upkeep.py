"""Looks after what is stored, in bits and below dialing: campaigns that are to be deleted, persons to be erased.

What is to be done stands in the store, so that a restart goes on with it. Nothing here is urgent: where the store is
out, it is tried again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from dialerd.core.clock import Instant, Millis
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.messages import ErasureDone, ErasureDue, Event
from dialerd.core.model import E164, Policy
from dialerd.ports import Clock, Store

PERIOD = 600.0
"""Seconds between two looks at what has become due."""
RETRY = 10.0
"""Seconds until a store that is out is tried again."""
ERASE_ATTEMPTS, ERASE_AGAIN = 20, 0.1
"""How often, and after how many seconds, is looked whether the contacts of a person have left their queues."""
PAUSE = 0.02
"""Seconds between two bits: the disk is not for this alone."""

_log = structlog.get_logger("dialerd.upkeep")


class Upkeep:
    """One task, which must be running for anything to be deleted."""

    def __init__(
        self, store: Store, clock: Clock, policy: Policy, tell: Callable[[Event], None] = lambda event: None
    ) -> None:
        """`tell`: the engine's mailbox."""
        self._store = store
        self._tell = tell
        self._clock = clock
        self._policy = policy
        self._wanted = asyncio.Event()
        self._erased = True
        """Whether nothing waits for contacts to leave their queues."""
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
            else:
                wait = PERIOD if self._erased else RETRY
            await self._sleep(wait)

    async def look(self) -> None:
        """Do whatever is due. Raises `PortError`."""
        self._erased = True
        for phone in await self._store.erasures():
            self._erased &= await self.erase(phone)
        for campaign in await self._store.deletions():
            some = partial(self._store.delete_some, campaign, self.callable_before())
            deleted = await self._in_bits(some)
            if deleted:
                _log.info("upkeep.campaign_deleted", campaign=campaign, rows=deleted)

    async def _in_bits(self, some: Callable[[], Awaitable[int]]) -> int:
        """Take a step until it does nothing more; how many rows that were."""
        done = 0
        while bit := await some():
            done += bit
            self.deleted += bit
            await asyncio.sleep(PAUSE)
        return done

    async def erase(self, phone: E164) -> bool:
        """Erase what is stored of a number that is marked for it; False: some of it waits still. Raises `PortError`."""
        for _ in range(ERASE_ATTEMPTS):
            self._tell(ErasureDue(phone))
            await self._in_bits(partial(self._store.erase_some, phone))
            if phone not in await self._store.erasures():
                self._tell(ErasureDone(phone))
                _log.info("upkeep.person_erased", phone=phone.masked)
                return True
            await asyncio.sleep(ERASE_AGAIN)
        return False

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
