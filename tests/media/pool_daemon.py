"""A pool with real worker processes on the fake Asterisk, and as much of a daemon as it needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.identity import InstanceId, ScriptId
from dialerd.core.messages import MediaCapacity
from dialerd.media.pool import MediaPool
from dialerd.media.pool_timing import PoolTiming
from dialerd.media.supervisor import SupervisorTiming
from dialerd.ports import Script
from tests.adapters.waiting import Heard, until
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk

WORKER = (sys.executable, "-m", "tests.media.worker_process")
QUICK = PoolTiming(
    pulse=1.0,
    first_audio=20.0,
    backoff=0.02,
    longest_backoff=0.05,
    prepare=5.0,
    supervisor=SupervisorTiming(rejoin=0.3, leave=2.0),
)


@dataclass
class Daemon:
    """As much of a daemon as the pool needs."""

    pool: MediaPool
    heard: Heard
    running: asyncio.Task[None] | None = None

    async def ready(self, count: int = 1) -> None:
        await until(lambda: [c.sessions for c in self.heard.of(MediaCapacity)].count(3) >= count, seconds=10)

    @property
    def pid(self) -> int:
        return self.pid_of(1)

    def pid_of(self, number: int) -> int:
        process = self.pool.seats[number - 1].supervisor._process
        assert process is not None
        return process.pid

    async def stop(self, *, kill: bool = False) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
            self.running = None
            await self.pool.close(kill)

    def die(self) -> None:
        """As SIGKILL does it: the socket closes, nobody is told."""
        assert self.running is not None
        self.running.cancel()
        for seat in self.pool.seats:
            if seat.link is not None:
                seat.link.close()


@asynccontextmanager
async def daemon(
    folder: Path,
    fake: FakeAsterisk,
    timing: PoolTiming = QUICK,
    command: Sequence[str] = WORKER,
    run: bool = True,
    **settings: Any,
) -> AsyncIterator[Daemon]:
    """A pool that holds three calls, unless `settings` say otherwise."""
    heard = Heard()
    pool = MediaPool(
        state_dir=folder,
        ari=fake.login,
        listen=str(fake.media),
        instance=InstanceId(INSTANCE),
        **{"max_sessions": 3, **settings},
        cache_dir=folder / "prompts",
        recordings_dir=folder / "recordings",
        sink=heard,
        timing=timing,
        command=command,
    )
    boss = Daemon(pool, heard)
    if run:
        boss.running = asyncio.create_task(pool.run())
    try:
        yield boss
    finally:
        await boss.stop(kill=True)


def processes_of(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if str(folder) in command and entry.name != str(os.getpid()):
                found.append(int(entry.name))
    return found


def script(ident: str = "offer") -> Script:
    return Script(ScriptId(ident), 1, ident, ("en-IN",), {}, {"name": ident}, "", Instant(0))
