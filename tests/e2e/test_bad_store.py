"""The store on a bad day: dialing stops and says why, goes on by itself, loses nothing and calls nobody twice."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import RawIOBase
from pathlib import Path

import pytest

from tests.e2e.site import ON_THE_WAY, Site, numbers
from tests.kill.accounts import Terms
from tests.kill.drill import until

pytestmark = pytest.mark.lab

TERMS = Terms(max_attempts=2, retry_interval=1.0, ring_timeout=1.5)
BEFORE = 6
"""Calls that are placed before the day turns bad."""
LASTS = 2.0
"""Seconds: several of the daemon's tries to write, one a second."""
TMPFS = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
ROOM = "12m"


def dialing(site: Site, series: int) -> tuple[str, list[str]]:
    """A campaign that has begun to dial, and its numbers."""
    called = numbers(series, 30, 0, 50, 1, 70, 2)
    campaign = site.operator.campaign(
        called,
        max_attempts=TERMS.max_attempts,
        retry_interval_minutes=TERMS.retry_interval / 60,
        ring_timeout_seconds=TERMS.ring_timeout,
        calls_per_second=8,
    )
    site.await_dialing(called, BEFORE)
    return campaign, called


def stops(site: Site, campaign: str, called: list[str], *words: str) -> None:
    """Nothing is dialed while the day is bad, and the daemon says why in these words."""
    operator = site.operator
    operator.await_problem("store", *words)
    detail = operator.blockers(campaign)["store"]["detail"]
    assert all(word in detail for word in words)
    since = time.time()
    until(lambda: time.time() > since + LASTS, 2 * LASTS, "time stands still")
    assert not operator.ready().ready
    assert [sight for sight in site.dialed(called) if sight.at > since + ON_THE_WAY] == []


def goes_on(site: Site, campaign: str) -> None:
    """Dialing has gone on by itself: everybody was called as promised, and the books agree with the callees."""
    site.operator.await_end(campaign)
    books = site.books(campaign, TERMS)
    assert books.breaches == ()
    assert books.figures["lost"] == 0
    assert site.ledger.miscounted(campaign) == {}
    assert site.faults() == []


def fill(file: RawIOBase) -> None:
    """Write until there is no room."""
    while file.write(bytes(4_096)):
        pass


@contextmanager
def immutable(files: list[Path]) -> Iterator[None]:
    """Nobody may write to these files, root included."""
    subprocess.run(["chattr", "+i", *map(str, files)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *map(str, files)], check=True)


def test_a_full_disk(site: Site) -> None:
    site.within = (*TMPFS, f'mount -t tmpfs -o size={ROOM} state "$DIALERD_STATE_DIR" && exec "$0" "$@"')
    site.private = True
    site.state.mkdir()
    site.open().await_ready()
    campaign, called = dialing(site, 40)
    ballast = site.inside / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        fill(file)
    stops(site, campaign, called, "free some disk space")
    ballast.unlink()
    goes_on(site, campaign)


def test_a_database_that_may_not_be_written(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 41)
    # The third file is mapped memory: whoever writes there when he may not is killed by the kernel.
    with immutable([site.state / "dialerd.db", site.state / "dialerd.db-wal"]):
        stops(site, campaign, called, "writable for the daemon's user")
    goes_on(site, campaign)


def test_a_database_that_somebody_else_has_locked(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 42)
    with closing(sqlite3.connect(site.state / "dialerd.db", isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        stops(site, campaign, called, "locked", "another program")
    goes_on(site, campaign)


def test_a_do_not_call_list_that_cannot_be_read(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 43)
    site.daemon.stop()
    database = site.state / "dialerd.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("ALTER TABLE dnc RENAME TO dnc_away")
    since = time.time()
    operator = site.open()
    operator.await_problem("do-not-call list", "cannot be read")
    assert "cannot be read" in operator.blockers(campaign)["dnc-list"]["detail"]
    assert [sight for sight in site.dialed(called) if sight.at > since] == []
    with closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("ALTER TABLE dnc_away RENAME TO dnc")
    goes_on(site, campaign)
