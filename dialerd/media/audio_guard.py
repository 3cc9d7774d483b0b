"""Watches one call's audio from its first moment to its end, and says when it does not run.

It stands in the way out for audio and delays nothing; what is wrong with what it sees, `audio_watch` decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialerd.media.audio_watch import AudioLimits, AudioWatch
from dialerd.media.playout import Outlet

LOOK = 1.0
"""Seconds between two looks."""


class AudioGuard:
    """`failed` is told once what is wrong.

    `hears`: whether the callee's audio comes here. `waits`: whether somebody else is being called for the callee, who
    may be silent meanwhile.
    """

    def __init__(
        self,
        limits: AudioLimits,
        *,
        hears: Callable[[], bool],
        waits: Callable[[], bool],
        failed: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch = AudioWatch(limits, self._loop.time())
        self._hears = hears
        self._waits = waits
        self._failed = failed
        self._timer: asyncio.TimerHandle | None = None

    @property
    def listens(self) -> bool:
        """Whether the callee's audio is needed for it."""
        return self._watch.listens

    def begin(self, outlet: Outlet) -> Outlet:
        """Callee and agent can hear each other from now on; returns the way out that is to be used."""
        if not self._watch.is_on:
            return outlet
        self._watch.excused(self._loop.time())
        self._timer = self._loop.call_later(LOOK, self._look)
        return _GuardedOutlet(outlet, self._watch)

    def heard(self, audio: bytes) -> None:
        """20 ms of the callee's audio have come."""
        self._watch.heard(audio, self._loop.time())

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._loop.time()
        if self._waits():
            self._watch.excused(now)
        fault = self._watch.fault(now, hears=self._hears())
        if fault:
            self._timer = None
            return self._failed(fault)
        self._timer = self._loop.call_at(now + LOOK, self._look)


class _GuardedOutlet:
    """An outlet that the watch is told of."""

    def __init__(self, outlet: Outlet, watch: AudioWatch) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        self._watch = watch

    @property
    def is_clear(self) -> bool:
        """See `Outlet`."""
        return self._outlet.is_clear

    async def wait_clear(self) -> None:
        """See `Outlet`."""
        await self._outlet.wait_clear()

    def send(self, audio: bytes) -> None:
        """See `Outlet`."""
        self._watch.spoke(audio, self._loop.time())
        self._outlet.send(audio)

    def mark(self, number: int) -> None:
        """See `Outlet`."""
        self._outlet.mark(number)

    def flush(self) -> None:
        """See `Outlet`."""
        self._watch.fell_silent(self._loop.time())
        self._outlet.flush()
