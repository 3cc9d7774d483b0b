"""The media worker: the process that carries the calls' audio.

It serves one daemon at a time over its socket, the newest. When the daemon is gone it goes on with its calls and
waits for the next one; if none comes in time, it hangs up and ends. It decides nothing about a call but what its
agent says; it dials nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from dialerd.core import model
from dialerd.core.clock import Millis
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent, PrepareMedia
from dialerd.core.identity import CallId, ChannelId
from dialerd.core.model import AgentReport
from dialerd.media import rendezvous, wire
from dialerd.media.amd import judge
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.call_voice import CallVoice
from dialerd.media.conversation import Agent
from dialerd.media.outbox import KEPT, Outbox
from dialerd.media.outbox import Kept as Letter
from dialerd.media.outcome import Failed, Finished, Outcome
from dialerd.media.preparation import Preparation
from dialerd.media.rack import EngineRack
from dialerd.media.readiness import Readiness, fault_of
from dialerd.media.reception import Reception
from dialerd.media.recordings import PARTS, Kept, Lost, Recording, RecordingWriter
from dialerd.media.remote import Kind
from dialerd.media.ringing_legs import RingingLegs
from dialerd.media.session import Session, SessionTiming
from dialerd.media.vigil import Vigil

MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes a daemon may leave unread before it counts as dead."""
END_DEADLINE = 5.0
Direction = wire.Redirect | wire.Detach | wire.Hold | wire.TransferFailed | wire.CallbackUnmet
"""What a call's session is told."""

_log = structlog.get_logger("dialerd.media")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works. Durations in seconds."""

    socket: Path
    sessions: int
    """Until the daemon says something else; so is the audio's part of `timing`."""
    number: int = 1
    """Which of several workers it is."""
    grace: float = 10.0
    """How long it waits for a daemon, with its calls, before it ends."""
    retry: float = 1.0
    """Between attempts to get ready, at first; each failure doubles it."""
    longest_retry: float = 10.0
    longest_ringing: float = 300.0
    """For which something is kept ready for a phone that rings, should nobody say that it was in vain."""
    latest: float = 0.25
    """By how much its event loop may be late, on the mean of half a second: beyond it new calls would suffer."""
    timing: SessionTiming = SessionTiming()
    amd: bool = False
    """Whether Asterisk's own answering machine detection is asked too."""
    recordings: Path | None = None
    """Where recordings are kept; None: nothing is recorded."""

    @property
    def limits(self) -> wire.Limits:
        """What it may hold, and for how long audio may be missing."""
        return wire.Limits(self.sessions, self.timing.audio.one_way, self.timing.audio.silence)

    @property
    def outcomes(self) -> Path:
        """Where outcomes are written that no daemon has taken."""
        return wire.outcomes_of(self.socket)

    @property
    def parts(self) -> str:
        """Where its recordings grow: each worker mends only what one of its number has left."""
        return PARTS if self.number == 1 else f"{PARTS}-{self.number}"


