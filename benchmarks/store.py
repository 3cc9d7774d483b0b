"""A store alone: what a turn costs, whether an import holds turns up, how long the do-not-call list takes.

STORE=postgresql measures a private PostgreSQL, else it is SQLite. A turn opens or ends `--at-once` calls together.
Prints one line of JSON for each part; a commit is durable in all of them, so the disk's own fdatasync is printed
beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import uvloop

from benchmarks.prepared import MADE, campaign, fill, people
from benchmarks.stores import shelf
from benchmarks.testbed import fdatasync_times
from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import E164, CampaignId, ChannelId, ScriptId, TrunkName, call_id
from dialerd.core.journal import (
    CallClosed,
    CallOpened,
    ContactSaved,
    CountersMoved,
    DncChanged,
    Entry,
    NumberFreed,
    TryOpened,
    TrySaved,
)
from dialerd.core.model import Call, CallStatus, ClosedCall, Try, TryState
from dialerd.ports import Store
from dialerd.store.choice import store_at

GATE = {
    "at": "2025-11-24T21:30:00.000+05:30 Asia/Kolkata",
    "rules": {
        "asterisk": "connected",
        "manager": "logged in",
        "originates": "3 of 16 unanswered",
        "media": "12 of 100 in use",
        "campaign": "running",
        "window": "open, last start 2025-11-25T12:29:30Z",
        "attempts": "0 of 3 used",
        "not-before": "any time",
        "live-call": "none",
        "min-gap": "no recent call",
        "trunk": "lab: 3 of 100 in use",
    },
}


def opening(contacts: Sequence[Contact], first: int) -> tuple[list[Call], list[Entry]]:
    """A turn that opens a call to each contact."""
    calls, entries = [], list[Entry]()
    for number, contact in enumerate(contacts, start=first):
        ident = call_id(MADE * 64 + number)
        busy = replace(contact, state=ContactState.DIALING, attempts=1, turns=1)
        boot = "2025-11-24T10:00:00.000+0000"
        channel, caller_id = ChannelId(f"d1-{ident}-1"), E164("+15550100100")
        made = Try(channel, 1, TrunkName("lab"), caller_id, TryState.OPEN, boot, MADE)
        call = Call(
            id=ident,
            phone=contact.phone,
            language="en-IN",
            script_id=ScriptId("s"),
            script_version=1,
            attempt=1,
            tries=(made,),
            started_at=MADE,
            deadline=Mono(0),
            campaign_id=contact.campaign_id,
            contact=busy,
            gate=GATE,
        )
        calls.append(call)
        entries += [CallOpened(call), TryOpened(ident, made), ContactSaved(busy)]
    moved = {"state:pending": -len(calls), "state:dialing": len(calls), "called": len(calls)}
    return calls, [*entries, CountersMoved(contacts[0].campaign_id, moved)]


def ending(calls: Sequence[Call]) -> list[Entry]:
    """A turn that ends these calls: busy, to be tried again."""
    entries: list[Entry] = []
    end = Instant(MADE + 500)
    for call in calls:
        assert call.contact is not None
        over = replace(call.current, state=TryState.ENDED, ended_at=end, cause=17, sip_code=486)
        closed = ClosedCall(call.id, CallStatus.FAILED, "not_reachable", Reason.BUSY, True, end, Millis(0))
        waiting = replace(
            call.contact,
            state=ContactState.RETRY_WAITING,
            not_before=Instant(MADE + 3_600_000),
            disposition="not_reachable",
            reason=Reason.BUSY,
        )
        entries += [
            TrySaved(call.id, over),
            NumberFreed(call.phone, end),
            CallClosed(replace(call, tries=(over,)), closed),
            ContactSaved(waiting),
        ]
    count = len(calls)
    moved = {
        "state:dialing": -count,
        "state:retry_waiting": count,
        "not_reachable": count,
        "reason:busy": count,
    }
    assert calls[0].campaign_id is not None
    return [*entries, CountersMoved(calls[0].campaign_id, moved)]


async def turns(store: Store, ident: CampaignId, options: argparse.Namespace) -> dict[str, float]:
    """Open and end calls, turn by turn."""
    prepared: list[tuple[list[Entry], list[Entry]]] = []
    first = 0
    while len(prepared) * options.at_once < options.calls:
        batch = await store.ready(ident, MADE, frozenset(), (options.at_once * (len(prepared) + 1), 0, 0))
        calls, entries = opening(batch.contacts[-options.at_once :], first)
        prepared.append((entries, ending(calls)))
        first += len(calls)
    opens, ends = [], []
    cpu = time.process_time()
    for opened, ended in prepared:
        opens.append(await timed(store, opened))
        ends.append(await timed(store, ended))
    cpu = time.process_time() - cpu
    return {
        "cpu_us_a_call": round(cpu / first * 1e6, 1),
        **spread("open_ms", opens),
        **spread("end_ms", ends),
    }


async def timed(store: Store, entries: Sequence[Entry]) -> float:
    """Seconds of one commit."""
    started = time.perf_counter()
    await store.commit(entries)
    return time.perf_counter() - started


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    cut = statistics.quantiles(values, n=100)
    return {f"{name}_p50": round(cut[49] * 1e3, 2), f"{name}_p99": round(cut[98] * 1e3, 2)}


async def importing(store: Store, ident: CampaignId) -> dict[str, float]:
    """Import 10,000 rows; then commit a small turn every 2 ms, alone and while 100,000 rows come in."""
    started = time.perf_counter()
    await fill(store, campaign(1_000_001), people(10_000))
    seconds = time.perf_counter() - started
    alone = await steady(store, ident, asyncio.create_task(asyncio.sleep(1)))
    beside = await steady(
        store, ident, asyncio.create_task(fill(store, campaign(1_000_002), people(100_000)))
    )
    return {
        "import_10000_s": round(seconds, 3),
        **spread("turn_alone_ms", alone),
        **spread("turn_beside_ms", beside),
    }


async def steady(store: Store, ident: CampaignId, until: asyncio.Task[None]) -> list[float]:
    """Small turns until a task has ended."""
    values = []
    while not until.done():
        values.append(await timed(store, [CountersMoved(ident, {"called": 0})]))
        await asyncio.sleep(0.002)
    await until
    return values


async def do_not_call(store: Store, count: int) -> dict[str, float]:
    """Store a do-not-call list in an order unlike that of its numbers, and read it as at a start."""
    numbers = (f"+9197{number * 7_919 % 100_000_000:08d}" for number in range(count))
    started = time.perf_counter()
    version = 0
    while batch := list(islice(numbers, 10_000)):
        version += 1
        entries = tuple(DncEntry(number, "listed by the regulator", "list 7", MADE) for number in batch)
        await store.commit([DncChanged(version, entries)])
    written, before = time.perf_counter() - started, resident()
    started = time.perf_counter()
    dnc = await store.dnc()
    return {
        "dnc_entries": len(dnc.patterns),
        "write_s": round(written, 2),
        "read_s": round(time.perf_counter() - started, 2),
        "rss_grown_mib": resident() - before,
    }


def resident() -> int:
    """Memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_048_576


