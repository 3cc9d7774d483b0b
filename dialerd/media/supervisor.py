"""The worker process behind the pool: found where it listens, started where none does, buried when it is of no use.

A worker that lives is never doubled: before a new one is started, the one we know of is certainly gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from dialerd.core.errors import PortError
from dialerd.media import wire
from dialerd.media.link import LinkLost, WorkerLink
from dialerd.media.process import WorkerProcess, spawn

_log = structlog.get_logger("dialerd.media")

_SECRETS = ("DIALERD_ASTERISK__", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True, slots=True)
class SupervisorTiming:
    """Waits in seconds."""

    start: float = 15.0
    """For a new worker to answer."""
    knock: float = 0.02
    """Between attempts to connect to a worker that is starting."""
    rejoin: float = 2.0
    """For a worker that lives to answer again after its connection was lost."""
    leave: float = 4.0
    """For a worker to end when it is told to."""


class Supervisor:
    """Reaches the worker that listens at `socket`, which `command` starts and `secret` lets into Asterisk.

    `on_death` is called when a worker that was reached before is certainly gone.
    """

    def __init__(
        self,
        socket: Path,
        command: Sequence[str],
        secret: str,
        on_death: Callable[[], None],
        timing: SupervisorTiming = SupervisorTiming(),
    ) -> None:
        self._socket = socket
        self._command = command
        self._secret = secret
        self._on_death = on_death
        self._timing = timing
        self._process: WorkerProcess | None = None
        self.vacant = False
        """The worker was killed, and has left no last words: no call is held here."""

    async def reach(self) -> WorkerLink:
        """A connection to the worker that lives, or to a new one. Raises `PortError`."""
        link = await self._knock(self._timing.rejoin if self._process is not None else 0.0)
        if link is None:
            await self.bury()
            self._process = spawn(self._command, _environment(), self._secret)
            _log.info("media.worker_started", pid=self._process.pid)
            # One that was about to die let us in once more: only now is it seen that nobody is there.
            link = await self._knock(self._timing.start, on_vacant=self._on_death)
        if link is None:
            status = self._process.status if self._process is not None else None
            await self.bury()
            how = f"ended as it started (status {status})" if status is not None else "does not answer"
            raise PortError(f"the media worker {how}; its own words are in the log", retryable=True)
        self._watch(link.pid)
        return link

    async def check(self) -> None:
        """Bury the worker at once if it has ended."""
        if self._process is not None and await self._process.wait_ended(2 * self._timing.knock):
            await self.bury()

    async def bury(self) -> None:
        """Make sure that the process we know of is gone, and with it its calls."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait_ended(self._timing.leave)
            process.close()
        self._on_death()

    async def let_go(self, link: WorkerLink | None, *, kill: bool, wait: bool) -> None:
        """Take leave of the worker. `wait` for its end; `kill`: it must end now."""
        process, self._process = self._process, None
        if link is not None:
            link.send(wire.Leave(hang_up=kill))
        elif process is not None:
            process.kill(signal.SIGTERM)
        if process is not None:
            ended = await process.wait_ended(self._timing.leave) if wait or kill else True
            if kill and not ended:
                process.kill()
                await process.wait_ended(self._timing.leave)
            process.close()
        if link is not None:
            link.close()

    async def _knock(self, seconds: float, on_vacant: Callable[[], None] | None = None) -> WorkerLink | None:
        """Connect, for `seconds` at most and no longer than the process we know of lives."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                link = await WorkerLink.connect(self._socket)
            except (OSError, LinkLost) as error:
                # One that leaves removes its socket first, and writes its last words after that.
                killed = isinstance(error, ConnectionRefusedError)
                before, self.vacant = self.vacant, killed and not wire.outcomes_of(self._socket).exists()
                if self.vacant and not before and on_vacant is not None:
                    on_vacant()
                gone = self._process is None or self._process.ended.is_set()
                if gone or loop.time() >= deadline:
                    return None
                await asyncio.sleep(self._timing.knock)
                continue
            self.vacant = False
            if link.hello.version == wire.VERSION:
                return link
            await self._dismiss(link)

    async def _dismiss(self, link: WorkerLink) -> None:
        """End a worker of another version, which cannot be spoken with."""
        _log.warning("media.worker_of_other_version", pid=link.pid, version=link.hello.version)
        link.close()
        other: WorkerProcess | None
        if self._process is not None and self._process.pid == link.pid:
            other, self._process = self._process, None
        else:
            # One that was started in its place goes on starting.
            other = _process_of(link.pid)
        if other is not None:
            other.kill(signal.SIGTERM)
            if not await other.wait_ended(self._timing.leave):
                other.kill()
                await other.wait_ended(self._timing.leave)
            other.close()
        self._on_death()

    def _watch(self, pid: int) -> None:
        if self._process is not None and self._process.pid == pid:
            return
        if self._process is not None:
            # Another one has the socket: this one never came to it. It is watched until it is gone.
            self._process.kill()
        self._process = _process_of(pid)


def _process_of(pid: int) -> WorkerProcess | None:
    """None: it has ended already; its connection will say so."""
    try:
        return WorkerProcess(pid)
    except OSError:
        return None


def _environment() -> dict[str, str]:
    """Ours without the secrets that a worker does not need."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
