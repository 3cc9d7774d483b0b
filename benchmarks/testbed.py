"""What the benchmarks of the daemon share: its processes' time and memory, a client, the disk's own speed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.prepared import SCRIPT
from benchmarks.tap import COMMAND, VARIABLE
from scripts.running import DIALERD, Daemon, Lab, daemon

DEADLINE = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


def family(process: Daemon) -> list[int]:
    """The daemon's pid, then those of its helpers."""
    parents = {pid: parent for pid, parent, _ in _processes()}
    found = [process.process.pid]
    for pid in found:
        found += sorted(child for child, parent in parents.items() if parent == pid)
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of these processes so far."""
    wanted = set(pids)
    return sum(ticks for pid, _, ticks in _processes() if pid in wanted) / _TICKS


def _processes() -> Iterator[tuple[int, int, int]]:
    """Pid, parent and processor time, in ticks, of every process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        yield int(stat.parent.name), int(fields[1]), int(fields[11]) + int(fields[12])


def resident_memory(pid: int | str = "self") -> float:
    """Resident memory of a process now, in MB."""
    return _status(pid, "VmRSS")


def peak_memory(pid: int | str = "self") -> float:
    """The most resident memory that a process has had, in MB."""
    return _status(pid, "VmHWM")


def core_wait(process: Daemon) -> float:
    """Seconds that the daemon's main thread has been ready to run while others had the cores."""
    return int(Path(f"/proc/{process.process.pid}/schedstat").read_text().split()[1]) / 1e9


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


def create(opened: httpx.Client, name: str, contacts: bytes, **fields: Any) -> str:
    """A campaign from a CSV file; returns its id."""
    described = json.dumps({"name": name, "script_id": "bench", "language": "en-IN", **fields})
    created = opened.post(
        "/v1/campaigns", files={"campaign": (None, described), "contacts": ("list.csv", contacts)}
    )
    created.raise_for_status()
    return str(created.json()["campaign_id"])


def start(opened: httpx.Client, campaign: str) -> None:
    """Have a campaign dial."""
    opened.post(f"/v1/campaigns/{campaign}/start", json={}).raise_for_status()


def dial(opened: httpx.Client, contacts: Sequence[Mapping[str, str]], **fields: Any) -> str:
    """A campaign that dials these contacts now, and cares for no machines; returns its id."""
    body = {
        "name": "bench", "language": "en-IN", "contacts": contacts, "on_invalid": "skip",
        "answering_machine": "ignore", **fields,
    }  # fmt: skip
    created = opened.post("/v1/campaigns", json=body)
    created.raise_for_status()
    campaign = str(created.json()["campaign_id"])
    start(opened, campaign)
    return campaign


def answered(opened: httpx.Client, campaign: str) -> int:
    """Calls of a campaign that were answered."""
    progress = opened.get(f"/v1/campaigns/{campaign}").json()["dispositions"]
    return int(progress["connected"])


def wait_answered(opened: httpx.Client, campaign: str, calls: int, seconds: float) -> None:
    """Return once so many were. Raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while answered(opened, campaign) < calls:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {answered(opened, campaign)} of {calls} calls are held")
        time.sleep(0.1)


def wait_completed(opened: httpx.Client, campaign: str) -> None:
    """Return when a campaign is done. Raises `TimeoutError`."""
    deadline = time.monotonic() + DEADLINE
    while opened.get(f"/v1/campaigns/{campaign}").json()["status"] != "completed":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the campaign did not complete in {DEADLINE:g} s")
        time.sleep(0.2)


@contextmanager
def dialerd(running: Lab, channels: int, **settings: str) -> Iterator[Daemon]:
    """A daemon on `running` with the script in it, whose trunk has that many channels and no limit of its rate."""
    fixed = {
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": str(channels),
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "1000",
        "DIALERD_LOG__LEVEL": "warning",
    }
    command = COMMAND if VARIABLE in settings else DIALERD
    with daemon(running, command=command, **fixed, **settings) as process:
        if not process.ctl("script", "list")["total"]:
            source = running.folder / "bench.yaml"
            source.write_text(SCRIPT)
            process.ctl("script", "add", str(source))
        yield process


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
