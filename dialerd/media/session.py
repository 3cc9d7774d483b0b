"""One call in a media worker: its conversation, its leg, and the watch over both.

It ends exactly once, with an outcome: finished with the agent's last word, or failed with a reason. A callee who
hears nothing in time was abandoned; a call whose audio breaks was dropped. What the conversation is about, and
how the leg is made, is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from dialerd.core.clock import Millis
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import DialerError, RequestError
from dialerd.core.model import AgentReport, Reason
from dialerd.core.transfer import TransferWish
from dialerd.media.asterisk_ws import CalleeGone, LegListener
from dialerd.media.conversation import Agent, Conversation
from dialerd.media.playout import SILENCE, Notices, Outlet, Playout
from dialerd.media.recorder import RecordedOutlet, Recorder, Sink
from dialerd.media.ringing import RINGING

_log = structlog.get_logger("dialerd.media")


class Leg(Outlet, Protocol):
    """The audio side of a call (`dialerd.media.asterisk_ws.MediaLeg`)."""

    async def open(self) -> None:
        """Connect with the call. Raises `CalleeGone` or `PortError`."""
        ...

    async def close(self) -> None:
        """Take all down. Never raises."""
        ...


LegFactory = Callable[[LegListener, bool], Leg]
"""Makes a call's leg, given who listens to it and whether the callee's audio is wanted."""


@dataclass(frozen=True, slots=True)
class SessionTiming:
    """Limits in seconds."""

    first_audio: float = 2.0
    """From the answer to the first audio; beyond it the call is abandoned."""
    stall: float = 3.0
    """Beyond its own length that a queued text may take to be played."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The conversation is over."""

    report: AgentReport


@dataclass(frozen=True, slots=True)
class Failed:
    """The call lost its audio or its agent; `report` is what was known until then."""

    reason: Reason
    detail: str
    report: AgentReport


Outcome = Finished | Failed


class SessionListener(Protocol):
    """Who is told of a session's progress. Must not wait, must not raise."""

    def on_heard(self) -> None:
        """The first audio of the agent has left."""
        ...

    def on_report(self, report: AgentReport) -> None:
        """What the agent knows so far; a later one replaces it."""
        ...

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        """The agent wants the callee connected with a person; `ask` counts its wishes."""
        ...


