"""A conversation that an engine holds over a stream of audio: the same for every protocol that carries one.

The engine sends audio in pieces of any size and as fast as it likes; it is kept here, bounded, and handed to the call
in whole frames. The other way nothing is ever kept: a reader of media must not wait for an engine. What an engine does
wrong costs its call a named reason, never the worker.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import structlog

from dialerd.core.clock import Instant, Millis, to_iso
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.core.model import AgentReport
from dialerd.media import words
from dialerd.media.account import Account
from dialerd.media.conversation import Stage
from dialerd.media.cushion import Cushion
from dialerd.media.formats import FRAMES_PER_SECOND, ULAW, Format
from dialerd.media.playout import Cue
from dialerd.media.remote import Seat

KEPT = 120
"""Seconds of audio that are kept for one call; what an engine sends beyond is dropped, and counted."""
MOST_MARKS = 1_000
MOST_TOLD = 20
"""Mistakes of an engine in one call that are told one by one in the log."""
MESSAGE = 50
"""Frames handed on at a time."""
LINGER = 0.3
"""Seconds without audio after which the engine counts as silent."""
REST = Millis(10_000)
"""Of silence at a time: carriers end calls that carry no audio."""
BRIEF = Millis(200)
"""Of silence after what was taken back: an engine that does so over and over has none sent for nothing."""
GRACE = 0.06
"""Seconds in which the rest of a frame may come."""
TELLING = 0.25
"""Seconds between two reports of a call at least: an engine that says much keeps no other call's word waiting."""

_log = structlog.get_logger("dialerd.media")