class Worker:
    """Holds sessions for a daemon. `serve` runs until there is nothing left to do."""

    def __init__(
        self,
        settings: WorkerSettings,
        agent: Agent,
        ari: MediaAri,
        reception: Reception,
        kinds: Mapping[str, Kind] | None = None,
        allow: Callable[[Sequence[str]], None] = lambda _allowed: None,
    ) -> None:
        """`agent` is the embedded engine, `kinds` are those of the others that there may be.

        `allow` is told where addresses that single calls bring may lead beside the public internet.
        """
        self._settings = settings
        self._limits = settings.limits
        """Those of the daemon that it serves, once that has said so."""
        self._agent = agent
        self._ari = ari
        self._reception = reception
        self._sessions: dict[str, tuple[Session, AttachAgent]] = {}
        self._ringing = RingingLegs(self._new_leg, settings.longest_ringing, self._give_up_ringing)
        self._vigil = Vigil(ari, self._held)
        self._dismissed = False
        """The daemon has taken leave: with the last call this worker ends, unless another one comes before."""
        self._rack = EngineRack(agent, kinds or {}, self._announce)
        self._allow = allow
        self._outbox = Outbox()
        self._writer = (
            RecordingWriter(settings.recordings, self._on_recording, settings.parts)
            if settings.recordings is not None
            else None
        )
        self._ready = wire.Ready(0)
        self._readiness = Readiness(
            agent,
            ari,
            reception,
            self._announce,
            retry=settings.retry,
            longest_retry=settings.longest_retry,
            latest=settings.latest,
        )
        self._preparation = Preparation(agent, self._readiness, self._send)
        self._daemon: asyncio.StreamWriter | None = None
        self._leaving = asyncio.Event()
        self._grace: asyncio.TimerHandle | None = None
        self._tasks: asyncio.TaskGroup

    async def serve(self) -> None:
        """Serve until told to leave, or until no daemon has come for `grace`. Raises `PortError`."""
        # Only the worker that has the socket may take up the outcomes of the one before.
        listening = rendezvous.listen(self._settings.socket)
        self._outbox.load(self._settings.outcomes)
        if self._writer is not None:
            self._writer.start()
        self._wait_for_daemon()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._serve(listening)
        finally:
            self._forget(leaving=True)
            if self._writer is not None:
                await self._writer.stop()
            self._outbox.save(self._settings.outcomes)
            self._reception.close()
            self._rack.close()
            await self._agent.close()
            await self._ari.close()

    def stop(self) -> None:
        """Hang up all calls and let `serve` end."""
        self._leaving.set()

    async def _serve(self, listening: socket.socket) -> None:
        server = await asyncio.start_unix_server(self._serve_daemon, sock=listening, limit=wire.MAX_LINE)
        keeping_ready = self._tasks.create_task(self._readiness.keep())
        await self._leaving.wait()
        self._vigil.end()
        self._settings.socket.unlink(missing_ok=True)
        server.close()
        keeping_ready.cancel()
        await asyncio.gather(self._end_calls(), self._ringing.close(), self._preparation.cancel())
        if self._daemon is not None:
            self._daemon.close()

    def _announce(self) -> None:
        """Say whether calls can be held, as soon as that is known and whenever it has changed."""
        if not self._readiness.tried.is_set():
            return
        fault = self._readiness.fault
        sessions = 0 if fault else self._limits.sessions
        ready = wire.Ready(sessions, fault, self._rack.states(), late=self._readiness.is_late)
        if ready != self._ready:
            self._ready = ready
            self._send(ready)

    # --- the daemon ----------------------------------------------------------------------------------

    async def _serve_daemon(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        former, self._daemon = self._daemon, writer
        self._dismissed = False
        if former is not None:
            former.close()
        self._preparation.drop()
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._vigil.end()
        self._forget()
        self._tell_all()
        try:
            while line := await reader.readline():
                self._take(wire.read_for_worker(line))
        except (wire.Garbled, ValueError) as error:
            # ValueError: a line beyond the limit.
            _log.error("media.daemon_garbled", detail=str(error))
        except OSError as error:
            _log.debug("media.daemon_cut", detail=str(error))
        finally:
            writer.close()
            if self._daemon is writer:
                self._daemon = None
                if not self._leaving.is_set():
                    self._wait_for_daemon()

    def _tell_all(self) -> None:
        """What a daemon that has just come must know."""
        calls = tuple(sorted({*self._sessions, *self._outbox.calls}))
        engines = {call: session.engine for call, (session, _) in self._sessions.items()}
        self._send(wire.Hello(wire.VERSION, calls, engines, self._ringing.engines))
        for call, (session, _) in self._sessions.items():
            if session.heard:
                self._send(wire.Heard(call))
        for message in self._outbox:
            self._send(message)
        if self._readiness.tried.is_set():
            self._send(self._ready)

    def _wait_for_daemon(self) -> None:
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._settings.grace, self._leaving.set)
        self._vigil.begin()

    def _held(self) -> dict[ChannelId, Callable[[], None]]:
        """The calls that go on, and how each is released."""
        return {
            order.channel: session.detach for session, order in self._sessions.values() if not session.is_over
        }

    def _send(self, message: wire.ToDaemon) -> None:
        daemon = self._daemon
        if daemon is None or daemon.is_closing():
            return
        line = wire.encode(message)
        if len(line) > wire.MAX_LINE:
            # A daemon would close the connection, and every call of this worker would suffer.
            _log.error("media.line_too_long", kind=message.kind, bytes=len(line))
            return
        daemon.write(line)
        if daemon.transport.get_write_buffer_size() > MAX_BACKLOG:
            daemon.transport.abort()

    def _take(self, message: wire.ToWorker) -> None:
        match message:
            case wire.Expect() | wire.Forgo():
                self._foresee(message)
            case wire.Attach():
                self._attach(message)
            case wire.Limits():
                self._limits = message
                self._announce()
            case wire.Engines(engines, allow):
                self._allow(allow)
                self._rack.configure(engines)
            case wire.Redirect() | wire.Detach() | wire.Hold() | wire.TransferFailed() | wire.CallbackUnmet():
                self._direct(message)
            case wire.Acknowledge():
                loop = asyncio.get_running_loop()
                self._outbox.acknowledge(message.number, loop.time())
                loop.call_later(KEPT, self._forget)
            case wire.Prepare():
                self._preparation.prepare(message)
            case wire.Ping():
                self._send(wire.Pong(round(self._readiness.take_lag(), 4)))
            case wire.Leave():
                self._leave(message)

    def _foresee(self, message: wire.Expect | wire.Forgo) -> None:
        """A phone rings, or has rung in vain."""
        match message:
            case wire.Expect(call, channel, engine, codec, answer):
                if call in self._sessions or self._leaving.is_set():
                    return
                if not self._rack.is_direct(engine):
                    self._ringing.expect(PrepareMedia(CallId(call), ChannelId(channel), engine, codec))
                if answer is not None:
                    self._expect_answer(answer)
            case wire.Forgo(call):
                self._forgo(call)

    def _expect_answer(self, answer: wire.Attach) -> None:
        """Have ready what will be said. A wrong order, or an agent's bug, costs nothing here: the answer tells."""
        try:
            self._rack.foresee(answer.order())
        except Exception as error:  # noqa: BLE001
            _log.debug("media.not_foreseen", call=answer.call, detail=type(error).__name__)

    def _forgo(self, call: str) -> None:
        """What is ready for the call is not needed any more; nothing is: nothing happens."""
        self._ringing.forgo(call)
        self._rack.forgo(call)

    def _give_up_ringing(self, call: str) -> None:
        """Nobody has told how the ringing ended; the daemon counts the call as one that takes a place."""
        self._forgo(call)
        self._send(wire.Forgone(call))

    def _direct(self, message: Direction) -> None:
        """Tell a call's session something; a call that is over is told nothing."""
        held = self._sessions.get(message.call)
        if held is None:
            return
        session, _ = held
        match message:
            case wire.Redirect():
                session.redirect(message.instructions)
            case wire.Detach():
                session.detach()
            case wire.Hold():
                session.hold(warm=message.warm)
            case wire.TransferFailed():
                session.transfer_failed(message.reason)
            case wire.CallbackUnmet():
                session.callback_unmet(message.asked, message.unmet)

    def _leave(self, message: wire.Leave) -> None:
        self._dismissed = True
        if message.hang_up or not self._sessions:
            self._leaving.set()

    # --- calls ---------------------------------------------------------------------------------------

    def _attach(self, message: wire.Attach) -> None:
        if message.call in self._sessions:
            return
        try:
            order = message.order()
        except ValueError as error:
            return self._refuse(message.call, f"the order is wrong: {error}")
        # One that is over takes no place, though its leg is still being taken down.
        taken = sum(not session.is_over for session, _ in self._sessions.values())
        if taken >= self._limits.sessions or self._leaving.is_set():
            return self._refuse(message.call, f"all {self._limits.sessions} sessions are taken")

        def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
            leg = self._ringing.take(order.call, order.channel) or self._new_leg(order)
            leg.give(listener, hears=hears)
            return leg

        session = Session(
            order,
            self._rack,
            make_leg,
            CallVoice(message.call, self._send, self._tell),
            waited=message.waited,
            timing=replace(self._settings.timing, audio=self._limits.audio),
            record=self._begin_recording if order.record else None,
            amd=partial(judge, self._ari) if self._settings.amd else None,
        )
        self._sessions[message.call] = session, order
        self._tasks.create_task(self._hold(order, session))

    def _new_leg(self, order: AttachAgent | PrepareMedia) -> MediaLeg:
        form = self._rack.leg_format(order.engine, order.codec)
        return MediaLeg(self._ari, self._reception, order.channel, form=form)

    async def _hold(self, order: AttachAgent, session: Session) -> None:
        try:
            await self._readiness.tried.wait()
            await session.run(lambda outcome: self._ended(order, outcome))
        except Exception as error:  # noqa: BLE001 - a bug in one call must not end the others
            _log.error("media.session_broken", call=order.call, exc_info=error)
            detail = f"{type(error).__name__}: {error}"
            self._ended(order, Failed(Reason.DROPPED, detail, AgentReport(), not session.heard))
        finally:
            self._sessions.pop(order.call, None)
            # A session that had nobody to speak has not taken it.
            self._forgo(order.call)
            if self._dismissed and not self._sessions:
                self._leaving.set()

    def _begin_recording(self, call: str) -> Recording | None:
        if self._writer is None:
            self._on_recording(Lost(call, "this installation keeps no recordings"))
            return None
        return self._writer.begin(call)

    def _on_recording(self, outcome: Kept | Lost) -> None:
        match outcome:
            case Kept(call, path, size, length):
                self._tell(wire.Recorded(call, model.Recording(path, size, Millis(length))))
            case Lost(call, detail):
                _log.error("media.recording_lost", call=call, detail=detail)
                self._tell(wire.Unrecorded(call, detail))

    def _refuse(self, call: str, detail: str) -> None:
        self._forgo(call)
        self._tell(wire.Ended(call, AgentReport(), Reason.ENGINE_FAILED, detail, unheard=True))

    def _ended(self, order: AttachAgent, outcome: Outcome) -> None:
        match outcome:
            case Finished(report, unheard):
                self._tell(wire.Ended(order.call, report, unheard=unheard))
            case Failed(reason, detail, report, unheard):
                self._tell(wire.Ended(order.call, report, reason, detail, unheard=unheard))

    def _forget(self, *, leaving: bool = False) -> None:
        """Let go of what the store is sure to know by now: a daemon that outlives this worker writes what it has."""
        now = math.inf if leaving else asyncio.get_running_loop().time()
        for message in self._outbox.forget(now):
            if isinstance(message, wire.Recorded) and self._writer is not None:
                self._writer.known(message.call)

    def _tell(self, message: Letter) -> None:
        self._send(self._outbox.put(message))

    async def _end_calls(self) -> None:
        """Hang up every call and wait for their sessions' ends."""
        if self._sessions:
            _log.warning("media.hanging_up", calls=list(self._sessions))
        held = list(self._sessions.values())
        for session, _ in held:
            session.drop("its media worker ended")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_DEADLINE):
                await asyncio.gather(*(fault_of(self._ari.hang_up(order.channel)) for _, order in held))
