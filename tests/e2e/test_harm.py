"""Harm from outside while a campaign runs: to the disk, to the database, to the answers of Asterisk.

Dialing stops rather than guesses and says why, goes on by itself, loses nothing and calls nobody twice.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from io import RawIOBase
from pathlib import Path

import pytest

from tests.e2e.site import ON_THE_WAY, STARTS, Site, numbers
from tests.kill.accounts import Terms
from tests.kill.drill import interpose

pytestmark = pytest.mark.lab

TERMS = Terms(max_attempts=2, retry_interval=1.0, ring_timeout=1.5)
BEFORE = 6
"""Calls that are placed before the harm is done."""
LASTS = 2.0
"""Seconds of harm in which nothing may be dialed: the daemon tries again each second."""
LATE = 7.0
"""Seconds: the daemon waits for five."""
DAMAGED = ("damaged", "restored from a backup")
PRIVATELY = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
SMALL_DISK = 'mount -t tmpfs -o size=12m state "$DIALERD_STATE_DIR" && exec "$0" "$@"'
AS_ROOT = () if os.getuid() == 0 else ("sudo",)


def dialing(site: Site, series: int) -> tuple[str, list[str]]:
    """A campaign that has begun to dial, and its numbers."""
    called = numbers(series, 36, 0, 50, 1, 2)
    campaign = site.operator.campaign(
        called,
        max_attempts=TERMS.max_attempts,
        retry_interval_minutes=TERMS.retry_interval / 60,
        ring_timeout_seconds=TERMS.ring_timeout,
        calls_per_second=15,
    )
    site.await_dialing(called, BEFORE)
    return campaign, called


def stops(site: Site, campaign: str, called: list[str], reason: str, *words: str) -> None:
    """Nothing is dialed while the harm lasts, and the daemon says why: `reason`, in these words."""
    operator = site.operator
    operator.await_problem(*words)
    detail = operator.blockers(campaign)[reason]["detail"]
    assert all(word in detail for word in words)
    since = time.time()
    time.sleep(LASTS)
    assert not operator.ready().ready
    assert [sight for sight in site.dialed(called) if sight.at > since + ON_THE_WAY] == []


def goes_on(site: Site, campaign: str) -> None:
    """Dialing has gone on by itself: everybody was called as promised, and the books agree with the callees."""
    site.operator.await_end(campaign)
    books = site.books([campaign], TERMS)
    assert books.breaches == ()
    assert books.figures["lost"] == 0
    assert site.ledger.miscounted(campaign) == {}
    assert site.faults() == []


def fill(file: RawIOBase) -> None:
    """Write until there is no room."""
    while file.write(bytes(4_096)):
        pass


def without_contacts(database: Path, good: bytes) -> bytes:
    """A good database with the first page of its contacts overwritten."""
    database.write_bytes(good)
    with closing(sqlite3.connect(database)) as look:
        [[size]] = look.execute("PRAGMA page_size")
        [[page]] = look.execute("SELECT rootpage FROM sqlite_master WHERE name = 'contacts'")
    return good[: (page - 1) * size] + b"#" * size + good[page * size :]


@contextmanager
def immutable(files: list[Path]) -> Iterator[None]:
    """Nobody may write to these files, root included."""
    subprocess.run([*AS_ROOT, "chattr", "+i", *map(str, files)], check=True)
    try:
        yield
    finally:
        subprocess.run([*AS_ROOT, "chattr", "-i", *map(str, files)], check=True)


def test_a_full_disk(site: Site) -> None:
    site.within = (*PRIVATELY, SMALL_DISK)
    site.private = True
    site.state.mkdir()
    site.open().await_ready()
    campaign, called = dialing(site, 40)
    ballast = site.inside / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        fill(file)
    stops(site, campaign, called, "store", "free some disk space")
    ballast.unlink()
    goes_on(site, campaign)


def test_a_database_that_somebody_else_has_locked_and_that_may_not_be_written_after_it(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 41)
    database = site.state / "dialerd.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        stops(site, campaign, called, "store", "locked", "another program")
        # The third file is mapped memory: whoever writes there when he may not is killed by the kernel.
        with immutable([database, database.with_name("dialerd.db-wal")]):
            somebody.close()
            stops(site, campaign, called, "store", "writable for the daemon's user")
    goes_on(site, campaign)


def test_a_do_not_call_list_that_cannot_be_read(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 42)
    site.daemon.stop()
    database = site.state / "dialerd.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("ALTER TABLE dnc RENAME TO dnc_away")
    since = time.time()
    site.open()
    stops(site, campaign, called, "dnc-list", "do-not-call list cannot be read")
    assert [sight for sight in site.dialed(called) if sight.at > since] == []
    with closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("ALTER TABLE dnc_away RENAME TO dnc")
    goes_on(site, campaign)


def test_a_damaged_database_dials_nobody_until_it_is_restored(site: Site) -> None:
    site.open().await_ready()
    campaign, called = dialing(site, 43)
    site.daemon.stop()
    since = time.time()
    database = site.state / "dialerd.db"
    good = database.read_bytes()

    database.write_bytes(b"#" * 16 + good[16:])
    site.start()
    assert site.daemon.process.wait(STARTS) == 1
    told = site.daemon.log.read_text()
    assert all(word in told for word in DAMAGED)

    database.write_bytes(without_contacts(database, good))
    site.open()
    stops(site, campaign, called, "store", *DAMAGED)
    site.stop()
    assert [sight for sight in site.dialed(called) if sight.at > since] == []

    database.write_bytes(good)
    site.open()
    goes_on(site, campaign)


def test_an_asterisk_that_answers_slowly(site: Site) -> None:
    with ExitStack() as scope:
        interpose(site, scope)
        site.open().await_ready()
        campaign, called = dialing(site, 44)
        assert site.ari is not None
        site.ari.slow(LATE)
        stops(site, campaign, called, "asterisk", "unanswered", "overloaded or stuck")
        site.ari.heal()
        goes_on(site, campaign)