class StreamTalk(ABC):
    """What does not depend on the protocol. A kind of engine sends (`send_…`), and tells what it gets (`take_…`).

    All of its audio is in the format `form`.
    """

    hears = True

    def __init__(self, order: AttachAgent, seat: Seat, form: Format = ULAW) -> None:
        self.form = form
        self.order = order
        self.seat = seat
        self._stage: Stage | None = None
        self._known = Account(order.labels)
        self._told = AgentReport()
        """What was reported last."""
        self._refused: tuple[Instant, Unmet] | None = None
        """A time for a callback that cannot be."""
        self._mistakes = 0
        """Messages of the engine's that were wrong."""
        self._telling: asyncio.TimerHandle | None = None
        """Runs while nothing more is to be reported yet."""
        self._kept: deque[bytes | Cue] = deque()
        self._size = 0
        self._dropped = 0
        """Bytes of the engine's audio."""
        self._partial = b""
        self._marks: dict[int, str] = {}
        """Marks that the engine waits for, by the numbers of their cues."""
        self._number = 0
        self._playing: int | None = None
        """The text in which what comes is heard."""
        self._said = False
        """Whether the engine has sent any audio."""
        self._cushion = Cushion()
        self._waker: asyncio.Future[bool] | None = None
        """Waits for something to play."""
        self._over = False
        """It ends when everything that was sent is played."""
        self._fault = ""
        self._closed = False
        self._waiting: list[tuple[words.TransferWords | None, str | None]] = []
        """What it wanted before the callee could hear."""

    # --- for the kind to make -----------------------------------------------------------------------

    @abstractmethod
    def send_audio(self, audio: bytes) -> None:
        """20 ms of the callee's audio, in the talk's format."""

    @abstractmethod
    def send_key(self, digit: str) -> None:
        """The callee pressed a key."""

    def send_mark(self, name: str) -> None:  # noqa: B027 - not every protocol has marks
        """What was sent before this mark was played, or dropped."""

    def send_words(self, message: Mapping[str, Any]) -> None:  # noqa: B027 - not every protocol has words
        """Something of ours that the engine may want to know."""

    @abstractmethod
    def part(self) -> None:
        """The call is over: let the connection go."""

    # --- the conversation ---------------------------------------------------------------------------

    def start(self, stage: Stage) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        self._stage = stage
        if self._fault:
            return stage.fail(self._fault)
        plays = bool(self._kept or self._partial)
        if plays:
            self._play()
        elif not self._over:
            self._rest()
        waiting, self._waiting = self._waiting, []
        for wanted in waiting:
            self._heed(stage, *wanted)
        if self._over and not plays:
            stage.finish(self._known.report)

    def heard(self, audio: bytes, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        if not self._closed:
            self.send_audio(audio)

    def key_pressed(self, digit: str, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        if not self._closed:
            self.send_key(digit)

    def played(self, number: int, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        name = self._marks.pop(number, None)
        if name is not None:
            if not self._closed:
                self.send_mark(name)
        elif number == self._playing:
            self._playing = None
            self._settle()

    def silence(self, number: int, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        if self._playing is None:
            self._rest()

    def transfer_failed(self, reason: str, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        self._drop()
        if not self._closed:
            self.send_words({"transfer_failed": reason})

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        self._refused = asked, unmet
        if not self._closed:
            times = {"asked": asked, "next": unmet.next, "latest": unmet.latest}
            told = {name: to_iso(time) for name, time in times.items()}
            self.send_words({"callback_unmet": {**told, "detail": unmet.detail}})

    knows_words = False
    """See `dialerd.media.conversation.Resumable`."""

    def resume(self, at: Millis) -> None:
        """See `dialerd.media.conversation.Resumable`. What it says from here on is heard."""
        self._drop()

    def message(self) -> AsyncGenerator[bytes] | None:
        """See `dialerd.media.conversation.Conversation`. What the engine would leave is not known here."""
        return None

    def close(self, at: Millis) -> AgentReport:
        """See `dialerd.media.conversation.Conversation`."""
        if not self._closed:
            self._closed = True
            self.part()
        if self._telling is not None:
            self._telling.cancel()
        self.seat.leave()
        if self._mistakes > MOST_TOLD:
            _log.warning(
                "engine.misspoke",
                call=self.order.call,
                engine=self.order.engine,
                detail=f"{self._mistakes:,} messages in all",
            )
        if self._dropped:
            _log.warning(
                "engine.flooded",
                call=self.order.call,
                engine=self.order.engine,
                dropped_seconds=round(self._dropped / self.form.bytes_per_second, 1),
            )
        return self._known.report

    # --- what the engine does -----------------------------------------------------------------------

    def take_audio(self, audio: bytes) -> None:
        """Audio for the callee, in the talk's format, of any length."""
        if not audio or self._over or self._closed:
            return
        if not self._said:
            self._said = True
            self.seat.taken()
        room = KEPT * self.form.bytes_per_second - self._size
        self._dropped += max(0, len(audio) - room)
        audio = audio[: max(0, room)]
        if audio:
            self._kept.append(audio)
            self._size += len(audio)
            self._go_on()

    def take_mark(self, name: str) -> None:
        """The engine wants to know when what it has sent so far was played."""
        if len(self._marks) >= MOST_MARKS:
            return self.take_fault(f"it waits for {MOST_MARKS} marks at a time")
        if self._playing is None and not self._kept and not self._partial:
            return self.send_mark(name)
        self._number += 1
        self._marks[self._number] = name
        self._kept.append(Cue(self._number))
        self._go_on()

    def take_clear(self) -> None:
        """The engine takes back what was not played yet; nothing: nothing happens."""
        if self._playing is not None or self._kept or self._partial:
            self._drop()

    def begin_anew(self) -> None:
        """Somebody else is to talk: nothing of what was said is played, or ends the conversation, any more."""
        self._over = False
        self._waiting = [(transfer, None) for transfer, _ in self._waiting]
        self._drop()

    def forget_marks(self) -> None:
        """Nobody waits any more for what was said so far."""
        self._marks.clear()

    def _drop(self) -> None:
        self._kept.clear()
        self._size, self._partial = 0, b""
        self._playing = None
        if self._stage is not None:
            self._stage.stop()
        names = list(self._marks.values())
        self._marks.clear()
        for name in names:
            self.send_mark(name)
        if self._over:
            self._settle()
        else:
            self._rest(BRIEF)

    def take_words(self, message: Mapping[str, Any]) -> None:
        """What the engine says of the call (`dialerd.media.words`)."""
        try:
            said, faults = self._known.take(message)
        except words.Refused as error:
            return self._object(error.faults)
        if faults:
            self._object(faults)
        if (
            said.callback_at is not None
            and self._refused
            and self._known.report.callback_at == self._refused[0]
        ):
            # It is known already, and nobody will say it again.
            self.callback_unmet(*self._refused, Millis(0))
        wanted = said.transfer, said.hangup
        if self._stage is not None:
            self._heed(self._stage, *wanted)
        elif len(self._waiting) < 100:
            self._waiting.append(wanted)

    def _heed(self, stage: Stage, transfer: words.TransferWords | None, hangup: str | None) -> None:
        if transfer is not None:
            # The person is told what was learned before.
            self._report()
            stage.escalate(transfer.wish)
        elif self._telling is None:
            self._report()
        if hangup == "now":
            stage.finish(self._known.report)
        elif hangup == "when_played":
            self.finish()

    def _object(self, faults: list[dict[str, str]]) -> None:
        self._mistakes += 1
        if self._mistakes <= MOST_TOLD:
            detail = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in faults)
            _log.warning("engine.misspoke", call=self.order.call, engine=self.order.engine, detail=detail)
        self.send_words({"errors": faults})

    def _report(self) -> None:
        """Tell what is known, if it was not told; what comes soon after is told together."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        report = self._known.report
        if self._stage is None or self._closed or report == self._told:
            return
        self._told = report
        self._telling = asyncio.get_running_loop().call_later(TELLING, self._report)
        self._stage.report(report)

    def finish(self) -> None:
        """The conversation is over as soon as everything that was said is played."""
        if not self._closed:
            self._over = True
            self._go_on()
            self._settle()

    @property
    def has_spoken(self) -> bool:
        """Whether the engine has sent any audio."""
        return self._said

    def take_fault(self, detail: str) -> None:
        """The engine has done what it must not, or is gone."""
        if self._closed or self._fault:
            return
        self._fault = f"engine {self.order.engine}: {detail}"
        self.seat.failed(detail)
        if self._stage is not None:
            self._stage.fail(self._fault)

    @property
    def fault(self) -> PortError | None:
        """What went wrong before the conversation has begun."""
        return PortError(self._fault, retryable=True) if self._fault else None

    # --- the audio ----------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(True)
        if self._playing is None and self._stage is not None and (self._kept or self._partial):
            self._play()

    def _settle(self) -> None:
        """Everything is played, or dropped."""
        if self._stage is None or self._playing is not None:
            return
        if self._kept or self._partial:
            self._play()
        elif self._over:
            self._stage.finish(self._known.report)
        else:
            self._rest()

    def _rest(self, duration: Millis = REST) -> None:
        if self._stage is not None and not self._closed:
            self._number += 1
            self._stage.listen(self._number, duration)

    def _play(self) -> None:
        if self._stage is not None:
            self._number += 1
            self._playing = self._number
            self._stage.play(self._number, self._live())

    async def _live(self) -> AsyncGenerator[bytes | Cue]:
        """What the engine says, until it says nothing for a while."""
        loop = asyncio.get_running_loop()
        pace = self.form.bytes_per_second
        dry_at = 0.0
        while True:
            item = self._next()
            if item is None:
                ends = dry_at + LINGER
                left = loop.time() + GRACE if self._partial else ends
                if self._over and not self._partial:
                    return
                if await self._wait(left - loop.time()):
                    continue
                if not self._partial:
                    self._cushion.settle()
                    return
                item = self._padded()
            if isinstance(item, bytes):
                now = loop.time()
                if now >= dry_at:
                    if dry_at:
                        # It is within its speech, and late.
                        self._cushion.grow()
                    dry_at = now
                    missing = self._cushion.size - len(item) // self.form.frame
                    if missing > 0:
                        yield self.form.silence * missing
                        dry_at += missing / FRAMES_PER_SECOND
                dry_at += len(item) / pace
            yield item

    async def _wait(self, seconds: float) -> bool:
        """Whether more has come in time."""
        if seconds <= 0:
            return False
        # Fifty times a second for each call: a timeout's context costs more than all the rest.
        loop = asyncio.get_running_loop()
        self._waker = waker = loop.create_future()
        timer = loop.call_later(seconds, _give_up, waker)
        try:
            more: bool = await waker
            return more
        finally:
            timer.cancel()
            self._waker = None

    def _next(self) -> bytes | Cue | None:
        """The next frames, or the next mark; None: there is no whole frame."""
        gathered = [self._partial]
        size = len(self._partial)
        while self._kept and size < MESSAGE * self.form.frame:
            piece = self._kept[0]
            if isinstance(piece, Cue):
                break
            self._kept.popleft()
            gathered.append(piece)
            size += len(piece)
            self._size -= len(piece)
        audio = b"".join(gathered)
        whole = len(audio) - len(audio) % self.form.frame
        self._partial = audio[whole:]
        if whole:
            return audio[:whole]
        if self._kept and isinstance(self._kept[0], Cue):
            if self._partial:
                return self._padded()
            return self._kept.popleft()
        return None

    def _padded(self) -> bytes:
        """The rest of a frame, made whole by silence."""
        rest, self._partial = self._partial, b""
        return rest + self.form.silence[len(rest) :]


def _give_up(waker: asyncio.Future[bool]) -> None:
    if not waker.done():
        waker.set_result(False)
