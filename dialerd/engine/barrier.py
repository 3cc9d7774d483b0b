"""The promise behind a pause: it is answered only when no originate can reach the wire any more.

An originate that was sent has shown itself once Asterisk reports its dial, its refusal or its end. The INVITE
may follow the first Dial event by a few milliseconds (3.6 ms was the most ever measured), hence the grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dialerd.core.identity import ChannelId
from dialerd.core.messages import (
    Event,
    OriginateRefused,
    OriginateWithheld,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)

GRACE = 0.020
PATIENCE = 2.0

_SHOWS = (TryShown, TryRinging, TryAnswered, TryEnded, OriginateRefused, OriginateWithheld)


class Barrier:
    """Waits for originates to show themselves."""

    def __init__(self) -> None:
        self._waiting: set[Wait] = set()

    def saw(self, event: Event) -> None:
        """Note an event; cheap while nobody waits."""
        if self._waiting and isinstance(event, _SHOWS):
            for wait in self._waiting:
                wait.shown(event.channel)

    def expect(self, channels: Iterable[ChannelId], queued: Iterable[Event]) -> Wait:
        """Begin to wait for `channels`; `queued` are events that were noted already but not yet processed."""
        wait = Wait(channels)
        self._waiting.add(wait)
        for event in queued:
            if isinstance(event, _SHOWS):
                wait.shown(event.channel)
        return wait

    def forget(self, wait: Wait | None) -> None:
        """Nobody awaits this any more."""
        if wait is not None:
            self._waiting.discard(wait)

    async def wait_shown(self, wait: Wait) -> int:
        """Return once all its channels have shown themselves, plus the grace; how many had not after 2 s."""
        try:
            async with asyncio.timeout(PATIENCE):
                await wait.all_shown.wait()
        except TimeoutError:
            return len(wait.missing)
        finally:
            self.forget(wait)
        await asyncio.sleep(GRACE)
        return 0


class Wait:
    """The originates one command waits for."""

    def __init__(self, channels: Iterable[ChannelId]) -> None:
        self.missing = set(channels)
        self.all_shown = asyncio.Event()
        if not self.missing:
            self.all_shown.set()

    def shown(self, channel: ChannelId) -> None:
        """One of them has shown itself."""
        self.missing.discard(channel)
        if not self.missing:
            self.all_shown.set()
