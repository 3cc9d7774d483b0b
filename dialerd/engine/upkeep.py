"""Looks after what is stored, in bits and below dialing: what is deleted by order or by its age, persons to be erased.

What is to be done stands in the store, so that a restart goes on with it. Nothing here is urgent: where the store is
out, it is tried again later.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import structlog

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Command, DeleteCampaign
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.identity import E164
from dialerd.core.messages import ErasureDone, ErasureDue, Event
from dialerd.core.policy import Policy
from dialerd.engine.settings import Retention
from dialerd.ports import Clock, Store

PERIOD = 600.0
"""Seconds between two looks at what has become due."""
RETRY = 10.0
"""Seconds until a store that is out is tried again."""
MOST_CAMPAIGNS = 100
"""Campaigns that are let go of at a time."""
ERASE_ATTEMPTS, ERASE_AGAIN = 20, 0.1
"""How often, and after how many seconds, is looked whether the contacts of a person have left their queues."""
PAUSE = 0.02
"""Seconds between two bits: the disk is not for this alone."""

_log = structlog.get_logger("dialerd.upkeep")


class ClockCheck(Protocol):
    """What is needed of the engine's memory."""

    @property
    def clock_is_trusted(self) -> bool:
        """Whether the wall clock agrees with the monotonic one."""
        ...


class Mailbox(Protocol):
    """What is needed of the engine."""

    @property
    def memory(self) -> ClockCheck:
        """What it knows."""
        ...

    def post(self, event: Event) -> None:
        """Tell it what happened."""
        ...

    async def command(self, command: Command) -> object:
        """Have a command carried out. Raises `PortError`."""
        ...


class Keeper(Protocol):
    """Who looks after recordings (`dialerd.engine.recordings.RecordingKeeper`)."""

    def step(self, *, by_age: bool) -> Callable[[], Awaitable[int]]:
        """What gives up some recordings; awaited, how many. `by_age`: the wall clock can be believed."""
        ...

    async def delete_files(self) -> bool:
        """Delete files that are to be; False: some could not be. Raises `PortError`."""
        ...


class Upkeep:
    """One task, which must be running for anything to be deleted."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        engine: Mailbox | None = None,
        retention: Retention | None = None,
        recordings: Keeper | None = None,
    ) -> None:
        """Without `engine` nothing is deleted by its age, and nobody erased."""
        self._store = store
        self._engine = engine
        self._retention = retention or Retention()
        self._recordings = recordings
        self._clock = clock
        self._policy = policy
        self._wanted = asyncio.Event()
        self._whole = True
        """Whether nothing waits: for contacts to leave their queues, for a file that could not be deleted."""
        self.deleted: Counter[str] = Counter()
        """Rows of what, since the start."""

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
                wait = PERIOD if self._whole else RETRY
            await self._sleep(wait)

    async def look(self) -> None:
        """Do whatever is due. Raises `PortError`."""
        self._whole = True
        for phone in await self._store.erasures():
            self._whole &= await self.erase(phone)
        if self._engine is not None and self._engine.memory.clock_is_trusted:
            await self._let_go(self._engine)
        for campaign in await self._store.deletions():
            some = partial(self._store.delete_some, campaign, self.callable_before())
            deleted = await self._in_bits("campaigns", some)
            if deleted:
                _log.info("upkeep.campaign_deleted", campaign=campaign, rows=deleted)
        if self._recordings is not None:
            # Last: what was deleted above may have had recordings.
            trusted = self._engine is not None and self._engine.memory.clock_is_trusted
            await self._in_bits("recordings", self._recordings.step(by_age=trusted))
            self._whole &= await self._recordings.delete_files()

    async def _let_go(self, engine: Mailbox) -> None:
        """What has been kept for as long as it is to be. Campaigns are only marked here."""
        kept, now = self._retention, self._clock.now().wall
        if kept.calls is not None:
            before = Instant(min(now - kept.calls, self.callable_before()))
            await self._in_bits("calls", partial(self._store.drop_calls, before))
        if kept.audit is not None:
            await self._in_bits("audit", partial(self._store.drop_deeds, Instant(now - kept.audit)))
        if kept.campaigns is not None:
            # One that cannot be deleted yet has live calls: it comes with the next look.
            for campaign in await self._store.finished_before(Instant(now - kept.campaigns), MOST_CAMPAIGNS):
                await engine.command(DeleteCampaign(campaign))

    async def _in_bits(self, what: str, some: Callable[[], Awaitable[int]]) -> int:
        """Take a step until it does nothing more; how many rows that were."""
        done = 0
        while bit := await some():
            done += bit
            self.deleted[what] += bit
            await asyncio.sleep(PAUSE)
        return done

    async def erase(self, phone: E164) -> bool:
        """Erase what is stored of a number that is marked for it; False: some of it waits still. Raises `PortError`."""
        for _ in range(ERASE_ATTEMPTS):
            self._tell(ErasureDue(phone))
            await self._in_bits("persons", partial(self._store.erase_some, phone))
            if phone not in await self._store.erasures():
                self._tell(ErasureDone(phone))
                _log.info("upkeep.person_erased", phone=phone.masked)
                return True
            await asyncio.sleep(ERASE_AGAIN)
        return False

    def _tell(self, event: Event) -> None:
        if self._engine is not None:
            self._engine.post(event)

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
