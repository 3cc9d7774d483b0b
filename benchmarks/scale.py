"""A million contacts in a thousand campaigns beside ten thousand in one: dispatch, start, memory, answers.

The dispatch ratio comes in two forms. The quick one runs the real engine on the real store with a network in which
everybody is busy after a millisecond (`benchmarks.dispatch`), so that nothing but the engine limits it. The full one
runs the daemon on the real Asterisk with SIPp as the callee, whose log says how many INVITEs came and when the first.

    python -m benchmarks.scale [--json] [--contacts 1000000] [--campaigns 1000]
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import uvloop

from benchmarks.figures import Figure, percentile, report
from benchmarks.prepared import campaign, csv_list, people, prepare
from benchmarks.sizes import RUNS, sized
from benchmarks.stores import STORE, Shelf, copy_of, shelf
from benchmarks.testbed import (
    client,
    core_wait,
    cpu_seconds,
    create,
    family,
    peak_memory,
    resident_memory,
    start,
)
from dialerd.core.model import CampaignStatus
from scripts.running import ROOT, Daemon, Lab, lab
from tests.sipp import callee, invites

CALLS = sized(5_000, 300)
WARM_UP = sized(3_000)
SETTLED = sized(4, 1)
"""Seconds of dialing before those that count."""
COUNTED = sized(12, 2)
GETS = sized(2_000, 200)
BRIDGED = sized(100, 10)
"""Calls with an agent on them while answers are timed."""
LAB_RUNS = min(RUNS, 3)
FIRST_DEADLINE = 60.0
PARTS = ("engine", "daemon", "answers")


@dataclass(frozen=True)
class Stores:
    """The two prepared stores."""

    shelf: Shelf
    small: str
    """Its address."""
    big: str
    shape: str
    """What the big one holds, in words."""
    campaigns: int


@dataclass(frozen=True)
class Dialing:
    """What was seen of one daemon that dialed a store."""

    calls_per_second: float
    first_dial: float
    """Seconds from its start to the first INVITE."""
    cpu: float
    """Milliseconds a call, of the daemon's processes."""
    resident: float
    peak: float
    """MB, of the daemon's own process."""


# --- the quick form ------------------------------------------------------------------------------


def engine_run(shelf: Shelf, source: str) -> dict[str, float]:
    """The engine alone on a copy of a store."""
    with copy_of(shelf, source, "engine") as store:
        command = [
            sys.executable, "-m", "benchmarks.dispatch", store,
            "--calls", str(CALLS), "--warm-up", str(WARM_UP),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"benchmarks.dispatch failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def engine_figures(stores: Stores) -> list[Figure]:
    """Interleaved pairs of the engine alone."""
    pairs = [
        (engine_run(stores.shelf, stores.big), engine_run(stores.shelf, stores.small)) for _ in range(RUNS)
    ]

    def ratio(key: str) -> float:
        return median(big[key] / small[key] for big, small in pairs)

    def middle(key: str, side: int) -> float:
        return median(pair[side][key] for pair in pairs)

    rates = f"{middle('calls_per_second', 0):.0f}/s ÷ {middle('calls_per_second', 1):.0f}/s, median of {RUNS} pairs"
    cpu = f"{middle('cpu_ms_per_call', 0):.2f} ms ÷ {middle('cpu_ms_per_call', 1):.2f} ms a call"
    return [
        Figure(
            "dispatch ratio, engine and store alone", ratio("calls_per_second"), at_least=0.95, note=rates
        ),
        Figure("CPU ratio, engine and store alone", ratio("cpu_ms_per_call"), note=cpu),
        Figure("peak memory, engine and store alone", middle("peak_mb", 0), "MB"),
    ]


# --- the full form -------------------------------------------------------------------------------


@contextmanager
def daemon_on(running: Lab, shelf: Shelf, store: str) -> Iterator[tuple[Daemon, float]]:
    """A daemon that was just started on a copy of a store, and when that was. Nobody asks it anything."""
    env = {
        **running.env,
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": "200",
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "1000",
        "DIALERD_MEDIA__MAX_SESSIONS": "250",
        # SIPp answers and sends no audio.
        "DIALERD_MEDIA__ONE_WAY_SECONDS": "0",
        "DIALERD_LOG__LEVEL": "warning",
    }
    with copy_of(shelf, store, "dialed") as copy:
        started = time.time()
        process = Daemon({**env, "DIALERD_STORE__URL": copy}, running.folder / "dialerd.log")
        try:
            yield process, started
        finally:
            process.stop()


def wait_for(what: str, happened: Callable[[], bool]) -> None:
    """Return when it has. Raises `TimeoutError`."""
    deadline = time.monotonic() + FIRST_DEADLINE
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} in {FIRST_DEADLINE:g} s")
        time.sleep(0.01)


