"""The kill drill: a campaign through every death that can be arranged, with SIPp as the witness (`make test-kill`)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dialerd.engine.failpoint import Point
from tests.kill import ordeals
from tests.kill.accounts import Terms, survivors
from tests.kill.drill import numbers, seed, stage
from tests.kill.ordeals import Harm
from tests.postgres import Server

pytestmark = pytest.mark.kill

STORES = pytest.mark.parametrize("store", ["sqlite", "postgres"])
TERMS = Terms(max_attempts=2, retry_interval=3.0, ring_timeout=4.0)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    chosen = seed()
    print(f"\n{request.node.name}, KILL_SEED={chosen}")
    return random.Random(chosen)


@pytest.fixture
def server(request: pytest.FixtureRequest, store: str) -> Server | None:
    """The PostgreSQL that the daemon's store is on, if it is not a file."""
    return request.getfixturevalue("postgres") if store == "postgres" else None


@STORES
def test_a_daemon_killed_at_a_hundred_instants_calls_nobody_too_often(
    tmp_path: Path, rng: random.Random, server: Server | None
) -> None:
    with stage(tmp_path, postgres=server) as drill:
        campaigns = drill.campaigns(numbers(2_000, 1, rng), TERMS, rate=12.0)
        busy = ordeals.kill_daemon(drill, rng, 100)
        assert drill.is_running(campaigns), "dialing must span all kills"
        assert busy >= 80
        books = ordeals.reckon(drill, campaigns, TERMS, 600)
        assert drill.resumed()
    assert books.figures["lost"] == 0, "Asterisk lived, and its call records tell all"


@STORES
def test_a_daemon_that_dies_on_either_side_of_each_boundary_calls_nobody_too_often(
    tmp_path: Path, rng: random.Random, server: Server | None
) -> None:
    with stage(tmp_path, postgres=server) as drill:
        campaigns = drill.campaigns(numbers(300, 2, rng), TERMS, rate=12.0)
        ordeals.die_at(drill, rng, list(Point))
        books = ordeals.reckon(drill, campaigns, TERMS, 200)
    assert books.figures["lost"] == 0
    assert books.figures["tries never sent"] > 0, "that of after-commit never left"


@STORES
def test_media_workers_killed_twenty_times_leave_nobody_alone_and_no_recording_lost(
    tmp_path: Path, rng: random.Random, server: Server | None
) -> None:
    with stage(tmp_path, postgres=server) as drill:
        campaigns = drill.campaigns(numbers(500, 6, rng), TERMS, rate=8.0)
        ordeals.kill_workers(drill, rng, 20)
        books = ordeals.reckon(drill, campaigns, TERMS, 300)
    assert len(drill.worker_kills) >= 15
    assert books.figures["lost"] == 0, "Asterisk lived, and its call records tell all"


@STORES
def test_an_asterisk_killed_ten_times_loses_calls_and_refunds_none_that_rang(
    tmp_path: Path, rng: random.Random, server: Server | None
) -> None:
    with stage(tmp_path, postgres=server) as drill:
        campaigns = drill.campaigns(numbers(400, 3, rng), TERMS, rate=8.0)
        ordeals.kill_asterisk(drill, rng, 10)
        books = ordeals.reckon(drill, campaigns, TERMS, 300)
        assert survivors(drill.contacts(campaigns), drill.sights(), drill.pbx_kills) == []
    assert books.figures["lost"] > 0


@STORES
def test_connections_that_are_cut_stall_or_go_half_open_leak_nothing(
    tmp_path: Path, rng: random.Random, server: Server | None
) -> None:
    with stage(tmp_path, proxied=True, postgres=server) as drill:
        assert drill.ari is not None
        assert drill.ami is not None
        campaigns = drill.campaigns(numbers(700, 4, rng), TERMS, rate=8.0)
        harms = [
            *ordeals.harms_of("ARI", drill.ari),
            Harm("a request held back on ARI's events socket", drill.ari.strand, 12.0, drill.ari.heal),
            Harm("Asterisk frozen", drill.freeze_asterisk, 8.0, drill.thaw_asterisk),
            *ordeals.harms_of("AMI", drill.ami),
        ]
        ordeals.harm_connections(drill, harms)
        books = ordeals.reckon(drill, campaigns, TERMS, 300)
    assert books.figures["lost"] == 0, "the same Asterisk lived through it all, and its call records tell all"


def test_a_store_that_crashes_and_is_cut_off_loses_nothing_and_repeats_nothing(
    tmp_path: Path, rng: random.Random, postgres: Server
) -> None:
    with stage(tmp_path, proxied=True, postgres=postgres) as drill:
        assert drill.store is not None
        campaigns = drill.campaigns(numbers(900, 5, rng), TERMS, rate=8.0)
        harms = ordeals.harms_of_store(postgres, drill.store) * 2
        rng.shuffle(harms)
        assert len(harms) >= 10
        ordeals.harm_connections(drill, harms)
        books = ordeals.reckon(drill, campaigns, TERMS, 300)
    assert books.figures["lost"] == 0, "Asterisk lived through it all, and its call records tell all"
