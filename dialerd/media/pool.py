"""The Media port: the media workers, and which of them is given which call.

Each worker has a seat (`seat`), which starts, watches and replaces it; one that is lost costs its own calls, and
dialing goes on with what the others hold. Here is known what every new worker must be told, and who waits for one.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from dialerd.core.clock import Instant
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent, PrepareMedia
from dialerd.core.errors import Fault, PortError, invalid
from dialerd.core.identity import CallId, InstanceId
from dialerd.core.messages import AgentFinished, MediaCapacity, MediaFailed, MediaHeld
from dialerd.core.model import AgentReport
from dialerd.media import wire
from dialerd.media.address import Address
from dialerd.media.ari import Login
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.link import LinkLost
from dialerd.media.pool_timing import USUAL, PoolTiming
from dialerd.media.seat import WorkerSeat
from dialerd.media.shares import engines_of, share, together
from dialerd.media.supervisor import Supervisor
from dialerd.ports import MediaWorker, Script, Sink

_LEFT = re.compile(r"media-([1-9][0-9]?)\.(?:sock|outcomes)")
"""Files of workers beside the first one."""
AUDIO = AudioLimits()
_log = structlog.get_logger("dialerd.media")


class MediaPool:
    """See `dialerd.ports.Media`. `run` holds the workers; orders are taken at any time.

    `engines` are those beside the embedded one; `allow` is where addresses that calls bring may lead beside the public
    internet. `max_sessions`, and those of each engine, are what all workers may hold together. Their sockets are in
    `state_dir`; `listen` is the address where Asterisk brings the first one the calls' audio, each other one listens at
    the next port. `prepare`: what an answer will need is made while the phone rings. `command` replaces the workers'
    program, for tests.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        ari: Login,
        listen: str,
        instance: InstanceId,
        max_sessions: int,
        workers: int = 1,
        prepare: bool = True,
        audio: AudioLimits = AUDIO,
        engines: Sequence[EngineSettings] = (),
        allow: Sequence[str] = (),
        cache_dir: Path,
        prompts_dir: Path | None = None,
        asterisk_amd: bool = False,
        recordings_dir: Path | None = None,
        sink: Sink,
        timing: PoolTiming = USUAL,
        log_arguments: Sequence[str] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        self.sink = sink
        self.workers = workers
        self._prepares = prepare
        self._state_dir = state_dir
        self._max_sessions = max_sessions
        self._engines, self._allow = tuple(engines), tuple(allow)
        self._timing = timing
        self._audio = audio
        self._first = Address.parse(listen)
        self._secret = ari.password
        self._program = [
            *(command or (sys.executable, "-m", "dialerd.worker")),
            *("--ari-url", ari.url),
            *("--ari-user", ari.user),
            *("--instance", instance),
            *("--cache-dir", str(cache_dir.absolute())),
            *(("--prompts-dir", str(prompts_dir.absolute())) if prompts_dir is not None else ()),
            *(("--asterisk-amd",) if asterisk_amd else ()),
            *(("--recordings", str(recordings_dir.absolute())) if recordings_dir is not None else ()),
            *("--grace", str(timing.grace)),
            *("--one-way", str(audio.one_way)),
            *("--max-silence", str(audio.silence)),
            *log_arguments,
        ]
        self.seats = [self._make_seat(number) for number in range(1, workers + 1)]
        self._leavers: list[WorkerSeat] = []
        """Seats of workers that an earlier daemon had and this one is not to have."""
        self._scripts: dict[_ScriptKey, wire.Prepare] = {}
        self._asked: dict[_ScriptKey, wire.Prepare] = {}
        """Scripts that workers are asked to prepare just now."""
        self._waiting: dict[CallId, _Waiting] = {}
        """Calls that answered while no worker had room for them."""
        self._linked = asyncio.Event()
        self._running = False
        self._has_told = False
        """Whether the engine knows which calls are held."""
        self._capacity: MediaCapacity | None = None

    # --- the port ------------------------------------------------------------------------------------

    def expect(self, order: PrepareMedia) -> None:
        """See `dialerd.ports.Media`."""
        if not self._prepares or any(order.call in {**seat.expected, **seat.calls} for seat in self._all):
            return
        seat = self._choose(order)
        if seat is not None and seat.capacity:
            seat.expect(order)

    def forgo(self, call: CallId) -> None:
        """See `dialerd.ports.Media`."""
        for seat in self._all:
            seat.forgo(call)
        self._place_waiting()

    def attach(self, order: AttachAgent) -> None:
        """See `dialerd.ports.Media`."""
        if order.call in self._waiting or any(order.call in seat.calls for seat in self._all):
            return
        ready = (seat for seat in self._all if order.call in seat.expected and seat.link is not None)
        seat = next(ready, None) or self._choose(order)
        if seat is not None:
            seat.attach(order, 0.0)
            return
        loop = asyncio.get_running_loop()
        limit = loop.call_later(self._timing.first_audio, self._give_up, order.call)
        self._waiting[order.call] = _Waiting(order, loop.time(), limit)

    def detach(self, call: CallId) -> None:
        """See `dialerd.ports.Media`."""
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            waiting.limit.cancel()
            self.sink(AgentFinished(call, AgentReport()))
        for seat in self._all:
            seat.detach(call)

    def hold(self, call: CallId, *, warm: bool) -> None:
        """See `dialerd.ports.Media`."""
        for seat in self._all:
            seat.tell(call, wire.Hold(call, warm))

    def transfer_failed(self, call: CallId, reason: str) -> None:
        """See `dialerd.ports.Media`."""
        for seat in self._all:
            seat.transfer_failed(call, reason)

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        """See `dialerd.ports.Media`."""
        for seat in self._all:
            seat.tell(call, wire.CallbackUnmet(call, asked, unmet))

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        """See `dialerd.ports.Media`."""
        return any(seat.tell(call, wire.Redirect(call, instructions)) for seat in self._all)

    def held(self) -> frozenset[CallId] | None:
        """See `dialerd.ports.Media`."""
        seats = tuple(self._all)
        if not all(seat.settled for seat in seats):
            return None
        if all(seat.link is None and not seat.vacant for seat in seats):
            return None
        return frozenset(self._waiting).union(*(seat.calls for seat in seats))

    def standing(self) -> tuple[MediaWorker, ...]:
        """See `dialerd.ports.Media`."""
        return tuple(seat.standing for seat in self._all if not seat.has_left)

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """See `dialerd.ports.Media`. Before `run` it only takes note.

        Raises `RequestError` (422) if the language cannot be spoken, `PortError` if the prompts cannot be made.
        """
        order = wire.Prepare(0, script.id, script.version, language, script.body, voice)
        key = (script.id, script.version, language, voice)
        if self._running:
            # A worker that comes meanwhile is asked as it comes.
            self._asked[key] = order
            try:
                await self._prepare(script, order)
            finally:
                self._asked.pop(key, None)
        self._scripts[key] = order

    async def run(self) -> None:
        """Hold the workers, and replace each that dies, until cancelled."""
        self._running = True
        self._leavers = [self._make_seat(number, retiring=True) for number in self._numbers_left()]
        holding = [asyncio.ensure_future(seat.run()) for seat in self._all]
        try:
            # A leaver's end is no end of the pool; of the others none ends but by a bug.
            broken, _ = await asyncio.wait(holding[: len(self.seats)], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in holding:
                each.cancel()
            await asyncio.gather(*holding, return_exceptions=True)
        for each in broken:
            each.result()

    async def close(self, kill: bool = False) -> None:
        """Take leave. `run` must have been cancelled before.

        Idle workers end. One with calls stays for the next daemon to adopt; with `kill` it hangs them up now.
        """
        self._running = False
        for waiting in self._waiting.values():
            waiting.limit.cancel()
        await asyncio.gather(*(seat.close(kill=kill) for seat in self._all))

    # --- the seats -----------------------------------------------------------------------------------

    def scripts(self) -> Iterator[wire.Prepare]:
        """See `SeatOwner`."""
        yield from (self._scripts | self._asked).values()

    def on_adopted(self, seat: WorkerSeat) -> None:
        """See `SeatOwner`."""
        self._tell_held()
        self._linked.set()
        self._place_waiting()

    def on_changed(self, seat: WorkerSeat) -> None:
        """See `SeatOwner`."""
        if all(each.link is None for each in self.seats):
            self._linked.clear()
        if seat.link is None and not self._has_told:
            # It could not be reached, and may be the last one that was awaited.
            self._tell_held()
        self._tell_capacity()
        self._place_waiting()

    @property
    def _all(self) -> Iterator[WorkerSeat]:
        yield from self.seats
        yield from self._leavers

    def _tell_held(self) -> None:
        """Tell the engine which calls the workers hold, but not before each of them was asked."""
        held = self.held()
        if held is not None:
            self._has_told = True
            self.sink(MediaHeld(held))

    def _tell_capacity(self) -> None:
        fit = [seat for seat in self.seats if seat.capacity > 0]
        sessions = sum(seat.capacity for seat in fit)
        is_known = sessions or all(seat.detail for seat in self.seats)
        if not is_known and (self._capacity is None or not self._capacity.sessions):
            # Nothing has changed: one of them is still coming.
            return
        capacity = MediaCapacity(sessions, self._detail, together(seat.engines for seat in fit or self.seats))
        if capacity != self._capacity:
            self._capacity = capacity
            self.sink(capacity)

    @property
    def _detail(self) -> str:
        """What keeps workers from holding calls, each by its number if there are several."""
        told = [(seat.number, seat.detail) for seat in self.seats if seat.detail]
        if self.workers == 1:
            return "".join(detail for _, detail in told)
        return "; ".join(f"media worker {number} of {self.workers}: {detail}" for number, detail in told)

    def _choose(self, order: AttachAgent | PrepareMedia) -> WorkerSeat | None:
        """The least loaded of those that may have the call: ready ones first, and ones whose engine has room."""

        def merit(seat: WorkerSeat) -> tuple[bool, bool, float]:
            return seat.capacity == 0, not seat.has_session(order.engine), seat.load

        return min((seat for seat in self.seats if seat.has_room), key=merit, default=None)

    def _place_waiting(self) -> None:
        now = asyncio.get_running_loop().time()
        for call, waiting in list(self._waiting.items()):
            seat = self._choose(waiting.order)
            if seat is None:
                return
            del self._waiting[call]
            waiting.limit.cancel()
            seat.attach(waiting.order, now - waiting.since)

    def _give_up(self, call: CallId) -> None:
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            why = self._detail or ("all of them are full" if self._linked.is_set() else "it is starting")
            detail = f"no media worker within {self._timing.first_audio:g} s: {why}"
            self.sink(MediaFailed(call, Reason.ABANDONED, detail))

    # --- scripts -------------------------------------------------------------------------------------

    async def _prepare(self, script: Script, order: wire.Prepare) -> None:
        """Have every worker that is there prepare a script. Raises as `prepare`."""
        try:
            async with asyncio.timeout(self._timing.prepare):
                answers = await self._answers_of(order)
        except TimeoutError:
            detail = self._detail or "it did not answer in time"
            raise PortError(
                f"the media worker cannot prepare {script.id}: {detail}", retryable=True
            ) from None
        for answer in answers:
            if answer.refused:
                raise invalid([Fault("language", answer.fault or "cannot be spoken")])
            if answer.fault is not None:
                raise PortError(f"the prompts of {script.id} cannot be made: {answer.fault}", retryable=True)

    async def _answers_of(self, order: wire.Prepare) -> list[wire.Prepared]:
        """What the workers say, one after the other: what the first has rendered the others find in the cache."""
        await self._linked.wait()
        answers: list[wire.Prepared] = []
        lost = LinkLost("the media worker has gone")
        for seat in self.seats:
            if seat.link is None:
                continue
            try:
                answers.append(await seat.ask(order))
            except LinkLost as error:
                # The next one in its place is asked as it comes.
                lost = error
        if not answers:
            raise PortError(str(lost), retryable=True) from lost
        return answers

    # --- how workers are started ---------------------------------------------------------------------

    def _make_seat(self, number: int, *, retiring: bool = False) -> WorkerSeat:
        socket = _socket(self._state_dir, number)
        address = Address(self._first.host, self._first.port + number - 1)
        sessions = 0 if retiring else share(self._max_sessions, self.workers, number - 1)
        engines = self._engines if retiring else engines_of(self._engines, self.workers, number - 1)
        program = [
            *self._program,
            *("--socket", str(socket)),
            *("--listen", str(address)),
            *("--number", str(number)),
            *("--sessions", str(max(1, sessions))),
        ]
        return WorkerSeat(
            number,
            lambda on_death: Supervisor(socket, program, self._secret, on_death, self._timing.supervisor),
            self,
            limits=wire.Limits(sessions, self._audio.one_way, self._audio.silence),
            engines=wire.Engines(engines, self._allow),
            timing=self._timing,
            retiring=retiring,
        )

    def _numbers_left(self) -> list[int]:
        """Workers beyond our own that an earlier daemon has left, or whose last words wait to be read."""
        try:
            names = [_LEFT.fullmatch(entry.name) for entry in self._state_dir.iterdir()]
        except OSError:
            return []
        return sorted({int(name[1]) for name in names if name is not None and int(name[1]) > self.workers})


_ScriptKey = tuple[str, int, str, str | None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that answered while no worker had room for it."""

    order: AttachAgent
    since: float
    limit: asyncio.TimerHandle


def _socket(folder: Path, number: int) -> Path:
    """Where a worker takes orders."""
    return (folder / ("media.sock" if number == 1 else f"media-{number}.sock")).absolute()