def dial(running: Lab, shelf: Shelf, store: str, log: Path) -> Dialing:
    """Let a daemon dial a store's campaigns as fast as it can."""
    before = log.stat().st_size if log.exists() else 0
    with daemon_on(running, shelf, store) as (process, started):
        wait_for("INVITE", lambda: log.exists() and log.stat().st_size > before)
        time.sleep(SETTLED)
        pids = family(process)
        begun, spent = time.time(), cpu_seconds(pids)
        time.sleep(COUNTED)
        until, spent = time.time(), cpu_seconds(pids) - spent
        resident, peak = resident_memory(pids[0]), peak_memory(pids[0])
    arrived = [invite.at for invite in invites(log) if started < invite.at < until]
    counted = sum(at >= begun for at in arrived)
    return Dialing(
        calls_per_second=counted / (until - begun),
        first_dial=min(arrived) - started,
        cpu=1_000 * spent / counted,
        resident=resident,
        peak=peak,
    )


def dialing_figures(stores: Stores, running: Lab, log: Path) -> list[Figure]:
    """Interleaved pairs of the whole daemon."""
    pairs = [
        (dial(running, stores.shelf, stores.big, log), dial(running, stores.shelf, stores.small, log))
        for _ in range(LAB_RUNS)
    ]
    bigs = [big for big, _ in pairs]
    ratio = median(big.calls_per_second / small.calls_per_second for big, small in pairs)
    rates = (
        f"{median(big.calls_per_second for big in bigs):.0f}/s ÷ "
        f"{median(small.calls_per_second for _, small in pairs):.0f}/s, median of {LAB_RUNS} pairs"
    )
    cpu = (
        f"{median(big.cpu for big in bigs):.2f} ms ÷ {median(small.cpu for _, small in pairs):.2f} ms a call"
    )
    first = f"most {max(big.first_dial for big in bigs):.2f} s; with the small store "
    first += f"{median(small.first_dial for _, small in pairs):.2f} s"
    memory = f"peak {max(big.peak for big in bigs):.0f} MB; with the small store "
    memory += f"{median(small.resident for _, small in pairs):.0f} MB"
    return [
        Figure("dispatch ratio, daemon on Asterisk", ratio, at_least=0.95, note=rates),
        Figure("CPU ratio, daemon on Asterisk", median(big.cpu / small.cpu for big, small in pairs), note=cpu),
        Figure(
            "resident memory of the daemon, dialing", max(big.resident for big in bigs), "MB",
            at_most=300, note=memory,
        ),
        Figure("exec → first INVITE", median(big.first_dial for big in bigs), "s", at_most=5, note=first),
    ]  # fmt: skip


