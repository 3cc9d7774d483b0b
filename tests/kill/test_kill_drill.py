"""The kill drill: a campaign through every death that can be arranged, with SIPp as the witness (`make test-kill`)."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.kill.accounts import Terms
from tests.kill.drill import numbers, seed, spread, stage

pytestmark = pytest.mark.kill

TERMS = Terms(max_attempts=2, retry_interval=3.0, ring_timeout=4.0)


def test_a_daemon_killed_at_a_hundred_instants_calls_nobody_too_often(tmp_path: Path) -> None:
    chosen = seed()
    rng = random.Random(chosen)
    print(f"\n100 kills, seed {chosen}")
    with stage(tmp_path) as drill:
        campaign = drill.campaign(numbers(2_000, 1, rng), TERMS, rate=12.0)
        open_at_kill = []
        for _ in range(100):
            time.sleep(rng.uniform(0.2, 6.5))
            open_at_kill.append(drill.kill())
            drill.start()
        spanned = drill.ledger.status(campaign)
        drill.await_end(campaign, 600)
        books, faults, resumed = drill.books(campaign, TERMS), drill.faults(), drill.resumed()
    busy = sum(count > 0 for count in open_at_kill)
    print(f"  kills with an attempt open: {busy} of 100, {sum(open_at_kill)} attempts in all")
    print(f"  from start to first try: {spread(resumed)}")
    print(f"  {books}")
    assert spanned == "running", "dialing must span all kills"
    assert busy >= 80
    assert resumed
    assert faults == []
    assert books.breaches == ()
