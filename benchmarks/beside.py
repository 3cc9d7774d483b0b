"""Whether calls that engines hold slow dialing down: a full trunk alone, and beside bridged calls, in the same run.

A trunk with few channels is kept full of busy callees, as in `benchmarks.latency`, measured inside the daemon: first
alone, then while calls over a second trunk are held by a bot over Twilio Media Streams that repeats what it hears. The
bot, Asterisk, the callees and the daemon share the machine's cores, so how long the daemon waited for one stands beside
the figures.

    python -m benchmarks.beside [--json] [--held 100]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, report
from benchmarks.hearing import answering
from benchmarks.latency import BUSY_SOON, MS, refills
from benchmarks.media import NAMES, RATE, SETTLE, begun, echo_bot
from benchmarks.prepared import csv_list, people
from benchmarks.sizes import RUNS, sized
from benchmarks.tap import VARIABLE, Notes, read
from benchmarks.testbed import client, core_wait, create, dialerd, start, wait_answered, wait_completed
from scripts.running import Daemon, lab
from tests.sipp import play

KIND = "twilio-stream"
CHANNELS = 8
CALLS = sized(2_000, 80)
ROUNDS = min(RUNS, 2)
HELD_PREFIX = "+1556"
"""Of the numbers that engines talk with: they have a trunk of their own."""


@dataclass
class Side:
    """What was seen alone, or beside."""

    held: int
    windows: list[tuple[float, float]] = field(default_factory=list)
    """On the machine's monotonic clock: when a campaign ran."""
    waited: list[float] = field(default_factory=list)
    """Of each of them, the seconds for which the daemon was ready to run and had no core."""


def settings(held: int, bot: dict[str, str]) -> dict[str, str]:
    """A second trunk, and the engine that talks over it."""
    room = str(held + 10)
    engine = {"KIND": KIND, "MAX_SESSIONS": room, **bot}
    spare = {
        "ENDPOINT": "spare", "CALLER_IDS": json.dumps(["+15550100100"]), "NUMBER_FORMAT": "digits",
        "MAX_CHANNELS": room, "CALLS_PER_SECOND": "1000", "PREFIXES": json.dumps([HELD_PREFIX]),
    }  # fmt: skip
    return {
        "DIALERD_MEDIA__MAX_SESSIONS": str(held + CHANNELS + 10),
        **{f"DIALERD_ENGINES__{NAMES[KIND].upper()}__{name}": value for name, value in engine.items()},
        **{f"DIALERD_TRUNKS__SPARE__{name}": value for name, value in spare.items()},
    }


@contextmanager
def calls_held(opened: httpx.Client, held: int) -> Iterator[None]:
    """So many calls are talked with while the block lasts. Raises `TimeoutError` if they do not come about."""
    campaign = begun(opened, held, "bench")
    wait_answered(opened, campaign, held, held / RATE + 30)
    time.sleep(SETTLE)
    yield
    if live(opened) < held:
        raise RuntimeError(f"only {live(opened)} of {held} calls were held to the end")
    opened.post(f"/v1/campaigns/{campaign}/stop", json={"calls": "hangup"}).raise_for_status()
    deadline = time.monotonic() + 30
    while live(opened):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{live(opened)} calls that were hung up have not ended")
        time.sleep(0.1)


def live(opened: httpx.Client) -> int:
    """Calls now."""
    return int(opened.get("/v1/status").json()["live_calls"])


def dial(opened: httpx.Client, process: Daemon, side: Side, number: int) -> None:
    """Keep the trunk full once."""
    contacts = people(CALLS, first=number * CALLS)
    campaign = create(opened, f"busy {number}", csv_list(contacts))
    since, waited = time.monotonic(), core_wait(process)
    start(opened, campaign)
    wait_completed(opened, campaign)
    side.windows.append((since, time.monotonic()))
    side.waited.append(core_wait(process) - waited)


def measure(held: int, folder: Path) -> list[Figure]:
    """Alone and beside, in turns."""
    alone, beside = Side(0), Side(held)
    with (
        play(BUSY_SOON, "busy", folder / "busy") as busy,
        answering(folder / "sipp", talks=True) as (sipp, _),
        lab(folder / "lab", trunk=busy.address, spare=sipp.address) as running,
        echo_bot(KIND, running) as bot,
    ):
        tap = {VARIABLE: str(folder / "notes.json")}
        with dialerd(running, CHANNELS, **settings(held, bot), **tap) as process, client(process) as opened:
            process.ctl("agent", "create", "--id", "bench", "--name", "bench", "--engine", NAMES[KIND])
            for round_number in range(ROUNDS):
                print(f"measuring: alone, then beside {held} calls …", file=sys.stderr)
                dial(opened, process, alone, 2 * round_number)
                with calls_held(opened, held):
                    dial(opened, process, beside, 2 * round_number + 1)
    return figures(read(folder / "notes.json"), alone, beside)


def within(notes: Notes, window: tuple[float, float]) -> Notes:
    """What was noted in this time. No call of an engine begins or ends in it."""
    since, until = window
    return replace(
        notes,
        originates=[one for one in notes.originates if since <= one[0] <= until],
        ends=[one for one in notes.ends if since <= one[0] <= until],
    )


def seen(notes: Notes, side: Side) -> tuple[list[float], float]:
    """Of one side: milliseconds from a freed slot to the next originate, net of commits; originates a second."""
    waits: list[float] = []
    rates = []
    for window in side.windows:
        own = within(notes, window)
        found = refills(own, CHANNELS)
        waits += [MS * (whole - spent) for whole, spent in found]
        rates.append((len(own.originates) - 1) / (own.originates[-1][0] - own.originates[0][0]))
    return waits, sum(rates) / len(rates)


def figures(notes: Notes, alone: Side, beside: Side) -> list[Figure]:
    """Both sides and their ratio."""
    found = []
    p99s, rates = [], []
    for side, where in ((alone, "alone"), (beside, f"beside {beside.held} calls on engines")):
        waits, rate = seen(notes, side)
        p99s.append(percentile(waits, 99))
        rates.append(rate)
        lasted = sum(until - since for since, until in side.windows)
        waited = MS * sum(side.waited) / lasted
        what = f"{len(waits):,} refills, median {percentile(waits, 50):.2f} ms; waited {waited:.0f} ms/s for a core"
        found.append(
            Figure(f"slot freed → next originate, {where}, p99", p99s[-1], "ms", at_most=10, note=what)
        )
        found.append(Figure(f"originates a second, {where}", rate, note=f"{CHANNELS} channels, busy callees"))
    found.append(
        Figure(
            "slot freed → next originate, p99, beside ÷ alone",
            p99s[1] / p99s[0],
            at_most=1.5,
            note="net of commits",
        )
    )
    found.append(Figure("originates a second, beside ÷ alone", rates[1] / rates[0], at_least=0.9))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--held", type=int, default=sized(100, 10), help="calls that engines hold")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        found = measure(options.held, Path(name))
    report("Dialing beside engines", found, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
