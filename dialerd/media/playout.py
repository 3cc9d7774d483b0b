"""The agent's audio on its way out: one text or one silence at a time, paced to what Asterisk's queue holds.

It knows when a text was heard to its end and when none of it is being heard any more. What is said is not its
business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from dialerd.core.clock import Millis
from dialerd.media.formats import FRAMES_PER_SECOND, ULAW, Format

FRAME = ULAW.frame
"""Bytes of 20 ms, mu-law at 8 kHz."""
SILENCE = ULAW.silence
MESSAGE = 64_000
"""Bytes of audio in one message, whole frames of every format: Asterisk takes 65,500."""
QUEUE = 800
"""Frames that may wait in Asterisk: it asks for a pause at 900 and drops above 1,000."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A place in a text: `played(number)` follows when everything before it was heard, or was dropped."""

    number: int


class Outlet(Protocol):
    """Where audio goes: the sending side of a media leg."""

    @property
    def is_clear(self) -> bool:
        """Whether audio is taken."""
        ...

    async def wait_clear(self) -> None:
        """Return once audio is taken."""
        ...

    def send(self, audio: bytes) -> None:
        """Queue at most `MESSAGE` bytes of whole frames."""
        ...

    def mark(self, number: int) -> None:
        """Have mark `number` told when all that was sent so far is played."""
        ...

    def flush(self) -> None:
        """Drop what is queued, marks included."""
        ...


@dataclass(frozen=True, slots=True)
class Notices:
    """Whom the playout tells. None of them may wait."""

    heard: Callable[[], None]
    """The first audio of the agent has left."""
    played: Callable[[int], None]
    """The text of this number was heard to its end."""
    silence: Callable[[int], None]
    """The wait of this number is over."""
    stalled: Callable[[str], None]
    """Asterisk takes or plays nothing any more."""
    broken: Callable[[Exception], None]
    """The text could not be rendered or sent."""


class Playout:
    """Plays through `outlet`, in the format `form`; a new text or wait replaces the one before.

    `stall` is in seconds.
    """

    def __init__(self, outlet: Outlet, notices: Notices, *, stall: float, form: Format = ULAW) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        self._notices = notices
        self._stall = stall
        self._form = form
        self._pace = form.bytes_per_second
        self._queue = QUEUE * form.frame
        self._heard = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._marks = 0
        """Marks have numbers of their own, so that one which survives a flush is not taken for a later one."""
        self._cues: dict[int, int] = {}
        """Marks of cues that have not been told, and their numbers."""
        self._listening = False
        self._held = False
        self._awaited: tuple[int, int] | None = None
        """The mark that is awaited, and the text it ends."""
        self._sent = 0
        """Bytes sent since `_since`, from which follows how much of them still waits in Asterisk."""
        self._since = self._loop.time()

    def play(self, number: int, audio: AsyncGenerator[bytes | Cue]) -> None:
        """Send `audio`; `played(number)` follows, and before it that of every cue in it."""
        self.end()
        self._begin(self._play(number, audio))

    def stop(self) -> None:
        """Fall silent at once."""
        self.end()
        self._flush()

    def listen(self, number: int, duration: Millis, background: bytes = b"") -> None:
        """Send silence, since carriers end calls that carry no audio; `silence(number)` follows.

        `background`: whole frames that are sent instead, over and over.
        """
        self.end()
        size = self._form.frame * (duration * FRAMES_PER_SECOND // 1_000)
        sound = background or self._form.silence
        self._begin(self._send((sound * (-(-size // len(sound))))[:size]))
        self._listening = True
        self._held = bool(background)
        self._timer = self._loop.call_later(duration / 1_000, self._tell_silence, number)

    def hold(self, background: bytes) -> None:
        """Send `background`, whole frames, over and over while nothing is said; a wait that is running goes on."""
        if self._held or not self._quiet:
            return
        if self._task is not None:
            self._task.cancel()
        if self._waiting > 0:
            # Silence that was queued for the wait.
            self._flush()
        self._begin(self._repeat(background))
        self._held = True

    @property
    def _quiet(self) -> bool:
        """Whether no text is being sent or awaited."""
        return self._listening or ((self._task is None or self._task.done()) and self._timer is None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is said and nothing awaited."""
        return not self._listening and self._quiet

    def on_mark(self, mark: int) -> None:
        """The outlet has played up to `mark`."""
        cue = self._cues.pop(mark, None)
        if cue is not None:
            return self._notices.played(cue)
        if self._awaited is not None and self._awaited[0] == mark:
            number = self._awaited[1]
            self.end()
            self._notices.played(number)

    def end(self) -> None:
        """Nothing more is sent, awaited or told; what Asterisk holds it still plays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = None
        self._listening = self._held = False
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._notices.broken(error)

    async def _play(self, number: int, audio: AsyncGenerator[bytes | Cue]) -> None:
        if self._waiting > 0:
            # Silence that was queued for a wait must not delay a text.
            self._flush()
        async with contextlib.aclosing(audio):
            async for clip in audio:
                if isinstance(clip, Cue):
                    self._cues[self._mark()] = clip.number
                else:
                    await self._send(clip, is_agent=True)
        self._awaited = (self._mark(), number)
        wait = max(0.0, self._waiting / self._pace) + self._stall
        self._timer = self._loop.call_later(wait, self._tell_stalled, "has played nothing")

    def _mark(self) -> int:
        self._marks += 1
        self._outlet.mark(self._marks)
        return self._marks

    async def _repeat(self, background: bytes) -> None:
        while True:
            await self._send(background)
            # No more than is needed: it must not be in the way of what comes next.
            await asyncio.sleep(max(0.0, self._waiting / self._pace - 0.5))

    async def _send(self, audio: bytes, *, is_agent: bool = False) -> None:
        for start in range(0, len(audio), MESSAGE):
            message = audio[start : start + MESSAGE]
            await self._wait_room(len(message))
            self._outlet.send(message)
            self._sent += len(message)
            if is_agent and not self._heard:
                self._heard = True
                self._notices.heard()

    async def _wait_room(self, size: int) -> None:
        waiting = self._waiting
        if waiting <= 0:
            # The queue has run dry: count anew from here.
            self._since, self._sent = self._loop.time(), 0
        elif waiting + size > self._queue:
            await asyncio.sleep((waiting + size - self._queue) / self._pace)
        if self._outlet.is_clear:
            return
        try:
            async with asyncio.timeout(self._stall):
                await self._outlet.wait_clear()
        except TimeoutError:
            self._tell_stalled("has taken no audio")

    @property
    def _waiting(self) -> float:
        """Bytes that Asterisk has not played yet, as far as the clock tells."""
        return self._sent - (self._loop.time() - self._since) * self._pace

    def _flush(self) -> None:
        self._since, self._sent = self._loop.time(), 0
        self._outlet.flush()
        cues, self._cues = self._cues, {}
        for number in cues.values():
            self._notices.played(number)

    def _tell_silence(self, number: int) -> None:
        self._timer = None
        self._listening = self._held = False
        self._notices.silence(number)

    def _tell_stalled(self, what: str) -> None:
        self._notices.stalled(f"Asterisk {what} for {self._stall:g} s")
