"""What happens, told to whoever listens: a bounded memory of events, and a bounded queue for each listener.

A listener that is too slow loses its place, never the engine its time: it is told so and begins again where it was.
Nothing is durable here; ids of another run of the daemon are not known any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.effects import Announce
from dialerd.core.record import record
from dialerd.ports import Clock

KEPT = 4_096
"""Events that a listener can come back to."""
BEHIND = 1_024
"""Events that may wait for a listener."""
_NAMES = {"call": "call_id", "campaign": "campaign_id"}


@record
class Happening:
    """An event as it is told. `id` None: it is of this moment only, and nothing to come back to."""

    id: str | None
    kind: str
    at: Instant
    data: dict[str, Any]

    @property
    def campaign(self) -> str | None:
        """The campaign it concerns."""
        return self.data.get("campaign_id")


class Listener:
    """Events in their order, from where the listener was."""

    def __init__(self, campaign: str | None) -> None:
        self._campaign = campaign
        self._waiting: asyncio.Queue[Happening | None] = asyncio.Queue()
        self._over = False

    async def next(self, patience: float) -> Happening | None:
        """The next event, None if none comes within `patience` seconds. Raises `StopAsyncIteration` at the end."""
        try:
            if self._waiting.empty():
                async with asyncio.timeout(patience):
                    found = await self._waiting.get()
            else:
                found = self._waiting.get_nowait()
        except TimeoutError:
            return None
        if found is None:
            raise StopAsyncIteration
        return found

    def tell(self, happening: Happening) -> None:
        """Put an event behind those that wait; one too many ends the listening."""
        if self._over or self._campaign not in (None, happening.campaign):
            return
        if self._waiting.qsize() >= BEHIND:
            self.end()
        else:
            self._waiting.put_nowait(happening)

    def end(self) -> None:
        """No more events come; those that wait are told still."""
        if not self._over:
            self._over = True
            self._waiting.put_nowait(None)


class Feed:
    """All that is announced, with ids in their order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = f"{clock.now().wall:x}"
        self._count = 0
        self._kept: deque[Happening] = deque(maxlen=KEPT)
        self._listeners: set[Listener] = set()
        self._closed = False

    def hear(self, announcement: Announce) -> None:
        """Something has happened. Never blocks, never raises."""
        self._count += 1
        named = {_NAMES.get(key, key): value for key, value in announcement.fields.items()}
        data = named | dict(announcement.personal or {})
        ident = f"{self._run}-{self._count:x}"
        happening = Happening(ident, announcement.kind, self._clock.now().wall, data)
        self._kept.append(happening)
        for listener in self._listeners:
            listener.tell(happening)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextmanager
    def listen(self, campaign: str | None = None, after: str | None = None) -> Iterator[Listener]:
        """Listen from now on, or from behind the event `after`; events of `campaign` alone, if one is named.

        Where that event is not known any more the first thing told is `feed.gap`.
        """
        listener = Listener(campaign)
        if after is not None:
            for happening in self._since(after, campaign):
                listener.tell(happening)
        if self._closed:
            listener.end()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every listening: an open stream would keep a server from closing."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    def _since(self, after: str, campaign: str | None) -> list[Happening]:
        run, _, number = after.partition("-")
        count = -1
        with suppress(ValueError):
            count = int(number, 16)
        first = self._count - len(self._kept)
        if run != self._run or not first <= count <= self._count:
            gap = {"campaign_id": campaign, "detail": f"events behind {after[:40]} are not known any more"}
            return [Happening(None, "feed.gap", self._clock.now().wall, gap)]
        return list(self._kept)[count - first :]
