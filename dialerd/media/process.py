"""A worker process as the daemon sees it: started apart from it, watched, and ended by its id alone.

It is no child in asyncio's sense: a child's transport would kill it as the daemon ends, and a worker has to
outlive its daemon. So it is spawned into a session of its own and watched through a process descriptor, which
works alike for a worker that an earlier daemon has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from dialerd.core.errors import PortError


class WorkerProcess:
    """A running process. `ended` is set when it is gone; `close` lets go of it without ending it."""

    def __init__(self, pid: int) -> None:
        """Watch the process `pid`. Raises `OSError` if there is none."""
        self.pid = pid
        self.ended = asyncio.Event()
        self.status: int | None = None
        """How it ended, as a shell says it (negative: by that signal); None: unknown."""
        self._descriptor: int | None = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._gone)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; one that is gone is no error."""
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def wait_ended(self, seconds: float) -> bool:
        """Whether it is gone within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Watch it no more."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _gone(self) -> None:
        with contextlib.suppress(ChildProcessError):
            # Only the daemon that started it can know how it ended.
            _, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status)
        self.close()
        self.ended.set()


def spawn(command: Sequence[str], environment: Mapping[str, str], secret: str) -> WorkerProcess:
    """Start `command` in a session of its own; `secret` is the first line of its input. Raises `PortError`."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            # A pipe holds 64 KiB: this never waits for the process.
            pipe.write(secret.encode() + b"\n")
        actions = [(os.POSIX_SPAWN_DUP2, reading, 0)]
        pid = os.posix_spawn(command[0], list(command), dict(environment), file_actions=actions, setsid=True)
        return WorkerProcess(pid)
    except OSError as error:
        raise PortError(f"cannot start the media worker: {error}", retryable=True) from error
    finally:
        os.close(reading)
