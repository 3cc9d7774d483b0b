"""One media worker as its daemon has it: started, adopted, watched, replaced, and the calls that it holds.

Each call that was given to it ends with exactly one last word, whatever becomes of the worker. What is given to
which worker is not decided here. It carries no audio and waits for nothing but the worker's socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent, PrepareMedia
from dialerd.core.engine import EMBEDDED, EngineState
from dialerd.core.errors import PortError
from dialerd.core.identity import CallId
from dialerd.core.messages import AgentFinished, AgentHeard, AgentReported, MediaFailed
from dialerd.media import wire
from dialerd.media.letters import Letter, event_of
from dialerd.media.link import LinkLost, WorkerLink, WorkerSilent
from dialerd.media.pool_timing import PoolTiming
from dialerd.media.supervisor import Supervisor
from dialerd.ports import MediaWorker, MediaWorkerState, Sink

STRIKES = 3
"""Connections in a row that a living worker may spoil before it is replaced."""

REMEMBERED = 100
"""Recordings of which a worker that dies may have told seconds before: the next one tells of them again."""

_log = structlog.get_logger("dialerd.media")


class SeatOwner(Protocol):
    """Who gives calls to the workers. None of it may wait or raise."""

    @property
    def sink(self) -> Sink:
        """Where to tell of calls."""
        ...

    def scripts(self) -> Iterable[wire.Prepare]:
        """The scripts that a worker must have."""
        ...

    def on_adopted(self, seat: WorkerSeat) -> None:
        """The seat has a worker; it is known which calls that one holds."""
        ...

    def on_changed(self, seat: WorkerSeat) -> None:
        """What the seat can hold has changed, or a place in it is free."""
        ...


class WorkerSeat:
    """The place of worker `number`, which has these `limits` and `engines`.

    `run` holds the worker; orders are taken at any time. `retiring`: it is given no calls, and ends with its last one.
    """

    def __init__(
        self,
        number: int,
        supervise: Callable[[Callable[[], None]], Supervisor],
        owner: SeatOwner,
        *,
        limits: wire.Limits,
        engines: wire.Engines,
        timing: PoolTiming,
        retiring: bool = False,
    ) -> None:
        """`supervise` makes the supervisor, given who is to be told of a worker's death."""
        self.number = number
        self.retiring = retiring
        self.calls: dict[CallId, str] = {}
        """Calls that the worker has, or had when it was last heard of, and the engine of each."""
        self.expected: dict[CallId, str] = {}
        """Calls for which it has something ready, and the engine of each."""
        self.settled = False
        """Whether it is known which calls it holds: it was reached, or could not be."""
        self.detail = ""
        """Why it can hold no calls."""
        self.link: WorkerLink | None = None
        self.supervisor = supervise(self._fail_calls)
        self._owner = owner
        self._limits = limits
        self._sessions = 0 if retiring else limits.sessions
        self._lag = 0.0
        self._engines = engines
        self._shares = {engine.name: engine.max_sessions for engine in engines.engines}
        self._timing = timing
        self._released: set[CallId] = set()
        """Calls to be detached as soon as the worker is there again."""
        self._forgone: set[CallId] = set()
        """Calls that were not answered, while it was not there."""
        self._untold: dict[CallId, str] = {}
        """Transfers that failed while it was not there."""
        self._recordings: deque[str] = deque(maxlen=REMEMBERED)
        """Paths of the last recordings that were told of."""
        self._ready: wire.Ready | None = None
        self._answers: list[asyncio.Future[wire.Prepared]] = []
        """What it says of the scripts it was given when it was connected; empty: it has them all."""
        self.has_left = False
        """It has retired: there is no such worker any more."""

    # --- what it can hold ----------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """Calls that it can hold at all, now."""
        if self.link is None or self._ready is None or self._answers or self.retiring:
            return 0
        return min(self._ready.sessions, self._sessions)

    @property
    def standing(self) -> MediaWorker:
        """How it is, for who asks."""
        return MediaWorker(self.number, self._state, len(self.calls), self._sessions, self._lag, self.detail)

    @property
    def _state(self) -> MediaWorkerState:
        if self.link is None:
            return MediaWorkerState.GONE
        if self.retiring:
            return MediaWorkerState.DRAINING
        if self._ready is not None and self._ready.late:
            return MediaWorkerState.LATE
        return MediaWorkerState.READY if self.capacity else MediaWorkerState.UNREADY

    @property
    def engines(self) -> Mapping[str, EngineState]:
        """What its engines can hold."""
        return self._ready.engines if self._ready is not None else {}

    @property
    def vacant(self) -> bool:
        """Whether it is certain that nobody holds a call there."""
        return self.link is None and self.supervisor.vacant

    @property
    def load(self) -> float:
        """How much of it is taken: 0 nothing, 1 all."""
        return self._taken / self._sessions if self._sessions else 1.0

    @property
    def _taken(self) -> int:
        return len(self.calls) + len(self.expected)

    @property
    def has_room(self) -> bool:
        """Whether it is there and may hold one more call."""
        return self.link is not None and not self.retiring and self._taken < self._sessions

    def has_session(self, engine: str) -> bool:
        """Whether `engine` may hold one more call there."""
        if engine == EMBEDDED:
            return True
        held = [*self.calls.values(), *self.expected.values()]
        return held.count(engine) < self._shares.get(engine, 0)

    # --- calls ---------------------------------------------------------------------------------------

    def expect(self, order: PrepareMedia) -> None:
        """Have it make ready what a ringing call will need. Only while it has a link."""
        self.expected[order.call] = order.engine
        self._say(wire.Expect.of(order))

    def forgo(self, call: CallId) -> None:
        """Have it let go of that; without a worker it is kept: its calls may be unknown."""
        if self.link is None:
            self._forgone.add(call)
        if self.expected.pop(call, None) is not None:
            self._say(wire.Forgo(call))

    def attach(self, order: AttachAgent, waited: float) -> None:
        """Give it a call that answered `waited` seconds ago. Only while it has a link."""
        if not self._say(wire.Attach.of(order, waited)):
            # Written, it would cost the worker its connection, and the other calls theirs.
            self.forgo(order.call)
            detail = "what is known of its contact is longer than a media worker takes"
            self._owner.sink(MediaFailed(order.call, Reason.ENGINE_FAILED, detail))
            return
        self.expected.pop(order.call, None)
        self.calls[order.call] = order.engine

    def detach(self, call: CallId) -> None:
        """Have it release the call; one that it does not hold: nothing."""
        if call not in self.calls:
            return
        if self.link is not None:
            self._say(wire.Detach(call))
        else:
            self._released.add(call)

    def transfer_failed(self, call: CallId, reason: str) -> None:
        """Nobody was connected with the callee. Without a worker it is kept."""
        if self.link is None:
            self._untold[call] = reason
        elif call in self.calls:
            self._say(wire.TransferFailed(call, reason))

    def tell(self, call: CallId, message: wire.Hold | wire.Redirect | wire.CallbackUnmet) -> bool:
        """Tell it something of a call; False: it does not hold that, or is not there."""
        return call in self.calls and self.link is not None and self._say(message)

    def ask(self, script: wire.Prepare) -> asyncio.Future[wire.Prepared]:
        """Have it prepare a script. Only while it has a link; the answer may be `LinkLost`."""
        assert self.link is not None
        return self.link.ask(script)

    # --- its worker ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold a worker, and replace it when it dies, until cancelled; a retiring one until it has left."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self.has_left and not (self.retiring and failures >= STRIKES):
            begun = loop.time()
            try:
                await self._serve(await self.supervisor.reach())
            except (LinkLost, PortError) as error:
                self._lost(str(error))
                failures = 0 if loop.time() - begun >= self._timing.steady else failures + 1
                if isinstance(error, WorkerSilent) or (failures and failures % STRIKES == 0):
                    await self.supervisor.bury()
            await self.supervisor.check()
            if failures and not self.has_left:
                wait = self._timing.backoff * 2.0 ** min(failures - 1, 10)
                await asyncio.sleep(min(wait, self._timing.longest_backoff))

    async def close(self, *, kill: bool) -> None:
        """Take leave of the worker. `run` must have been cancelled before."""
        link, self.link = self.link, None
        await self.supervisor.let_go(link, kill=kill, wait=not self.calls)

    async def _serve(self, link: WorkerLink) -> None:
        """Use a connection until it is lost. Raises `LinkLost`."""
        self._adopt(link)
        # No task group: one whose member fails just then drops a cancellation (CPython before 3.13, gh-116720).
        parts = [
            asyncio.ensure_future(part)
            for part in (
                link.read(self._take),
                link.keep_pulse(self._timing.pulse),
                self._introduce(),
            )
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        # Not where it is cancelled: `close` has a last word for the worker.
        link.close()
        for part in done:
            part.result()
        raise LinkLost("the connection to the media worker ended")

    def _adopt(self, link: WorkerLink) -> None:
        """Learn what the worker holds, and tell it what happened without it."""
        known = self.calls
        self.calls = {
            CallId(call): link.hello.engines.get(call) or known.get(CallId(call), "")
            for call in link.hello.calls
        }
        self.expected = {CallId(call): engine for call, engine in link.hello.expected.items()}
        self._ready = None
        self.settled = True
        _log.info("media.worker_connected", worker=self.number, pid=link.pid, calls=len(self.calls))
        self.link = link
        # An adopted worker has those of the daemon before.
        self._say(self._limits)
        self._say(self._engines)
        self._answers = [link.ask(script) for script in self._owner.scripts()]
        for call in self._released & self.calls.keys():
            self._say(wire.Detach(call))
        self._released.clear()
        for call in self._untold.keys() & self.calls.keys():
            self._say(wire.TransferFailed(call, self._untold[call]))
        self._untold.clear()
        for call in self._forgone:
            self.forgo(call)
        self._forgone.clear()
        self._owner.on_adopted(self)

    async def _introduce(self) -> None:
        """Wait until the worker has the scripts; only then calls may be placed."""
        asked = self._answers
        done, late = await asyncio.wait(asked, timeout=self._timing.prepare) if asked else (set(), set())
        answers = [answer.result() for answer in done if answer.exception() is None]
        faults = [answer.fault for answer in answers if answer.fault is not None]
        if faults or late:
            _log.warning(
                "media.scripts_not_ready",
                worker=self.number,
                faults=len(faults),
                late=len(late),
                detail="; ".join(faults[:1]),
            )
        self._answers = []
        self._changed()

    def _take(self, message: wire.ToDaemon) -> None:
        match message:
            case wire.Heard(call):
                self._owner.sink(AgentHeard(CallId(call)))
            case wire.Ended():
                self._take_end(message)
            case wire.Ready():
                self._ready = message
                self._changed()
            case wire.Forgone(call):
                self.expected.pop(CallId(call), None)
                self._changed()
            case wire.Pong():
                self._lag = message.lag
            case _ if isinstance(message, Letter):
                if isinstance(message, wire.StoodIn) and message.call in self.calls:
                    self.calls[CallId(message.call)] = message.engine
                if not self._knows(message):
                    self._owner.sink(event_of(message))
                self._say(wire.Acknowledge(message.number))

    def _knows(self, message: wire.ToDaemon) -> bool:
        """Whether it is a recording that the worker before this one has told of already."""
        if not isinstance(message, wire.Recorded):
            return False
        if message.recording.path in self._recordings:
            return True
        self._recordings.append(message.recording.path)
        return False

    def _take_end(self, message: wire.Ended) -> None:
        call = CallId(message.call)
        self.calls.pop(call, None)
        if message.failed is None:
            self._owner.sink(AgentFinished(call, message.report, bool(message.unheard)))
        else:
            self._owner.sink(AgentReported(call, message.report))
            self._owner.sink(MediaFailed(call, message.failed, message.detail, message.unheard))
        self._say(wire.Acknowledge(message.number))
        self._changed()

    def _changed(self) -> None:
        if self._ready is None or self._answers:
            return
        if self.retiring:
            return self._retire()
        if self._ready.detail != self.detail:
            self.detail = self._ready.detail
            if self.detail:
                _log.error("media.unavailable", worker=self.number, detail=self.detail)
            else:
                _log.info("media.ready", worker=self.number, sessions=self.capacity)
        self._owner.on_changed(self)

    def _retire(self) -> None:
        """A worker that there is to be no more ends with its last call."""
        if not self.calls and not self.has_left:
            self.has_left = True
            _log.info("media.worker_retired", worker=self.number)
            self._say(wire.Leave(hang_up=False))

    def _lost(self, detail: str) -> None:
        """There is no worker for the moment: nothing may be dialed that would need it."""
        self.link = None
        self._ready = None
        self._lag = 0.0
        self.settled = True
        if detail != self.detail and not self.retiring:
            self.detail = detail
            _log.error("media.unavailable", worker=self.number, detail=detail)
        self._owner.on_changed(self)

    def _fail_calls(self) -> None:
        """The worker is gone, and its calls' audio with it."""
        for call in self.calls:
            self._owner.sink(MediaFailed(call, Reason.DROPPED, "its media worker died"))
        self.calls.clear()
        self.expected.clear()
        self._released.clear()
        self._untold.clear()
        self._forgone.clear()
        if self.vacant:
            # A worker takes seconds to start, and callees whom nobody talks to any more must not wait for it.
            self.settled = True
            self._owner.on_changed(self)

    def _say(self, message: wire.ToWorker) -> bool:
        """False: it is longer than a worker takes, and was not written."""
        return self.link is None or self.link.send(message)