async def run(options: argparse.Namespace, folder: Path, address: str) -> None:
    """All parts, on one store."""
    store = store_at(address, "bench")
    await store.open()
    try:
        started = time.perf_counter()
        each = options.contacts // options.campaigns
        for number in range(options.campaigns):
            await fill(store, campaign(number), people(each, number * each))
        filled = {"filled": each * options.campaigns, "seconds": round(time.perf_counter() - started, 2)}
        print(json.dumps(filled))
        print(json.dumps(spread("fdatasync_ms", fdatasync_times(folder))))
        print(json.dumps(await turns(store, campaign(0).id, options)))
        print(json.dumps(await importing(store, campaign(0).id)))
        print(json.dumps(await do_not_call(store, options.dnc)))
    finally:
        await store.close()
    await reopened(address)


async def reopened(address: str) -> None:
    """What a restart costs."""
    started = time.perf_counter()
    store = store_at(address, "bench")
    await store.open()
    try:
        state = await store.open_state(MADE)
        await store.ready(campaign(0).id, MADE, frozenset(), (256, 256, 256))
    finally:
        await store.close()
    took = round(time.perf_counter() - started, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    print(json.dumps({"restart_s": took, "campaigns": len(state.campaigns), "peak_rss_mib": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--campaigns", type=int, default=1)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--dnc", type=int, default=1_000_000, help="entries of the do-not-call list")
    parser.add_argument("--at-once", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, shelf(Path(folder)) as kept:
        address = kept.new("bench")
        uvloop.run(run(options, Path(folder), address))


if __name__ == "__main__":
    main()
