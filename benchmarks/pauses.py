"""Originates after a pause was answered: none, over many pauses at a hundred calls a second.

The witness is SIPp: an INVITE that it logs between the answer to a pause and the request to resume has left too late.
Its clock is this machine's. A pause that is answered 202 has said itself how many originates were still under way; it
is counted apart.

    python -m benchmarks.pauses [--json]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, report
from benchmarks.prepared import csv_list, people
from benchmarks.sizes import sized
from benchmarks.testbed import client, create, dialerd, start
from scripts.running import lab
from tests.sipp import callee, invites

RATE = 100
CHANNELS = 60
PAUSES = sized(20, 2)
DIALING = (0.4, 0.8)
"""Seconds between a resume and the next pause: between these."""
QUIET = 0.4
"""Seconds between a pause's answer and the resume."""


@dataclass(frozen=True)
class Pause:
    """One pause; instants in seconds since the epoch."""

    asked: float
    answered: float
    resumed: float
    """When its end was asked for."""
    in_flight: int
    """What the answer admitted to be under way still."""


def pause(opened: httpx.Client, campaign: str) -> Pause:
    """Pause the campaign for a moment."""
    asked = time.time()
    answer = opened.post(f"/v1/campaigns/{campaign}/pause", json={})
    answered = time.time()
    answer.raise_for_status()
    time.sleep(QUIET)
    resumed = time.time()
    opened.post(f"/v1/campaigns/{campaign}/resume", json={}).raise_for_status()
    return Pause(asked, answered, resumed, answer.json().get("in_flight", 0))


def measure(folder: Path) -> list[Figure]:
    """Pause a campaign at speed, again and again; then read the witness's log."""
    with (
        callee("busy", folder / "sipp", log_messages=True) as sipp,
        lab(folder / "lab", trunk=sipp.address) as running,
        dialerd(running, CHANNELS) as process,
        client(process) as opened,
    ):
        count = round(RATE * (PAUSES + 2) * (DIALING[1] + 0.1))
        campaign = create(opened, "pauses", csv_list(people(count)), calls_per_second=RATE)
        start(opened, campaign)
        chosen = random.Random(1)
        pauses = []
        for _ in range(PAUSES):
            time.sleep(chosen.uniform(*DIALING))
            pauses.append(pause(opened, campaign))
    arrived = [invite.at for invite in invites(folder / "sipp" / "messages.log")]
    kept = [one for one in pauses if not one.in_flight]
    late = sum(one.answered < at < one.resumed for one in kept for at in arrived)
    before = sum(one.asked - 0.2 <= at < one.asked for one in pauses for at in arrived)
    waits = [1_000 * (one.answered - one.asked) for one in pauses]
    last = [1_000 * (one.answered - max(at for at in arrived if at < one.answered)) for one in kept]
    return [
        Figure(
            f"originates after the answer, over {len(kept)} pauses", late, "", at_most=0,
            note=f"{before / len(pauses) / 0.2:.0f} calls/s in the 200 ms before a pause",
        ),
        Figure("pauses answered 202: not all had shown themselves in 2 s", len(pauses) - len(kept)),
        Figure("last INVITE → answer, least", min(last), "ms"),
        Figure("pause asked → answered, p50", percentile(waits, 50), "ms", note=f"most {max(waits):.0f} ms"),
    ]  # fmt: skip


def main() -> int:
    """Parse the command line, measure, print. Exit code 1 if an originate left after an answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    print(f"measuring: {PAUSES} pauses at {RATE} calls/s …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        figures = measure(Path(name))
    report("what leaves after a pause", figures, as_json=options.json)
    return 1 if figures[0].missed else 0


if __name__ == "__main__":
    sys.exit(main())
