"""A campaign on PostgreSQL while its server is away: that is named, nothing is dialed, and it goes on by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.site import ON_THE_WAY, Network, Site, numbers, site_of
from tests.kill.drill import keep_in
from tests.postgres import Server

pytestmark = pytest.mark.lab

AWAY: dict[str, tuple[Callable[[Server], None], Callable[[Server], None]]] = {
    "stopped": (lambda server: server.stop(signal.SIGINT), Server.start),
    "crashed": (lambda server: server.stop(signal.SIGQUIT), Server.start),
    "frozen": (Server.pause, Server.resume),
    "failed over": (Server.demote, Server.promote),
}
BUSY = 50
"""An ending of numbers that are busy."""


@pytest.fixture
def site(network: Network, tmp_path: Path, postgres: Server) -> Iterator[Site]:
    with site_of(network, tmp_path) as made:
        keep_in(made, postgres)
        yield made


@pytest.mark.parametrize("how", sorted(AWAY))
def test_dialing_stops_with_its_database_and_goes_on_with_it(site: Site, postgres: Server, how: str) -> None:
    leave, come_back = AWAY[how]
    operator = site.open()
    operator.await_ready()
    called = numbers(10 + sorted(AWAY).index(how), 32, BUSY)
    campaign = operator.campaign(called, max_attempts=1, calls_per_second=4)
    site.await_dialing(called, 5)
    leave(postgres)
    try:
        operator.await_problem("store", site.database or "", seconds=30)
        assert f"{site.database} failed" in operator.blockers(campaign)["store"]["detail"]
        time.sleep(ON_THE_WAY)
        dialed = len(site.dialed(called))
        time.sleep(2 * ON_THE_WAY)
        assert len(site.dialed(called)) == dialed
        assert not operator.ready().ready
    finally:
        come_back(postgres)
    operator.await_ready()
    operator.await_end(campaign)
    assert len(site.dialed(called)) == len(called), "each is called once, none twice"
    assert set(site.states(campaign).values()) == {"finished"}
    assert site.faults() == []


def test_a_daemon_waits_for_a_database_that_is_not_up_yet(site: Site, postgres: Server) -> None:
    postgres.stop(signal.SIGINT)
    try:
        site.start()
        deadline = time.monotonic() + 30
        while "store.not_open" not in site.daemon.log.read_text():
            assert time.monotonic() < deadline, "the daemon does not say that it waits"
            time.sleep(0.05)
    finally:
        postgres.start()
    site.daemon.wait_ready()
