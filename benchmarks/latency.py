"""How long an originate waits: for a free slot, and for an import that runs beside it.

A real campaign on the real Asterisk with SIPp as the callee, measured inside the daemon (`benchmarks.tap`).

A trunk with few channels is kept full, once also while lists of 10,000 rows are imported: the k-th call that ends
frees the slot that the k-th originate after the first fill takes. From the end read to the next originate handed over,
less what the store took for commits in between; that is the disk's, and stands beside it.

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
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, report
from benchmarks.prepared import GERMANY, csv_list, people
from benchmarks.sizes import sized
from benchmarks.stores import shelf
from benchmarks.tap import VARIABLE, Notes, read
from benchmarks.testbed import client, core_wait, create, dialerd, fdatasync_times, start, wait_completed
from scripts.running import lab
from tests.sipp import SCENARIOS, callee, play

WARM_UP = 3
"""Times that every channel is used before refills count: at first all are taken, and freed, together."""
RATE = 40
IMPORTED = sized(10_000, 500)
MS = 1_000


def refills(notes: Notes, channels: int) -> list[tuple[float, float]]:
    """Of each freed slot that was filled again: seconds until then, and what of them was spent in commits."""
    first = WARM_UP * channels
    starts = [at for at, _ in notes.originates[first + channels :]]
    waits = []
    # The last ends free slots that nobody is left to take.
    for (freed, _), filled in zip(notes.ends[first:], starts, strict=False):
        spent = sum(
            max(0.0, min(done, filled) - max(begun, freed))
            for begun, done, _ in notes.commits
            if done > freed and begun < filled
        )
        waits.append((filled - freed, spent))
    return waits


@dataclass(frozen=True)
class Load:
    """Callees on a full trunk. They take different times, or they would all be free at the same instant."""

    name: str
    scenario: str
    channels: int
    calls: int
    beside: float = 0.0
    """Seconds for which lists are imported one after another meanwhile."""


BUSY_SOON = SCENARIOS["busy"].replace("<send>", '<pause distribution="uniform" min="50" max="150"/><send>', 1)
LOADS = (
    Load("busy after 50–150 ms", BUSY_SOON, channels=8, calls=sized(3_000, 60)),
    Load("busy, beside imports", BUSY_SOON, channels=8, calls=sized(2_000, 60), beside=sized(20, 1)),
    Load(
        "hang up after 0.3–0.9 s",
        SCENARIOS["hang-up"].replace(
            '<pause milliseconds="400"/>', '<pause distribution="uniform" min="300" max="900"/>'
        ),
        channels=20,
        calls=sized(1_200, 120),
    ),
)


def slot_figures(load: Load, folder: Path, store: str) -> list[Figure]:
    """One load on a full trunk, with an empty store at this address."""
    channels = load.channels
    with (
        play(load.scenario, "callee", folder / "sipp") as sipp,
        lab(folder / "lab", trunk=sipp.address) as running,
    ):
        tap = {VARIABLE: str(folder / "notes.json"), "DIALERD_STORE__URL": store}
        with dialerd(running, channels, **tap) as process, client(process) as opened:
            campaign = create(opened, load.name, csv_list(people(load.calls)))
            begun, waited = time.monotonic(), core_wait(process)
            start(opened, campaign)
            if load.beside:
                beside(opened, load.beside)
            wait_completed(opened, campaign)
            waited = 1_000 * (core_wait(process) - waited) / (time.monotonic() - begun)
            synced = [MS * value for value in fdatasync_times(running.folder)]
    notes = read(folder / "notes.json")
    waits = refills(notes, channels)
    net = [MS * (whole - spent) for whole, spent in waits]
    whole = [MS * wait for wait, _ in waits]
    commits = [MS * (done - begun) for begun, done, _ in notes.commits]
    seconds = notes.originates[-1][0] - notes.originates[0][0]
    what = f"slot freed → next originate, {load.name}"
    rate = f"{channels} channels, {len(net)} refills at {len(net) / seconds:.0f}/s"
    with_it = f"{rate}; median {percentile(net, 50):.2f} ms; waited {waited:.0f} ms/s for a core"
    return [
        Figure(f"{what}, net of commits, p99", percentile(net, 99), "ms", at_most=10, note=with_it),
        Figure(f"{what}, commits included, p99", percentile(whole, 99), "ms"),
        Figure(f"commit, {load.name}, p99", percentile(commits, 99), "ms", note=_median(commits)),
        Figure("bare fdatasync of 4 KiB, p99", percentile(synced, 99), "ms", note=_median(synced)),
    ]


def _median(values: Sequence[float]) -> str:
    return f"median {percentile(values, 50):.2f} ms"


def import_figures(calls: int, folder: Path, store: str) -> list[Figure]:
    """A steady rate, alone and beside imports, with an empty store at this address."""
    with callee("busy", folder / "sipp") as sipp, lab(folder / "lab", trunk=sipp.address) as running:
        # The legal hours are on: what an import has to find out about each number is part of it.
        settings = {VARIABLE: str(folder / "notes.json"), "DIALERD_DIALING__LEGAL_HOURS": "on"}
        settings["DIALERD_STORE__URL"] = store
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
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name, shelf(Path(name)) as kept:
        folder = Path(name)
        for number, load in enumerate(LOADS):
            print(f"measuring: a full trunk, {load.name} …", file=sys.stderr)
            (folder / str(number)).mkdir()
            figures += slot_figures(load, folder / str(number), kept.new(f"slots{number}"))
        print("measuring: originates beside imports …", file=sys.stderr)
        figures += import_figures(sized(1_000, 40), folder, kept.new("imports"))
    report("how long an originate waits", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
