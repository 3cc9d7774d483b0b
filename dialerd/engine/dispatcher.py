"""Carries out what a committed turn wants done: hang-ups, agents, originates, look-ups.

Nothing here decides, but for one look back: the gate is asked once more before an originate leaves, since
time has passed and a pause may have arrived while the turn was being committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from dialerd.core import gate
from dialerd.core.errors import PortError
from dialerd.core.messages import (
    Announce,
    AttachAgent,
    DetachAgent,
    Effect,
    HangUp,
    LoadFailed,
    LoadReady,
    Originate,
    OriginateWithheld,
    ReadyLoaded,
    SeekEvidence,
)
from dialerd.core.model import CampaignId
from dialerd.core.world import World
from dialerd.engine import evidence
from dialerd.ports import Clock, Media, Sink, Store, Telephony

READ_DEADLINE = 10.0


class Dispatcher:
    """Effects in, port calls out; what comes of them is posted as events."""

    def __init__(
        self,
        world: World,
        store: Store,
        telephony: Telephony,
        media: Media,
        clock: Clock,
        sink: Sink,
        listener: Callable[[Announce], None],
    ) -> None:
        self._world = world
        self._store = store
        self._telephony = telephony
        self._media = media
        self._clock = clock
        self._sink = sink
        self._listener = listener
        self._tasks: set[asyncio.Task[None]] = set()

    def carry_out(self, effects: Iterable[Effect], halted: Callable[[CampaignId | None], bool]) -> None:
        """Carry out a turn's effects in order. `halted`: whether a campaign's pause or stop has arrived."""
        for effect in effects:
            match effect:
                case Originate():
                    self._originate(effect, halted)
                case HangUp():
                    self._telephony.hang_up(effect.channel)
                case AttachAgent():
                    self._media.attach(effect)
                case DetachAgent():
                    self._media.detach(effect.call)
                case LoadReady():
                    self._spawn(self._load(effect))
                case SeekEvidence():
                    self._spawn(evidence.seek(effect, self._telephony, self._sink, self._listener))
                case Announce():
                    self._listener(effect)
                case _:
                    pass

    async def close(self) -> None:
        """Cancel the look-ups that are still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _originate(self, order: Originate, halted: Callable[[CampaignId | None], bool]) -> None:
        campaign = self._world.campaigns.committed.get(order.campaign) if order.campaign else None
        line = self._world.lines.committed.get(order.trunk)
        rule = "halt" if halted(order.campaign) else None
        rule = rule or gate.recheck(self._world, campaign, line, self._clock.now().wall)
        if rule is not None:
            self._sink(OriginateWithheld(order.channel, rule))
        else:
            self._telephony.originate(order)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, order: LoadReady) -> None:
        try:
            async with asyncio.timeout(READ_DEADLINE):
                batch = await self._store.ready(
                    order.campaign, self._clock.now().wall, order.held, order.limit
                )
        except (PortError, TimeoutError) as error:
            self._sink(LoadFailed(order.campaign, str(error) or "the store did not answer in 10 s"))
            return
        self._sink(ReadyLoaded(order.campaign, batch.contacts, order.held, batch.exhausted, batch.next_due))