# --- answers -------------------------------------------------------------------------------------


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("dialerd", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get_figures(stores: Stores, running: Lab) -> list[Figure]:
    """The daemon at rest, asked for one campaign after another on a connection that stays open."""
    with copy_of(stores.shelf, stores.big, "paused") as paused:
        stores.shelf.execute(paused, f"UPDATE campaigns SET status = '{CampaignStatus.PAUSED.value}'")
        with daemon_on(running, stores.shelf, paused) as (process, _):
            process.wait_ready()
            connection = _UnixConnection(process.env["DIALERD_CONTROL__SOCKET"])
            chosen = random.Random(1)
            waited = core_wait(process)
            times = [get(connection, chosen.randrange(stores.campaigns)) for _ in range(GETS)]
            waited = 1_000_000 * (core_wait(process) - waited) / sum(times)
            connection.close()
            resident = resident_memory(process.process.pid)
    note = f"{GETS} requests, median {percentile(times, 50):.2f} ms; waited {waited:.0f} ms/s for a core"
    return [
        Figure("GET /v1/campaigns/{id} at rest, p99", percentile(times, 99), "ms", at_most=5, note=note),
        Figure("resident memory of the daemon, at rest", resident, "MB"),
    ]


def busy_figures(stores: Stores, running: Lab) -> list[Figure]:
    """The daemon with callees on the phone, asked for one campaign after another."""
    with copy_of(stores.shelf, stores.big, "paused") as paused:
        stores.shelf.execute(paused, f"UPDATE campaigns SET status = '{CampaignStatus.PAUSED.value}'")
        with daemon_on(running, stores.shelf, paused) as (process, _), client(process) as opened:
            process.wait_ready()
            start(opened, create(opened, "bridged", csv_list(people(BRIDGED))))
            wait_for("full house", lambda: _live(opened) >= BRIDGED)
            connection = _UnixConnection(process.env["DIALERD_CONTROL__SOCKET"])
            chosen = random.Random(1)
            times, live = [], []
            for number in range(GETS):
                if number % 100 == 0:
                    live.append(_live(opened))
                times.append(get(connection, chosen.randrange(stores.campaigns)))
            connection.close()
    note = f"{GETS} requests, median {percentile(times, 50):.2f} ms; {min(live)} to {max(live)} calls live"
    what = f"GET /v1/campaigns/{{id}} with {BRIDGED} bridged calls, p99"
    return [Figure(what, percentile(times, 99), "ms", at_most=15, note=note)]


def _live(opened: httpx.Client) -> int:
    return int(opened.get("/v1/status").json()["live_calls"])


def get(connection: _UnixConnection, number: int) -> float:
    """Milliseconds to read a campaign."""
    begun = time.perf_counter()
    connection.request("GET", f"/v1/campaigns/{campaign(number).id}")
    response = connection.getresponse()
    body = response.read()
    took = 1_000 * (time.perf_counter() - begun)
    if response.status != 200:
        raise RuntimeError(f"GET of a campaign was answered {response.status}: {body[:200]!r}")
    return took


# --- all of it -----------------------------------------------------------------------------------


def measure(
    contacts: int, campaigns: int, parts: Collection[str], folder: Path, shelf: Shelf
) -> list[Figure]:
    """Prepare both stores, then measure on them."""
    small, big = shelf.new("small"), shelf.new("big")
    begun = time.monotonic()
    uvloop.run(prepare(small, 1, sized(10_000, 2_000), CampaignStatus.RUNNING))
    uvloop.run(prepare(big, campaigns, contacts, CampaignStatus.RUNNING))
    took = time.monotonic() - begun
    shape = f"{contacts:,} contacts in {campaigns:,} campaigns"
    stores = Stores(shelf, small, big, shape, campaigns)
    size = shelf.size(big)
    figures = [Figure(f"preparing {shape}", took, "s", note=f"{size:.0f} MB in {STORE}")]
    if "engine" in parts:
        print("measuring: engine and store alone …", file=sys.stderr)
        figures += engine_figures(stores)
    if {"daemon", "answers"}.isdisjoint(parts):
        return figures
    print("measuring: the daemon on Asterisk …", file=sys.stderr)
    with (
        callee("busy", folder / "sipp", log_messages=True) as sipp,
        lab(folder / "lab", trunk=sipp.address) as running,
    ):
        if "daemon" in parts:
            figures += dialing_figures(stores, running, folder / "sipp" / "messages.log")
        if "answers" in parts:
            figures += get_figures(stores, running)
    if "answers" in parts:
        with callee("answer", folder / "sipp") as sipp, lab(folder / "lab", trunk=sipp.address) as running:
            figures += busy_figures(stores, running)
    return figures


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--contacts", type=int, default=sized(1_000_000))
    parser.add_argument("--campaigns", type=int, default=sized(1_000))
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one, may be repeated")
    options = parser.parse_args()
    print(f"preparing: {options.contacts:,} contacts …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name, shelf(Path(name)) as kept:
        figures = measure(options.contacts, options.campaigns, options.part or PARTS, Path(name), kept)
    report("a million contacts waiting", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
