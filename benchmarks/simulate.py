"""The simulator: 100,000 calls with the production step and plan, legal hours and zones of the callees included.

One campaign of three attempts on one trunk that starts 100 calls a second, over callees of whom a third answers: the
forecast that a user asks for, with what would change it, and the same run with every contact. And a trunk with few
channels, where each turn has one event and costs the most. Nothing else runs here.

    python -m benchmarks.simulate [--json]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure, report
from benchmarks.prepared import MADE, campaign
from benchmarks.sizes import sized
from dialerd.core.clock import Instant, minutes
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact
from dialerd.core.identity import E164, ContactId, TrunkName
from dialerd.core.model import Campaign
from dialerd.core.policy import Policy
from dialerd.core.trunk import Trunk
from dialerd.core.wallclock import DAY
from dialerd.engine.case import Assumptions, Bulk, Case
from dialerd.numbering import Rules, compliance, pin_zones
from dialerd.sim.experience import learn
from dialerd.sim.forecast import tell
from dialerd.sim.run import Budget, Run, Setting, run

CALLS = sized(100_000, 1_000)
TARGET = 10.0
CALLS_EACH = 2.0
"""Calls that a contact takes, on average."""


@dataclass(frozen=True)
class Measured:
    """One run."""

    calls: int
    turns: int
    seconds: float
    busy: float
    """Of the processor."""
    virtual: int
    """Milliseconds that it takes the campaign."""


def dialed() -> Campaign:
    """A campaign of the benchmarks, as it is simulated."""
    return replace(
        campaign(0),
        max_attempts=3,
        retry_interval=minutes(60),
        end_at=Instant(MADE + 300 * DAY),
        start_at=MADE,
    )


def made(contacts: int, channels: int, rate: float) -> tuple[Case, Bulk]:
    """A campaign with its contacts, as a forecast is asked for."""
    one = dialed()
    trunk = Trunk(TrunkName("bench"), "bench", (E164("+15550100100"),), channels, rate)
    policy = Policy(min_gap=minutes(15), refund_spacing=(minutes(1), minutes(5), minutes(15)))
    people = [
        Contact(ContactId(number), one.id, E164(f"+9198{number * 7_919_333 % 100_000_000:08d}"))
        for number in range(1, contacts + 1)
    ]
    case = Case(one, Path(), MADE, (trunk,), {}, policy, 100_000, (), Assumptions())
    return case, Bulk(people, {}, [], [])


def simulate(rules: Compliance, contacts: int, channels: int, rate: float) -> Measured:
    """Simulate a campaign to its end, with every contact."""
    case, bulk = made(contacts, channels, rate)
    known = learn([], [], case.assumed, lambda phone, zone, at: None)
    setting = Setting(case.campaign, case.trunks, case.sessions)
    gc.collect()
    gc.disable()
    began, spent = time.perf_counter(), time.process_time()
    seen: Run = run(case, bulk, known.habits, rules, setting, Budget(until=float("inf")))
    measured = Measured(
        seen.calls,
        seen.turns,
        time.perf_counter() - began,
        time.process_time() - spent,
        (seen.finished_at or MADE) - MADE,
    )
    gc.enable()
    return measured


def measure() -> list[Figure]:
    """A fast trunk, and a slow one with a twentieth of the contacts."""
    pin_zones()
    rules = compliance(Rules(True, {}, {}), MADE)
    contacts = round(CALLS / CALLS_EACH)
    case, bulk = made(contacts, 4_000, 100.0)
    began = time.perf_counter()
    forecast = tell(case, bulk, rules, Budget(until=float("inf")))
    took = time.perf_counter() - began
    fast = simulate(rules, contacts, 4_000, 100.0)
    slow = simulate(rules, max(500, contacts // 20), 10, 5.0)
    calls = forecast["calls"]["total"]
    return [
        Figure(
            "a forecast of 100,000 calls",
            took * max(1.0, CALLS / calls),
            "s",
            at_most=TARGET,
            note=f"{calls:,} calls, with {forecast['simulated_on']} of the contacts and of the limits; "
            f"{len(forecast['changes'])} changes tried",
        ),
        Figure(
            "its end ÷ that with every contact",
            1_000 * forecast["seconds"] / fast.virtual,
            note=f"calls: {calls:,} and {fast.calls:,}",
        ),
        Figure(
            "100,000 calls simulated with every contact",
            fast.seconds * 100_000 / fast.calls,
            "s",
            note=f"{fast.calls:,} calls in {fast.turns:,} turns took {fast.seconds:.1f} s, {fast.busy:.1f} s of a core",
        ),
        Figure("a call, 100 a second", 1e6 * fast.seconds / fast.calls, "µs"),
        Figure(
            "a call, 10 channels",
            1e6 * slow.seconds / slow.calls,
            "µs",
            note=f"{slow.calls:,} calls in {slow.turns:,} turns",
        ),
    ]


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    report("Simulator", measure(), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
