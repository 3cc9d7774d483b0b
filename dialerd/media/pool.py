"""The Media port: one media worker process, started, adopted, watched and replaced.

It keeps what a new worker must be told again (scripts), and what is owed to the engine: each attached call ends
with exactly one last word, whatever becomes of the worker. It carries no audio and waits for nothing but the
worker's socket.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from dialerd.core.effects import AttachAgent
from dialerd.core.errors import Fault, PortError, invalid
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
)
from dialerd.core.model import AgentReport, CallId, InstanceId, Reason
from dialerd.media import wire
from dialerd.media.ari import Login
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.letters import Letter, event_of
from dialerd.media.link import LinkLost, WorkerLink, WorkerSilent
from dialerd.media.supervisor import Supervisor, SupervisorTiming
from dialerd.ports import Script, Sink

_log = structlog.get_logger("dialerd.media")


STRIKES = 3
"""Connections in a row that a living worker may spoil before it is replaced."""


@dataclass(frozen=True, slots=True)
class PoolTiming:
    """Waits in seconds."""

    pulse: float = 4.0
    """For a sign of life."""
    first_audio: float = 2.0
    """From an answer to the agent's first audio."""
    prepare: float = 30.0
    """For a script's prompts."""
    backoff: float = 0.2
    longest_backoff: float = 5.0
    steady: float = 10.0
    """A worker that lasted so long was a good one: the next is started at once."""
    grace: float = 10.0
    """For which a worker without a daemon keeps its calls."""
    supervisor: SupervisorTiming = SupervisorTiming()


