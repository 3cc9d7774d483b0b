"""One daemon per store: a lock that the operating system holds, and a file that tells who has it.

The lock dies with the process, so a file left behind is no obstacle. It is never deleted: deleting it would let
two daemons lock two files of the same name.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import orjson

from dialerd.core.clock import Instant, to_iso
from dialerd.core.errors import PortError

FILE_MODE = 0o600
"""Numbers and transcripts are personal data: for the daemon's user alone."""


class StoreLock:
    """The exclusive right to a store's file."""

    def __init__(self, path: Path, instance: str) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._store = path
        self._instance = instance
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `PortError` naming who holds it, or why the file cannot be made."""
        try:
            # Not inherited by programs the daemon starts: a child must not keep the lock alive.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise PortError(
                f"cannot open {self._path}: {error.strerror}; check that its folder exists and that the "
                "daemon's user may write there",
                retryable=False,
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            why = f"cannot be locked: {error.strerror}; put it on a file system that has locks"
            if isinstance(error, BlockingIOError):
                holder = _holder(descriptor)
                why = f"is in use by {holder}; end that daemon first, or give this one a store of its own"
            os.close(descriptor)
            raise PortError(f"the store {self._store} {why}", retryable=False) from None
        self._descriptor = descriptor
        about = {
            "pid": os.getpid(),
            "instance": self._instance,
            "since": to_iso(Instant(time.time_ns() // 1_000_000_000 * 1_000)),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, orjson.dumps(about) + b"\n", 0)

    def release(self) -> None:
        """Give the lock back; without one nothing happens."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        about = orjson.loads(os.pread(descriptor, 4_096, 0))
        return f"instance {about['instance']!r} (pid {about['pid']}, since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
