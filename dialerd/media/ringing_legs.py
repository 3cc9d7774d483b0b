"""Media legs of calls whose phone rings: made beforehand, so that an answer has to wait for one step only.

Nothing is sent on them, and they are not joined with the call. Each is taken by the call's answer, or let go of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dialerd.core.effects import PrepareMedia
from dialerd.core.identity import ChannelId
from dialerd.media.asterisk_ws import MediaLeg


class RingingLegs:
    """Legs by call.

    `longest` is how many seconds one may be kept, since its end may never be told: then `overdue` is, which lets go of
    it and of whatever else was made ready for the call.
    """

    def __init__(
        self, make: Callable[[PrepareMedia], MediaLeg], longest: float, overdue: Callable[[str], None]
    ) -> None:
        self._make = make
        self._longest = longest
        self._overdue = overdue
        self._ready: dict[str, _Ready] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def engines(self) -> Mapping[str, str]:
        """The calls, and the engine of each."""
        return {call: ready.engine for call, ready in self._ready.items()}

    def expect(self, order: PrepareMedia) -> None:
        """Make the leg of a call; again: nothing, unless it rings at another channel now."""
        call, channel = order.call, order.channel
        ready = self._ready.get(call)
        if ready is not None and ready.leg.channel == channel:
            return
        self.forgo(call)
        leg = self._make(order)
        limit = asyncio.get_running_loop().call_later(self._longest, self._overdue, call)
        self._ready[call] = _Ready(leg, order.engine, limit)
        leg.prepare()

    def take(self, call: str, channel: ChannelId) -> MediaLeg | None:
        """The call was answered: its leg is its own from here on. None: there is none."""
        ready = self._ready.get(call)
        if ready is None or ready.leg.channel != channel:
            self.forgo(call)
            return None
        ready.limit.cancel()
        return self._ready.pop(call).leg

    def forgo(self, call: str) -> None:
        """The call was not answered; unknown: nothing."""
        ready = self._ready.pop(call, None)
        if ready is not None:
            ready.limit.cancel()
            closing = asyncio.get_running_loop().create_task(ready.leg.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Let go of all."""
        for call in list(self._ready):
            self.forgo(call)
        await asyncio.gather(*self._closing, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Ready:
    leg: MediaLeg
    engine: str
    limit: asyncio.TimerHandle
