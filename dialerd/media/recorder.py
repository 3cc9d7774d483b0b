"""Records one call: listens beside it, on the clock of its loop, and hands the audio to the disk second by second.

It hears what is sent to Asterisk and what comes from there; it delays neither, and its end is nobody's but the call's.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from dialerd.media.tracks import RATE, Tracks

STEP = 1.0
"""Seconds between two parts."""
MARGIN = 0.5
"""Seconds for which audio may still come late, and be flushed."""


class Sink(Protocol):
    """Where it goes (`dialerd.media.recordings.Recording`)."""

    def write(self, audio: bytes) -> None:
        """Append audio; must not wait."""
        ...

    def finish(self) -> None:
        """All is said."""
        ...


class Recorder:
    """A recording that begins now and lasts until `close`."""

    def __init__(self, sink: Sink) -> None:
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._begun = self._loop.time()
        self._tracks = Tracks()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(STEP, self._step)

    def hear_callee(self, audio: bytes) -> None:
        """The callee's audio has arrived."""
        self._tracks.hear_callee(self._now, audio)

    def hear_agent(self, audio: bytes) -> None:
        """The agent's audio is being sent."""
        self._tracks.hear_agent(self._now, audio)

    def cut_agent(self) -> None:
        """The agent falls silent."""
        self._tracks.cut_agent(self._now)

    def close(self) -> None:
        """The call, or the agent's part of it, is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._sink.write(self._tracks.take(self._now))
            self._sink.finish()

    def _step(self) -> None:
        self._sink.write(self._tracks.take(self._now - round(MARGIN * RATE)))
        self._timer = self._loop.call_later(STEP, self._step)

    @property
    def _now(self) -> int:
        return round((self._loop.time() - self._begun) * RATE)