class MediaPool:
    """See `dialerd.ports.Media`. `run` holds the worker; orders are taken at any time.

    `engines` are those beside the embedded one; `allow` is where addresses that calls bring may lead beside the public
    internet. The worker's socket is in `state_dir`; `listen` is the address where Asterisk brings it the calls' audio.
    `command` replaces the worker's program, for tests.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        ari: Login,
        listen: str,
        instance: InstanceId,
        max_sessions: int,
        engines: Sequence[EngineSettings] = (),
        allow: Sequence[str] = (),
        cache_dir: Path,
        prompts_dir: Path | None = None,
        recordings_dir: Path | None = None,
        sink: Sink,
        timing: PoolTiming = PoolTiming(),
        log_arguments: Sequence[str] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        socket = (state_dir / "media.sock").absolute()
        self._sink = sink
        self._engines = wire.Engines(tuple(engines), tuple(allow))
        self._timing = timing
        program = [
            *(command or (sys.executable, "-m", "dialerd.worker")),
            *("--socket", str(socket)),
            *("--listen", listen),
            *("--ari-url", ari.url),
            *("--ari-user", ari.user),
            *("--instance", instance),
            *("--sessions", str(max_sessions)),
            *("--cache-dir", str(cache_dir.absolute())),
            *(("--prompts-dir", str(prompts_dir.absolute())) if prompts_dir is not None else ()),
            *(("--recordings", str(recordings_dir.absolute())) if recordings_dir is not None else ()),
            *("--grace", str(timing.grace)),
            *log_arguments,
        ]
        self._supervisor = Supervisor(socket, program, ari.password, self._fail_calls, timing.supervisor)
        self._scripts: dict[tuple[str, int, str, str | None], wire.Prepare] = {}
        self._calls: set[CallId] = set()
        """Calls that the worker has, or had when it was last heard of."""
        self._waiting: dict[CallId, _Waiting] = {}
        """Calls that answered while no worker was there."""
        self._released: set[CallId] = set()
        """Calls to be detached as soon as a worker is there."""
        self._untold: dict[CallId, str] = {}
        """Transfers that failed while no worker was there."""
        self._link: WorkerLink | None = None
        self._linked = asyncio.Event()
        self._running = False
        self._ready: wire.Ready | None = None
        self._answers: list[asyncio.Future[wire.Prepared]] = []
        """What the worker says of the scripts it was given when it was connected; empty: it has them all."""
        self._told = ""
        self._capacity: MediaCapacity | None = None

    # --- the port ------------------------------------------------------------------------------------

    def attach(self, order: AttachAgent) -> None:
        """See `dialerd.ports.Media`."""
        if order.call in self._calls or order.call in self._waiting:
            return
        if self._link is not None:
            self._calls.add(order.call)
            self._link.send(_attach(order, 0.0))
            return
        loop = asyncio.get_running_loop()
        limit = loop.call_later(self._timing.first_audio, self._give_up, order.call)
        self._waiting[order.call] = _Waiting(order, loop.time(), limit)

    def detach(self, call: CallId) -> None:
        """See `dialerd.ports.Media`."""
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            waiting.limit.cancel()
            self._sink(AgentFinished(call, AgentReport()))
        elif call in self._calls:
            if self._link is not None:
                self._link.send(wire.Detach(call))
            else:
                self._released.add(call)

    def hold(self, call: CallId, *, warm: bool) -> None:
        """See `dialerd.ports.Media`."""
        if call in self._calls and self._link is not None:
            self._link.send(wire.Hold(call, warm))

    def transfer_failed(self, call: CallId, reason: str) -> None:
        """See `dialerd.ports.Media`."""
        if self._link is None:
            self._untold[call] = reason
        elif call in self._calls:
            self._link.send(wire.TransferFailed(call, reason))

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        """See `dialerd.ports.Media`."""
        if call not in self._calls or self._link is None:
            return False
        self._link.send(wire.Redirect(call, instructions))
        return True

    def held(self) -> frozenset[CallId] | None:
        """See `dialerd.ports.Media`."""
        return frozenset((*self._calls, *self._waiting)) if self._link is not None else None

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """See `dialerd.ports.Media`. Before `run` it only takes note.

        Raises `RequestError` (422) if the language cannot be spoken, `PortError` if the prompts cannot be made.
        """
        order = wire.Prepare(0, script.id, script.version, language, script.body, voice)
        key = (script.id, script.version, language, voice)
        if not self._running:
            self._scripts[key] = order
            return
        try:
            async with asyncio.timeout(self._timing.prepare):
                answer = await (await self._wait_link()).ask(order)
        except TimeoutError:
            detail = self._told or "it did not answer in time"
            raise PortError(
                f"the media worker cannot prepare {script.id}: {detail}", retryable=True
            ) from None
        except LinkLost as error:
            raise PortError(str(error), retryable=True) from error
        if answer.refused:
            raise invalid([Fault("language", answer.fault or "cannot be spoken")])
        if answer.fault is not None:
            raise PortError(f"the prompts of {script.id} cannot be made: {answer.fault}", retryable=True)
        self._scripts[key] = order

    async def run(self) -> None:
        """Hold a worker, and replace it when it dies, until cancelled."""
        self._running = True
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            begun = loop.time()
            try:
                await self._serve(await self._supervisor.reach())
            except (LinkLost, PortError) as error:
                self._lost(str(error))
                failures = 0 if loop.time() - begun >= self._timing.steady else failures + 1
                if isinstance(error, WorkerSilent) or (failures and failures % STRIKES == 0):
                    await self._supervisor.bury()
            await self._supervisor.check()
            if failures:
                wait = self._timing.backoff * 2.0 ** min(failures - 1, 10)
                await asyncio.sleep(min(wait, self._timing.longest_backoff))

    async def close(self, kill: bool = False) -> None:
        """Take leave. `run` must have been cancelled before.

        An idle worker ends. One with calls stays for the next daemon to adopt; with `kill` it hangs them up now.
        """
        self._running = False
        link, self._link = self._link, None
        for waiting in self._waiting.values():
            waiting.limit.cancel()
        await self._supervisor.let_go(link, kill=kill, wait=not self._calls)

    # --- with a worker -------------------------------------------------------------------------------

    async def _serve(self, link: WorkerLink) -> None:
        """Use a connection until it is lost. Raises `LinkLost`."""
        self._adopt(link)
        # No task group: one whose member fails just then drops a cancellation (CPython before 3.13, gh-116720).
        parts = [
            asyncio.ensure_future(part)
            for part in (
                link.read(self._take),
                link.keep_pulse(self._timing.pulse),
                self._introduce(link),
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
        """Tell the engine what the worker holds, and the worker what happened without it."""
        held = frozenset(CallId(call) for call in link.hello.calls)
        self._calls = set(held)
        self._ready = None
        self._sink(MediaHeld(held | self._waiting.keys()))
        _log.info("media.worker_connected", pid=link.pid, calls=len(held))
        self._link = link
        link.send(self._engines)
        self._answers = [link.ask(script) for script in self._scripts.values()]
        for call in self._released & held:
            link.send(wire.Detach(call))
        self._released.clear()
        for call in self._untold.keys() & held:
            link.send(wire.TransferFailed(call, self._untold[call]))
        self._untold.clear()
        now = asyncio.get_running_loop().time()
        for waiting in self._waiting.values():
            waiting.limit.cancel()
            self._calls.add(waiting.order.call)
            link.send(_attach(waiting.order, now - waiting.since))
        self._waiting.clear()
        self._linked.set()

    async def _introduce(self, link: WorkerLink) -> None:
        """Wait until the worker has the scripts; only then calls may be placed."""
        asked = self._answers
        done, late = await asyncio.wait(asked, timeout=self._timing.prepare) if asked else (set(), set())
        answers = [answer.result() for answer in done if answer.exception() is None]
        faults = [answer.fault for answer in answers if answer.fault is not None]
        if faults or late:
            _log.warning(
                "media.scripts_not_ready", faults=len(faults), late=len(late), detail="; ".join(faults[:1])
            )
        self._answers = []
        self._tell_capacity()

    def _take(self, message: wire.ToDaemon) -> None:
        match message:
            case wire.Heard(call):
                self._sink(AgentHeard(CallId(call)))
            case wire.Ended():
                self._take_end(message)
            case wire.Ready():
                self._ready = message
                self._tell_capacity()
            case _ if isinstance(message, Letter):
                self._sink(event_of(message))
                self._acknowledge(message.number)

    def _take_end(self, message: wire.Ended) -> None:
        call = CallId(message.call)
        self._calls.discard(call)
        if message.failed is None:
            self._sink(AgentFinished(call, message.report))
        else:
            self._sink(AgentReported(call, message.report))
            self._sink(MediaFailed(call, message.failed, message.detail))
        self._acknowledge(message.number)

    def _acknowledge(self, number: int) -> None:
        if self._link is not None:
            self._link.send(wire.Acknowledge(number))

    def _tell_capacity(self) -> None:
        if self._ready is None or self._answers:
            return
        if self._ready.detail != self._told:
            self._told = self._ready.detail
            if self._told:
                _log.error("media.unavailable", detail=self._told)
            else:
                _log.info("media.ready", sessions=self._ready.sessions)
        self._post_capacity(MediaCapacity(self._ready.sessions, self._ready.detail, self._ready.engines))

    def _lost(self, detail: str) -> None:
        """There is no worker for the moment: nothing may be dialed."""
        self._link = None
        self._linked.clear()
        self._ready = None
        if detail != self._told:
            self._told = detail
            _log.error("media.unavailable", detail=detail)
        self._post_capacity(MediaCapacity(0, detail))

    def _post_capacity(self, capacity: MediaCapacity) -> None:
        if capacity != self._capacity:
            self._capacity = capacity
            self._sink(capacity)

    def _fail_calls(self) -> None:
        """The worker is gone, and its calls' audio with it."""
        for call in self._calls:
            self._sink(MediaFailed(call, Reason.DROPPED, "its media worker died"))
        self._calls.clear()
        self._released.clear()
        self._untold.clear()

    async def _wait_link(self) -> WorkerLink:
        await self._linked.wait()
        if self._link is None:
            raise LinkLost("the media worker has gone")
        return self._link

    def _give_up(self, call: CallId) -> None:
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            detail = (
                f"no media worker within {self._timing.first_audio:g} s: {self._told or 'it is starting'}"
            )
            self._sink(MediaFailed(call, Reason.ABANDONED, detail))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that answered while no worker was there."""

    order: AttachAgent
    since: float
    limit: asyncio.TimerHandle


def _attach(order: AttachAgent, waited: float) -> wire.Attach:
    return wire.Attach(
        call=order.call,
        channel=order.channel,
        script_id=order.script_id,
        script_version=order.script_version,
        language=order.language,
        phone=order.phone,
        name=order.name,
        variables=order.variables,
        waited=waited,
        voice=order.voice,
        zone=order.zone,
        engine=order.engine,
        agent_id=order.agent_id,
        campaign_id=order.campaign_id,
        caller_id=order.caller_id,
        external_id=order.external_id,
        stand_ins=order.stand_ins,
        instructions=order.instructions,
        on_machine=order.on_machine,
        record=order.record,
    )
