"""What the benchmarks of the daemon share: its processes' time and memory, a client, the disk's own speed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from scripts.running import Daemon

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: Daemon) -> float:
    """Processor time of the daemon and its children so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        # Everything the daemon has started is in its session.
        if int(fields[3]) == process.process.pid or int(stat.parent.name) == process.process.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def resident_memory(pid: int | str = "self") -> float:
    """Resident memory of a process now, in MB."""
    return _status(pid, "VmRSS")


def peak_memory(pid: int | str = "self") -> float:
    """The most resident memory that a process has had, in MB."""
    return _status(pid, "VmHWM")


def _status(pid: int | str, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1_000
    raise LookupError(f"the kernel does not tell {field}")


@contextmanager
def client(process: Daemon) -> Iterator[httpx.Client]:
    """An HTTP client on the daemon's control socket, where no rate limit applies."""
    transport = httpx.HTTPTransport(uds=process.env["DIALERD_CONTROL__SOCKET"])
    with httpx.Client(transport=transport, base_url="http://dialerd", timeout=120) as opened:
        yield opened


def fdatasync_times(folder: Path, count: int = 200) -> list[float]:
    """Seconds that the disk needs to make one page durable, `count` times."""
    descriptor = os.open(folder / "sync", os.O_RDWR | os.O_CREAT)
    values = []
    for _ in range(count):
        started = time.perf_counter()
        os.write(descriptor, b"x" * 4_096)
        os.fdatasync(descriptor)
        values.append(time.perf_counter() - started)
    os.close(descriptor)
    return values