class Session:
    """The call `order`, from attach to its end. It is the conversation's stage and the leg's listener.

    `waited` is how many seconds ago the callee answered.
    """

    def __init__(
        self,
        order: AttachAgent,
        agent: Agent,
        make_leg: LegFactory,
        listener: SessionListener,
        *,
        waited: float = 0.0,
        timing: SessionTiming = SessionTiming(),
        record: Callable[[str], Sink | None] | None = None,
    ) -> None:
        """`record` begins a recording of the call, if that can be; None: it is not recorded."""
        self._loop = asyncio.get_running_loop()
        self._order = order
        self._agent = agent
        self._make_leg = make_leg
        self._listener = listener
        self._timing = timing
        self._begun = self._loop.time() - waited
        self._end: asyncio.Future[Outcome] = self._loop.create_future()
        self._conversation: Conversation | None = None
        self._leg: Leg | None = None
        self._playout: Playout | None = None
        self._record = record
        self._recorder: Recorder | None = None
        self._heard = False
        self._asks = 0
        self._holding = False
        """A person is being called for the callee, who hears it ring wherever the agent says nothing."""
        self._muted = False
        """The agent may say nothing meanwhile."""

    async def run(self, tell: Callable[[Outcome], None]) -> None:
        """Hold the call until it ends; `tell` its outcome at once, then take the leg down."""
        limit = self._loop.call_at(self._begun + self._timing.first_audio, self._abandon)
        opening = self._loop.create_task(self._open())
        try:
            tell(await self._end)
        finally:
            limit.cancel()
            if self._playout is not None:
                self._playout.end()
            if self._recorder is not None:
                self._recorder.close()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
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

    def drop(self, detail: str) -> None:
        """The call must go because our side does."""
        self._fail(Reason.DROPPED, detail)

    async def _open(self) -> None:
        try:
            self._conversation = conversation = self._agent.converse(self._order)
        except Exception as error:  # noqa: BLE001 - an agent's bug costs its call, not the worker
            return self._on_broken(error)
        self._leg = leg = self._make_leg(self, conversation.hears or self._record is not None)
        try:
            await leg.open()
        except CalleeGone:
            return self.detach()
        except Exception as error:  # noqa: BLE001 - a bug in one leg costs its call, not the worker
            if not isinstance(error, DialerError):
                _log.error("media.leg_broken", call=self._order.call, exc_info=error)
            return self._fail(Reason.DROPPED, _words(error))
        notices = Notices(
            heard=self._on_heard,
            played=self._on_played,
            silence=self._on_silence,
            stalled=self.on_lost,
            broken=self._on_broken,
        )
        self._playout = Playout(self._recorded(leg), notices, stall=self._timing.stall)
        self._direct(conversation.start, self)

    def _recorded(self, leg: Leg) -> Outlet:
        """The way out for audio, beside which it is recorded if it is to be."""
        sink = self._record(self._order.call) if self._record is not None else None
        if sink is None:
            return leg
        self._recorder = Recorder(sink)
        return RecordedOutlet(leg, self._recorder)

    # --- the stage -----------------------------------------------------------------------------------

    def play(self, number: int, audio: AsyncGenerator[bytes]) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._muted:
            self._playout.play(number, audio)

    def stop(self) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._muted:
            self._playout.stop()
            self._ring()

    def listen(self, number: int, duration: Millis) -> None:
        """See `dialerd.media.conversation.Stage`."""
        if self._playout is not None and not self._muted:
            self._playout.listen(number, duration, RINGING if self._holding else SILENCE)

    def report(self, report: AgentReport) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._listener.on_report(report)

    def escalate(self, wish: TransferWish) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._asks += 1
        self._holding = True
        self._listener.on_escalate(wish, self._asks)
        self._ring()

    def finish(self, report: AgentReport) -> None:
        """See `dialerd.media.conversation.Stage`."""
        self._over(Finished(report))

    # --- the leg and the playout ---------------------------------------------------------------------

    def on_mark(self, number: int) -> None:
        """See `LegListener`."""
        if self._playout is not None and not self._end.done():
            self._playout.on_mark(number)

    def on_key(self, digit: str) -> None:
        """See `LegListener`. A key pressed before the agent has begun to speak is not meant for it."""
        if self._conversation is not None and self._playout is not None and not self._muted:
            self._direct(self._conversation.key_pressed, digit, self._at)

    def on_audio(self, audio: bytes) -> None:
        """See `LegListener`. No conversation of this version hears."""
        if self._recorder is not None:
            self._recorder.hear_callee(audio)

    def on_lost(self, detail: str) -> None:
        """See `LegListener`."""
        self._fail(Reason.DROPPED, detail)

    def _on_heard(self) -> None:
        self._heard = True
        self._listener.on_heard()

    def _on_played(self, number: int) -> None:
        if self._conversation is not None:
            self._direct(self._conversation.played, number, self._at)
            self._ring()

    def _on_silence(self, number: int) -> None:
        if self._conversation is not None:
            self._direct(self._conversation.silence, number, self._at)
            self._ring()

    def _on_broken(self, error: Exception) -> None:
        if not isinstance(error, DialerError):
            _log.error("media.agent_broken", call=self._order.call, exc_info=error)
        self._fail(Reason.ENGINE_FAILED, _words(error))

    def _ring(self) -> None:
        """While a person is being called the callee hears it ring, unless the agent says something."""
        if self._holding and self._playout is not None and not self._end.done():
            self._playout.hold(RINGING)

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
        if not self._heard:
            self._fail(Reason.ABANDONED, f"no agent audio within {self._timing.first_audio:g} s")

    def _fail(self, reason: Reason, detail: str) -> None:
        if not self._end.done():
            self._over(Failed(reason, detail, self._last_word()))

    def _last_word(self) -> AgentReport:
        if self._conversation is None:
            return AgentReport()
        try:
            return self._conversation.close(self._at)
        except Exception as error:  # noqa: BLE001 - even a broken agent must not keep a call from ending
            _log.error("media.agent_broken", call=self._order.call, exc_info=error)
            return AgentReport()

    def _over(self, outcome: Outcome) -> None:
        if not self._end.done():
            self._end.set_result(outcome)


def _words(error: Exception) -> str:
    if isinstance(error, RequestError) and error.faults:
        return "; ".join(f"{fault.loc}: {fault.msg}" for fault in error.faults)
    return str(error) or type(error).__name__
