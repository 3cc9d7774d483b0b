"""What is done to a running campaign, and the reckoning after it."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialerd.engine.failpoint import Point
from tests.kill.accounts import Books, Terms
from tests.kill.drill import POLL, Drill, until
from tests.kill.proxy import Proxy, Way
from tests.postgres import Server

LONGEST_LIFE = 6.5
"""Seconds that a daemon lives at most between two kills; it needs two of them to start."""
PATIENCE = 15.0
"""Seconds after which a daemon with nothing due to be dialed is killed all the same."""
REBOOTS = 5.0
"""Seconds that an Asterisk which was started again, and a daemon's way back to it, may take."""
RESUMES = 60.0
"""Seconds after which dialing counts as not resumed at all."""


@dataclass(frozen=True)
class Harm:
    """What is done to a server of the daemon or the way there, for how many seconds, and how it ends."""

    what: str
    begin: Callable[[], None]
    seconds: float
    end: Callable[[], None]


def kill_daemon(drill: Drill, rng: random.Random, kills: int, longest: float = LONGEST_LIFE) -> int:
    """SIGKILL the daemon at random instants; returns at how many an attempt was open.

    Every other one is counted from its start, so that it may fall into start-up and recovery, the others from its
    first try, so that it falls into dialing however slow the machine is.
    """
    opened = []
    for kill in range(kills):
        if kill % 2:
            _until_it_dials(drill)
            time.sleep(rng.uniform(0.0, longest / 2))
        else:
            time.sleep(rng.uniform(0.2, longest))
        opened.append(drill.kill())
        drill.start()
    busy = sum(count > 0 for count in opened)
    print(f"  {kills} kills, {busy} with an attempt open ({sum(opened)} attempts in all)")
    return busy


def _until_it_dials(drill: Drill) -> None:
    deadline = time.monotonic() + PATIENCE
    while not drill.ledger.tries_since(drill.lives[-1].began) and time.monotonic() < deadline:
        time.sleep(POLL)


def kill_workers(drill: Drill, rng: random.Random, kills: int) -> None:
    """SIGKILL media workers while calls are up; every other time the daemon just before or after."""
    killed = 0
    for kill in range(kills):
        _await_dialing(drill, "after a media worker's death")
        time.sleep(rng.uniform(0.5, 3.0))
        if kill % 4 == 1:
            drill.kill()
        killed += drill.kill_worker(rng)
        if kill % 4 == 3:
            time.sleep(rng.uniform(0.0, 0.2))
            drill.kill()
        if kill % 2:
            drill.start()
    print(f"  {killed} kills of media workers")


def die_at(drill: Drill, rng: random.Random, points: Sequence[Point]) -> None:
    """Have the daemon die at each of these points in turn."""
    drill.kill()
    for point in points:
        drill.start(point, rng.randrange(3, 12))
        drill.await_death()
    drill.start()
    print(f"  died at {', '.join(points)}")


def kill_asterisk(drill: Drill, rng: random.Random, kills: int) -> None:
    """SIGKILL Asterisk while calls are up, and start it again."""
    for _ in range(kills):
        _await_dialing(drill, "after Asterisk's death")
        time.sleep(rng.uniform(0.5, 4.0))
        begun = time.time()
        drill.kill_asterisk()
        drill.harms.append((begun, time.time() + REBOOTS))
    print(f"  {kills} kills of Asterisk")


def harm_connections(drill: Drill, harms: Sequence[Harm]) -> None:
    """Do each of these in turn, with dialing between them."""
    for harm in harms:
        begun = time.time()
        harm.begin()
        time.sleep(harm.seconds)
        harm.end()
        waited = _await_dialing(drill, f"after {harm.what}")
        drill.harms.append((begun, time.time()))
        print(f"  {harm.what} for {harm.seconds:g} s: dialing {waited:.1f} s after")


def harms_of(name: str, link: Proxy) -> list[Harm]:
    """All that can happen to one connection: shorter and longer than the daemon's deadline for a reply (5 s)."""
    return [
        Harm(f"{name} cut", link.cut, 0.5, link.heal),
        Harm(f"{name} stalled towards its server", lambda: link.stall(Way.TO_SERVER), 8.0, link.heal),
        Harm(f"{name} stalled towards the daemon", lambda: link.stall(Way.TO_DAEMON), 8.0, link.heal),
        Harm(f"{name} stalled both ways", lambda: link.stall(*Way), 3.0, link.heal),
        Harm(f"{name} half-open", link.half_open, 9.0, link.heal),
    ]


def harms_of_store(database: Server, link: Proxy) -> list[Harm]:
    """All that can happen to a PostgreSQL server and to the way there."""

    def crash() -> None:
        database.stop(signal.SIGQUIT)

    return [
        Harm("PostgreSQL crashed", crash, 0.0, database.start),
        *harms_of("PostgreSQL", link),
        Harm("PostgreSQL crashed and away", crash, 5.0, database.start),
        Harm("PostgreSQL frozen", database.pause, 8.0, database.resume),
        Harm("PostgreSQL told to stop", lambda: database.stop(signal.SIGINT), 1.0, database.start),
    ]


def reckon(drill: Drill, campaigns: Sequence[str], terms: Terms, seconds: float) -> Books:
    """Let the campaigns end, and hold what is recorded against what was seen; returns the callees' side of it."""
    drill.await_end(campaigns, seconds)
    books = [drill.books(campaigns, terms), *drill.other_books(campaigns)]
    callees, transfers, recordings = books
    resumed = drill.resumed()
    if resumed:
        print(
            f"  from start to first try: median {statistics.median(resumed):.1f} s, "
            f"worst {max(resumed):.1f} s, in {len(resumed)} of {len(drill.lives)} lives"
        )
    for book in books:
        print(f"  {book}")
    print(f"  load average of the last minute: {os.getloadavg()[0]:.1f}")
    assert [breach for book in books for breach in book.breaches] == []
    assert [drill.ledger.miscounted(campaign) for campaign in campaigns] == [{}] * len(campaigns)
    assert drill.faults() == []
    assert transfers.figures["transfers answered"] > 0, "nobody was with a person: nothing was tried"
    assert recordings.figures["recordings"] > 0, "nothing was recorded"
    return callees


def _await_dialing(drill: Drill, when: str) -> float:
    since = time.time()
    until(lambda: drill.ledger.tries_since(since) > 0, RESUMES, f"dialing does not resume {when}")
    return time.time() - since
