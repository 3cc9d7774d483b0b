"""Watches one call's audio from its first moment to its end, and says when it does not run.

It is told of the audio and delays nothing; what is wrong with what it sees, `audio_watch` decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialerd.media.audio_watch import AudioLimits, AudioWatch

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

    @property
    def is_on(self) -> bool:
        """Whether there is anything to watch, so that it must be told of the agent's audio."""
        return self._watch.is_on

    def begin(self) -> None:
        """Callee and agent can hear each other from now on."""
        if self._watch.is_on:
            self._watch.excused(self._loop.time())
            self._timer = self._loop.call_later(LOOK, self._look)

    def hear_agent(self, audio: bytes) -> None:
        """See `dialerd.media.interpreter.Overhearer`."""
        self._watch.spoke(audio, self._loop.time())

    def cut_agent(self) -> None:
        """See `dialerd.media.interpreter.Overhearer`."""
        self._watch.fell_silent(self._loop.time())

    def heard(self, audio: bytes) -> None:
        """20 ms of the callee's audio have come, as mu-law."""
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
