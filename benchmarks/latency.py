"""How long an originate waits: for a free slot, and for an import that runs beside it.

A real campaign on the real Asterisk with SIPp as the callee, measured inside the daemon (`benchmarks.tap`).

A trunk with few channels is kept full: the k-th call that ends frees the slot that the k-th originate after the first
fill takes. From the end read to the next originate handed over, less what the store took for commits in between; that
is the disk's, and stands beside it.

Then a trunk with room and a steady rate: from the begin of an attempt's commit to Asterisk's reply, first alone, then
while lists of 10,000 rows are imported over HTTP one after another.

    python -m benchmarks.latency [--json]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, report
from benchmarks.prepared import GERMANY, csv_list, people
from benchmarks.sizes import sized
from benchmarks.tap import VARIABLE, Notes, read
from benchmarks.testbed import client, create, dialerd, fdatasync_times, start, wait_completed
from scripts.running import lab
from tests.sipp import callee

RATE = 40
IMPORTED = sized(10_000, 500)
MS = 1_000


def refills(notes: Notes, channels: int) -> list[tuple[float, float]]:
    """Of each freed slot that was filled again: seconds until then, and what of them was spent in commits."""
    starts = [at for at, _ in notes.originates[channels:]]
    waits = []
    # The last ends free slots that nobody is left to take.
    for (freed, _), filled in zip(notes.ends, starts, strict=False):
        spent = sum(
            max(0.0, min(done, filled) - max(begun, freed))
            for begun, done, _ in notes.commits
            if done > freed and begun < filled
        )
        waits.append((filled - freed, spent))
    return waits


def slot_figures(load: str, channels: int, calls: int, folder: Path) -> list[Figure]:
    """One load on a full trunk."""
    with callee(load, folder / "sipp") as sipp, lab(folder / "lab", trunk=sipp.address) as running:
        tap = {VARIABLE: str(folder / "notes.json")}
        with dialerd(running, channels, **tap) as process, client(process) as opened:
            campaign = create(opened, load, csv_list(people(calls)))
            start(opened, campaign)
            wait_completed(opened, campaign)
            synced = [MS * value for value in fdatasync_times(running.folder)]
    notes = read(folder / "notes.json")
    waits = refills(notes, channels)
    net = [MS * (whole - spent) for whole, spent in waits]
    whole = [MS * wait for wait, _ in waits]
    commits = [MS * (done - begun) for begun, done, _ in notes.commits]
    seconds = notes.originates[-1][0] - notes.originates[0][0]
    what = f"slot freed → next originate, {load}, {channels} channels"
    with_it = f"{len(net)} refills at {len(net) / seconds:.0f}/s; median {percentile(net, 50):.2f} ms"
    return [
        Figure(f"{what}, net of commits, p99", percentile(net, 99), "ms", at_most=10, note=with_it),
        Figure(f"{what}, commits included, p99", percentile(whole, 99), "ms"),
        Figure(f"commit, {load}, p99", percentile(commits, 99), "ms", note=_median(commits)),
        Figure("bare fdatasync of 4 KiB, p99", percentile(synced, 99), "ms", note=_median(synced)),
    ]


def _median(values: Sequence[float]) -> str:
    return f"median {percentile(values, 50):.2f} ms"


def import_figures(calls: int, folder: Path) -> list[Figure]:
    """A steady rate, alone and beside imports."""
    with callee("busy", folder / "sipp") as sipp, lab(folder / "lab", trunk=sipp.address) as running:
        # The legal hours are on: what an import has to find out about each number is part of it.
        settings = {VARIABLE: str(folder / "notes.json"), "DIALERD_DIALING__LEGAL_HOURS": "on"}
        with dialerd(running, 200, **settings) as process, client(process) as opened:
            contacts = csv_list(people(2 * calls + RATE, prefix=GERMANY))
            start(opened, create(opened, "steady", contacts, calls_per_second=RATE))
            time.sleep(calls / RATE)
            took = beside(opened, calls / RATE)
    notes = read(folder / "notes.json")
    quiet = [path for path in notes.paths() if path[0] < took[0][0]]
    busy = [
        path for path in notes.paths() if any(begun <= path[0] < begun + seconds for begun, seconds in took)
    ]
    figures = []
    for what, first, last, bound in (
        ("originate: commit begun → Asterisk's reply", 0, 3, 2.0),
        ("originate: committed → Asterisk's reply", 1, 3, None),
        ("originate: commit", 0, 1, None),
    ):
        alone = [MS * (path[last] - path[first]) for path in quiet]
        beside_it = [MS * (path[last] - path[first]) for path in busy]
        idle, loaded = percentile(alone, 99), percentile(beside_it, 99)
        note = (
            f"p99 {loaded:.2f} ms of {len(beside_it)} during imports, {idle:.2f} ms of {len(alone)} without; "
            f"medians {percentile(beside_it, 50):.2f} and {percentile(alone, 50):.2f}"
        )
        figures.append(Figure(f"{what}, p99 during imports ÷ idle", loaded / idle, at_most=bound, note=note))
    seconds = [lasted for _, lasted in took]
    note = f"median of {len(took)}, at {RATE} calls/s"
    figures.append(Figure(f"import of {IMPORTED:,} rows meanwhile", percentile(seconds, 50), "s", note=note))
    return figures


def beside(opened: httpx.Client, seconds: float) -> list[tuple[float, float]]:
    """Import lists one after another for that long; when each began and how long it took."""
    took: list[tuple[float, float]] = []
    contacts = csv_list(people(IMPORTED))
    until = time.monotonic() + seconds
    while not took or time.monotonic() < until:
        began = time.monotonic()
        create(opened, "beside", contacts)
        took.append((began, time.monotonic() - began))
    return took


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        folder = Path(name)
        for load, channels, calls in (("busy", 4, sized(4_000)), ("hang-up", 20, sized(1_000))):
            print(f"measuring: a trunk of {channels} channels, {load} …", file=sys.stderr)
            (folder / load).mkdir()
            figures += slot_figures(load, channels, calls, folder / load)
        print("measuring: originates beside imports …", file=sys.stderr)
        figures += import_figures(sized(1_000, 40), folder)
    report("how long an originate waits", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
