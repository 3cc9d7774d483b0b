"""One call in a media worker: its conversation, its leg, and the watch over both.

It ends exactly once, with an outcome: finished with the agent's last word, or failed with a reason. A callee who
hears nothing in time was abandoned; a call whose audio breaks was dropped. What the conversation is about, and
how the leg is made, is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import DialerError, PortError
from dialerd.core.identity import ChannelId
from dialerd.core.model import AgentReport, AnsweredBy
from dialerd.core.transfer import TransferWish
from dialerd.media.answer_care import AnswerCare
from dialerd.media.asterisk_ws import CalleeGone
from dialerd.media.audio_guard import AudioGuard
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.cast import Agents, Cast, in_words
from dialerd.media.conversation import (
    Conversation,
    DirectConversation,
    Pausing,
    Resumable,
)
from dialerd.media.formats import ULAW
from dialerd.media.interpreter import Interpreter, OverheardOutlet, Overhearer
from dialerd.media.leg import Leg, LegFactory
from dialerd.media.outcome import Failed, Finished, Outcome, SessionListener
from dialerd.media.playout import Cue, Notices, Outlet, Playout
from dialerd.media.recorder import Recorder, Sink

_log = structlog.get_logger("dialerd.media")


@dataclass(frozen=True, slots=True)
class SessionTiming:
    """Limits in seconds."""

    first_audio: float = 2.0
    """From the answer to the first audio, pauses that the agent means aside; beyond it the call is abandoned."""
    stall: float = 3.0
    """Beyond its own length that a queued text may take to be played."""
    audio: AudioLimits = AudioLimits()


MESSAGE = -1
"""The number of what is left on an answering machine; agents count theirs from 0."""


class Session:
    """The call `order`, from attach to its end. It is the conversation's stage, the leg's listener, and
    what `AnswerCare` acts on.

    `waited` is how many seconds ago the callee answered.
    """

    def __init__(
        self,
        order: AttachAgent,
        agents: Agents,
        make_leg: LegFactory,
        listener: SessionListener,
        *,
        waited: float = 0.0,
        timing: SessionTiming = SessionTiming(),
        record: Callable[[str], Sink | None] | None = None,
        amd: Callable[[ChannelId], Awaitable[tuple[AnsweredBy, str] | None]] | None = None,
    ) -> None:
        """`record` begins a recording of the call, if that can be; None: it is not recorded.

        `amd` tells who has answered in Asterisk's own opinion; None: it is not asked.
        """
        self._loop = asyncio.get_running_loop()
        self._order = order
        self._cast = Cast(order, agents, listener.on_stood_in)
        self._change: asyncio.Task[None] | None = None
        """Another agent is taking the call."""
        self._make_leg = make_leg
        self._listener = listener
        self._timing = timing
        self._begun = self._loop.time() - waited
        self._end: asyncio.Future[Outcome] = self._loop.create_future()
        self._conversation: Conversation | None = None
        """Set once it has begun."""
        self._leg: Leg | None = None
        self._interpreter = Interpreter(ULAW)
        self._playout: Playout | None = None
        self._record = record
        self._recorder: Recorder | None = None
        self._heard = False
        self._limit: asyncio.TimerHandle | None = None
        """When a callee who has heard nothing is abandoned."""
        self._asks = 0
        self._holding = False
        """A person is being called for the callee, who hears it ring wherever the agent says nothing."""
        self._muted = False
        """The agent may say nothing meanwhile."""
        self._hushed = False
        """The agent says nothing to a machine that is about to record."""
        self._hears_on = False
        """It listens all the same, for words that only a person says."""
        opinion = (lambda: amd(order.channel)) if amd is not None else None
        self._answer = AnswerCare(order.on_machine, self, lambda: self._at, opinion)
        self._audio = AudioGuard(
            timing.audio,
            hears=lambda: self._hears,
            waits=lambda: self._holding,
            failed=self._on_audio_fault,
        )

    @property
    def is_over(self) -> bool:
        """Whether its outcome is known."""
        return self._end.done()

    @property
    def heard(self) -> bool:
        """Whether the callee has heard somebody."""
        return self._heard

    @property
    def engine(self) -> str:
        """The engine of whoever has the call."""
        return self._cast.engine

    async def run(self, tell: Callable[[Outcome], None]) -> None:
        """Hold the call until it ends; `tell` its outcome at once, then take the leg down."""
        self._limit = self._loop.call_at(self._begun + self._timing.first_audio, self._abandon)
        opening = self._loop.create_task(self._open())
        try:
            tell(await self._end)
        finally:
            self._limit.cancel()
            self._audio.close()
            self._cast.part(self._at)
            if self._playout is not None:
                self._playout.end()
            if self._recorder is not None:
                self._recorder.close()
            parts = [part for part in (opening, self._change) if part is not None]
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await self._answer.close()
            if self._leg is not None:
                await self._leg.close()

    def detach(self) -> None:
        """The call is over on Asterisk's side, or must go: the agent's last word."""
        self._over(Finished(self._last_word()))

    def hold(self, *, warm: bool) -> None:
        """Somebody else has asked for a transfer. `warm`: the agent goes on talking; else it falls silent at once.

        Before its first sound it does not: a callee who hears nothing is abandoned.
        """
        self._holding = True
        if not warm and self._heard and self._playout is not None:
            self._muted = True
            self._playout.stop()
        self._ring()

    def transfer_failed(self, reason: str) -> None:
        """Nobody was connected: the agent goes on."""
        self._holding = self._muted = False
        if self._playout is not None and self._conversation is not None:
            self._playout.stop()
            self._direct(self._conversation.transfer_failed, reason, self._at)

    def callback_unmet(self, asked: Instant, unmet: Unmet) -> None:
        """The callee cannot be called back at the time it asked for: the agent may ask for another one."""
        if self._conversation is not None:
            self._direct(self._conversation.callback_unmet, asked, unmet, self._at)

    def redirect(self, instructions: Mapping[str, Any]) -> None:
        """Somebody wants the conversation to go on otherwise; one that cannot, goes on as it was."""
        self._direct(self._cast.redirect, instructions)

    def drop(self, detail: str) -> None:
        """The call must go because our side does."""
        self._fail(Reason.DROPPED, detail)

    async def _open(self) -> None:
        try:
            self._cast.ask()
        except Exception as error:  # noqa: BLE001 - an agent's bug costs its call, not the worker
            return self._on_broken(error)
        if isinstance(self._cast.conversation, DirectConversation) and await self._go_direct():
            return
        self._leg = self._make_leg(self, self._hears)
        # Both take their time: side by side.
        taking = self._loop.create_task(self._cast.take())
        try:
            if await self._open_leg(self._leg):
                await self._begin(taking)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    @property
    def _hears(self) -> bool:
        """Whether the callee's audio is wanted."""
        wanted = self._cast.hears or self._answer.listens or self._record is not None
        return wanted or self._audio.listens

    async def _go_direct(self) -> bool:
        """Let Asterisk connect callee and engine; False: it cannot, and somebody else is to take the call."""
        conversation = self._cast.conversation
        if not isinstance(conversation, DirectConversation):
            return False
        # What another engine's call was prepared with stands in its way.
        await self._vacate(self._make_leg(self, False))
        leg: Leg = conversation.leg
        self._leg = leg
        try:
            await leg.open()
        except CalleeGone:
            self.detach()
        except PortError as error:
            if not self._cast.has_more:
                self._fail(Reason.ENGINE_FAILED, str(error))
                return True
            await self._vacate(leg)
            self._leg = None
            self._cast.drop(str(error), self._at)
            try:
                self._cast.ask()
            except Exception as broken:  # noqa: BLE001 - as in `_open`
                self._on_broken(broken)
                return True
            return False
        else:
            self._conversation = conversation
            # Nothing is seen of its audio.
            self._on_heard()
            self._answer.ask_asterisk()
            self._direct(conversation.start, self)
        return True

    async def _vacate(self, leg: Leg) -> None:
        """Make room for another leg. What stays of this one hinders that one, which fails by name."""
        try:
            await leg.vacate()
        except PortError as error:
            _log.info("media.not_vacated", call=self._order.call, detail=str(error))

    async def _open_leg(self, leg: Leg) -> bool:
        """Whether the callee can hear; if not, the call is over."""
        # Before it is open: the callee may be heard first.
        self._interpreter = Interpreter(leg.form)
        try:
            await leg.open()
        except CalleeGone:
            self.detach()
            return False
        except Exception as error:  # noqa: BLE001 - a bug in one leg costs its call, not the worker
            if not isinstance(error, DialerError):
                _log.error("media.leg_broken", call=self._order.call, exc_info=error)
            self._fail(Reason.DROPPED, in_words(error))
            return False
        notices = Notices(
            heard=self._on_heard,
            played=self._on_played,
            silence=self._on_silence,
            stalled=self.on_lost,
            broken=self._on_broken,
        )
        outlet = self._overheard(leg)
        self._playout = Playout(outlet, notices, stall=self._timing.stall, form=leg.form)
        self._answer.ask_asterisk()
        return True

    async def _begin(self, taking: Awaitable[Conversation]) -> None:
        """Let whoever takes the call begin."""
        try:
            conversation = await taking
        except Exception as error:  # noqa: BLE001 - as above
            return self._on_broken(error)
        self._conversation = conversation
        self._interpreter.begin(conversation)
        self._direct(conversation.start, self)

    def _overheard(self, leg: Leg) -> Outlet:
        """The way out for audio, beside which it is watched, and recorded if it is to be."""
        self._audio.begin()
        overhearers: list[Overhearer] = [self._audio] if self._audio.is_on else []
        sink = self._record(self._order.call) if self._record is not None else None
        if sink is not None:
            self._recorder = Recorder(sink)
            overhearers.append(self._recorder)
        return OverheardOutlet(leg, leg.form, *overhearers) if overhearers else leg

    # --- the stage -----------------------------------------------------------------------------------

    def play(self, number: int, audio: AsyncGenerator[bytes | Cue]) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._silent:
            self._playout.play(number, self._interpreter.said(audio))

    def stop(self) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._silent:
            self._playout.stop()
            self._ring()

    def listen(self, number: int, duration: Millis) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._silent:
            self._playout.listen(number, duration, self._interpreter.ringing() if self._holding else b"")

    def report(self, report: AgentReport) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._listener.on_report(report)

    def escalate(self, wish: TransferWish) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._asks += 1
        self._holding = True
        self._listener.on_escalate(wish, self._asks)
        self._ring()

    def spoken(self, *, understood: bool) -> bool:
        """See `dialerd.media.conversation.Stage`."""
        if understood:
            self._answer.understood()
        return not self._silent

    @property
    def _silent(self) -> bool:
        """Whether nothing that the agent says would be heard."""
        return self._muted or self._hushed

    def finish(self, report: AgentReport) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._over(Finished(report, unheard=not self._heard))

    def fail(self, detail: str) -> None:
        """See `dialerd.media.conversation.Stage`. Who was heard already is not replaced."""
        if self._end.done():
            return
        if self._heard or not self._cast.has_more or self._playout is None:
            return self._fail(Reason.ENGINE_FAILED, detail)
        self._conversation = None
        self._playout.stop()
        self._cast.drop(detail, self._at)
        self._change = self._loop.create_task(self._begin(self._cast.take()))

    # --- the leg and the playout ---------------------------------------------------------------------

    def on_mark(self, number: int) -> None:
        """See `LegListener`."""
        if self._playout is not None and not self._end.done():
            self._playout.on_mark(number)

    def on_key(self, digit: str) -> None:
        """See `LegListener`. A key pressed before the agent has begun to speak is not meant for it."""
        self._answer.key_pressed()
        if self._conversation is not None and self._playout is not None and not self._silent:
            self._direct(self._conversation.key_pressed, digit, self._at)

    def on_audio(self, audio: bytes) -> None:
        """See `LegListener`."""
        plain = self._interpreter.plain(audio)
        if self._recorder is not None:
            self._recorder.hear_callee(plain)
        self._audio.heard(plain)
        if self._answer.listens:
            self._answer.hear(plain)
            if not self._hears and self._leg is not None:
                self._leg.deafen()
        listens = not self._muted and (not self._hushed or self._hears_on)
        if self._conversation is not None and self._conversation.hears and listens:
            self._direct(self._conversation.heard, self._interpreter.heard(audio, plain), self._at)

    def on_lost(self, detail: str) -> None:
        """See `LegListener`."""
        self._fail(Reason.DROPPED, detail)

    def _on_audio_fault(self, detail: str) -> None:
        if not self._end.done():
            _log.warning("media.no_audio", call=self._order.call, detail=detail)
            self._fail(Reason.DROPPED, detail)

    def _on_heard(self) -> None:
        self._heard = True
        self._listener.on_heard()

    def _on_played(self, number: int) -> None:
        if number == MESSAGE:
            self._answer.message_played()
        elif self._conversation is not None:
            self._direct(self._conversation.played, number, self._at)
            self._ring()

    def _on_silence(self, number: int) -> None:
        if self._conversation is not None:
            self._direct(self._conversation.silence, number, self._at)
            self._ring()

    def _on_broken(self, error: Exception) -> None:
        if not isinstance(error, DialerError):
            _log.error("media.agent_broken", call=self._order.call, exc_info=error)
        self.fail(in_words(error))

    def _ring(self) -> None:
        """While a person is being called the callee hears it ring, unless the agent says something."""
        if self._holding and self._playout is not None and not self._end.done():
            self._playout.hold(self._interpreter.ringing())

    # --- who has answered ----------------------------------------------------------------------------

    def judge(self, answer: AnsweredBy, why: str) -> None:
        """See `AnsweredCall`."""
        self._listener.on_judged(answer, why)

    def hush(self) -> None:
        """See `AnsweredCall`."""
        self._hushed = True
        self._hears_on = isinstance(self._conversation, Resumable) and self._conversation.knows_words
        self._quieten()

    def go_on(self) -> None:
        """See `AnsweredCall`. Who has shown to be a person by an answer is answered first."""
        self._hushed = False
        self._quieten()
        self._loop.call_soon(self._resume)

    def leave(self, *, message_left: bool) -> None:
        """See `AnsweredCall`."""
        if message_left:
            self._listener.on_message_left()
        self.detach()

    def _quieten(self) -> None:
        if self._playout is not None:
            self._playout.stop()
            self._ring()

    def _resume(self) -> None:
        """Have the agent go on that was silenced, unless it says something already."""
        waits = self._playout is not None and self._playout.is_idle and not self._silent
        if waits and isinstance(self._conversation, Resumable):
            self._direct(self._conversation.resume, self._at)

    def leave_message(self) -> None:
        """See `AnsweredCall`."""
        message = self._conversation.message() if self._conversation is not None else None
        if message is None or self._playout is None:
            self.detach()
        else:
            self._playout.play(MESSAGE, self._interpreter.said(message))

    # --- the end -------------------------------------------------------------------------------------

    @property
    def _at(self) -> Millis:
        return Millis(round((self._loop.time() - self._begun) * 1_000))

    def _direct(self, method: Callable[..., None], *arguments: object) -> None:
        """Tell the conversation something. Its bug costs its call, not the worker."""
        if self._end.done():
            return
        try:
            method(*arguments)
        except Exception as error:  # noqa: BLE001
            self._on_broken(error)

    def _abandon(self) -> None:
        if self._heard or self._end.done():
            return
        who, patience = self._cast.conversation, self._timing.first_audio
        meant = who.meant_silence if isinstance(who, Pausing) else 0.0
        due = self._begun + patience + meant
        if due > self._loop.time():
            self._limit = self._loop.call_at(due, self._abandon)
        else:
            beside = f" beside {meant:g} s of pauses" if meant else ""
            self._fail(Reason.ABANDONED, f"no agent audio within {patience:g} s{beside}")

    def _fail(self, reason: Reason, detail: str) -> None:
        if not self._end.done():
            self._over(Failed(reason, detail, self._last_word(), unheard=not self._heard))

    def _last_word(self) -> AgentReport:
        return self._cast.part(self._at)

    def _over(self, outcome: Outcome) -> None:
        if not self._end.done():
            self._end.set_result(outcome)
