"""The kill drill in a minute, for every change: the same stage and the same books, fewer deaths."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import pytest

from dialerd.engine.failpoint import Point
from tests.kill import ordeals
from tests.kill.accounts import Terms, survivors
from tests.kill.drill import Drill, numbers, seed, stage
from tests.kill.ordeals import Harm
from tests.kill.proxy import Way
from tests.postgres import Server

pytestmark = pytest.mark.lab

SEED = 20
QUICK = {"DIALERD_DIALING__REFUND_MINUTES": "[0.01,0.02,0.03]"}
TWICE = Terms(max_attempts=2, retry_interval=1.0, ring_timeout=2.0, refund_spacing=(0.6, 1.2, 1.8))
ONCE = Terms(max_attempts=1, retry_interval=1.0, ring_timeout=2.0, refund_spacing=(0.6, 1.2, 1.8))
"""A number that is `lost` is barred for a minute: here it has no second attempt to wait for."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def drill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    folder = tmp_path_factory.mktemp("drill")
    with stage(folder, proxied=True, settings=QUICK, postgres=server) as up:
        yield up


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    chosen = seed(SEED)
    print(f"\n{request.node.name}, KILL_SEED={chosen}")
    return random.Random(chosen)


def test_a_daemon_that_is_killed_and_cut_off_calls_nobody_too_often(drill: Drill, rng: random.Random) -> None:
    assert drill.ari is not None
    campaigns = drill.campaigns(numbers(150, 1, rng), TWICE, rate=15.0)
    busy = ordeals.kill_daemon(drill, rng, 8, longest=3.0)
    ordeals.kill_workers(drill, rng, 2)
    ordeals.die_at(drill, rng, rng.sample(list(Point), 2))
    ordeals.harm_connections(drill, [Harm("ARI cut", drill.ari.cut, 0.2, drill.ari.heal)])
    books = ordeals.reckon(drill, campaigns, TWICE, 90)
    assert busy > 0
    assert books.figures["lost"] == 0, "Asterisk lived, and its call records tell all"


@pytest.mark.parametrize("drill", ["sqlite"], indirect=True)
def test_an_asterisk_that_is_killed_loses_calls_and_refunds_none_that_rang(
    drill: Drill, rng: random.Random
) -> None:
    campaigns = drill.campaigns(numbers(40, 2, rng), ONCE, rate=15.0)
    ordeals.kill_asterisk(drill, rng, 1)
    ordeals.reckon(drill, campaigns, ONCE, 90)
    assert survivors(drill.contacts(campaigns), drill.sights(), drill.pbx_kills) == []


@pytest.mark.parametrize("drill", ["postgres"], indirect=True)
def test_a_store_that_is_killed_and_cut_off_loses_nothing(
    drill: Drill, rng: random.Random, postgres: Server
) -> None:
    assert drill.store is not None
    campaigns = drill.campaigns(numbers(80, 3, rng), TWICE, rate=8.0)
    harms = [
        Harm("PostgreSQL crashed", lambda: postgres.stop(signal.SIGQUIT), 0.0, postgres.start),
        Harm("PostgreSQL cut", drill.store.cut, 0.2, drill.store.heal),
        Harm("PostgreSQL stalled", lambda: drill.store.stall(*Way), 5.0, drill.store.heal),
    ]
    ordeals.harm_connections(drill, harms)
    books = ordeals.reckon(drill, campaigns, TWICE, 90)
    assert books.figures["lost"] == 0, "Asterisk lived, and its call records tell all"
