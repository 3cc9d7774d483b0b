"""What dialerd costs while there is nothing to do: a paused campaign of 10,000 contacts, everything connected.

python -m benchmarks.idle [--json] [--seconds 20]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, report
from benchmarks.prepared import csv_list, people
from benchmarks.sizes import sized
from benchmarks.testbed import client, cpu_seconds, create, dialerd, family, resident_memory, start
from scripts.running import lab
from tests.sipp import callee

SETTLED = 3.0
"""Seconds after the pause before the measurement begins."""
CONTACTS = sized(10_000, 500)


def measure(seconds: float, folder: Path) -> list[Figure]:
    """Pause a campaign and watch."""
    with (
        callee("busy", folder / "sipp") as sipp,
        lab(folder / "lab", trunk=sipp.address) as running,
        dialerd(running, 20) as process,
    ):
        with client(process) as opened:
            campaign = create(opened, "idle", csv_list(people(CONTACTS)), calls_per_second=5)
            start(opened, campaign)
            time.sleep(1)
            opened.post(f"/v1/campaigns/{campaign}/pause", json={}).raise_for_status()
        time.sleep(SETTLED)
        pids = family(process)
        begun, spent = time.monotonic(), {pid: cpu_seconds([pid]) for pid in pids}
        time.sleep(seconds)
        lasted = time.monotonic() - begun
        shares = [100 * (cpu_seconds([pid]) - spent[pid]) / lasted for pid in pids]
        memory = [resident_memory(pid) for pid in pids]
    parts = " + ".join(f"{share:.2f}" for share in shares)
    note = f"{parts} (daemon and helpers) over {lasted:.0f} s, {CONTACTS:,} contacts wait"
    return [
        Figure("CPU of dialerd's processes, of a core", sum(shares), "%", at_most=0.5, note=note),
        Figure("resident memory, daemon", memory[0], "MB"),
        Figure(
            "resident memory, its helpers",
            sum(memory[1:]),
            "MB",
            note=" + ".join(f"{m:.0f}" for m in memory[1:]),
        ),
    ]


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seconds", type=float, default=sized(20, 3), help="how long to watch")
    options = parser.parse_args()
    print("measuring: nothing to do …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        figures = measure(options.seconds, Path(name))
    report("what dialerd costs at idle", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
