"""Contact lists over HTTP: one of 10,000 rows, and 1,000,000 rows in random order as a hundred such lists.

What is timed is what a user waits for: the upload, the validation of every row, the do-not-call list (10,000 entries),
the legal hours, and the commit. Two clients send the lists, as one that waits for each answer would leave the helper
process idle while its rows are written.

    python -m benchmarks.imports [--json]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.figures import Figure, report
from benchmarks.prepared import MADE, csv_list, people
from benchmarks.sizes import RUNS, sized
from benchmarks.testbed import client, create, dialerd, peak_memory
from dialerd.core.dnc import DncEntry
from dialerd.core.journal import DncChanged
from dialerd.store.sqlite import SqliteStore
from scripts.running import Daemon, lab

ROWS = sized(10_000, 500)
LISTS = sized(100, 3)
CLIENTS = 2
LISTED = 10_000
"""Entries of the do-not-call list."""


async def list_numbers(path: Path) -> None:
    """A store with a do-not-call list, a hundredth of which is in the first list of contacts."""
    store = SqliteStore(path, "bench")
    await store.open()
    try:
        numbers = [one.phone for one in people(LISTED, first=ROWS - ROWS // 100)]
        await store.commit(
            [DncChanged(1, tuple(DncEntry(number, "asked", "bench", MADE) for number in numbers))]
        )
    finally:
        await store.close()


def one_list(process: Daemon, contacts: bytes) -> float:
    """Seconds until a list is a campaign."""
    with client(process) as opened:
        began = time.monotonic()
        create(opened, "import", contacts)
        return time.monotonic() - began


def measure(folder: Path) -> list[Figure]:
    """The same list a few times, then many."""
    nobody = "127.0.0.1:9"
    with lab(folder / "lab", trunk=nobody) as running:
        state = Path(running.env["DIALERD_STATE_DIR"])
        state.mkdir(parents=True, exist_ok=True)
        uvloop.run(list_numbers(state / "dialerd.db"))
        with dialerd(running, 20, DIALERD_DIALING__LEGAL_HOURS="on") as process:
            first = csv_list(people(ROWS))
            singles = [one_list(process, first) for _ in range(max(RUNS, 2))]
            lists = [csv_list(people(ROWS, first=number * ROWS)) for number in range(LISTS)]
            print(f"measuring: {LISTS} lists of {ROWS:,} rows …", file=sys.stderr)
            began = time.monotonic()
            with ThreadPoolExecutor(CLIENTS) as clients:
                took = list(clients.map(lambda contacts: one_list(process, contacts), lists))
            whole = time.monotonic() - began
            peak = peak_memory(process.process.pid)
    rows = ROWS * LISTS
    return [
        Figure(
            f"import of {ROWS:,} rows ({len(first) // 1_000} kB of CSV)", median(singles), "s",
            at_most=1, note=f"median of {len(singles)}, most {max(singles):.2f} s; {LISTED:,} numbers on the DNC list",
        ),
        Figure(
            f"import of {rows:,} rows in random order", whole, "s", at_most=60,
            note=f"{LISTS} lists by {CLIENTS} clients, {rows / whole:,.0f} rows/s, most {max(took):.2f} s a list",
        ),
        Figure("resident memory of the daemon, peak", peak, "MB"),
    ]  # fmt: skip


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    print(f"measuring: lists of {ROWS:,} rows …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        figures = measure(Path(name))
    report("contact lists over HTTP", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
