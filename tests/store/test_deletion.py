"""A deletion over the death of its process: nothing of the campaign is seen again, and the rest of it goes later."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from dialerd.clock import SystemClock
from dialerd.core.clock import Millis
from dialerd.core.identity import CampaignId
from dialerd.core.journal import CallClosed, CampaignDoomed
from dialerd.core.model import CampaignStatus
from dialerd.core.policy import Policy
from dialerd.engine.upkeep import Upkeep
from dialerd.ports import CallFilter, CampaignFilter
from dialerd.store.sqlite import SqliteStore
from tests.contracts.stores import ALL, START, admitted, another_campaign, attempt, ending, opening, person

POLICY = Policy(Millis(0), (Millis(0),) * 3)
DELETER = """
import asyncio, sys
from tests.store.test_deletion import POLICY, SystemClock, Upkeep, SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], "deleter")
    await store.open()
    await Upkeep(store, SystemClock(), POLICY).run()

asyncio.run(main())
"""
MANY = 6_000


def left(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM contacts").fetchone()
    return int(count)


async def test_a_deletion_goes_on_where_the_killed_one_was(store: SqliteStore, path: Path) -> None:
    doomed = another_campaign(1, status=CampaignStatus.STOPPED)
    people = await admitted(store, [person(number) for number in range(MANY)], doomed)
    call = attempt(people[0])
    await store.commit([*opening(call), CallClosed(call, ending(call))])
    await admitted(store, [person(1)], another_campaign(2))
    await store.commit([CampaignDoomed(doomed.id, START)])
    await store.close()

    deleter = await asyncio.create_subprocess_exec(sys.executable, "-c", DELETER, str(path))
    async with asyncio.timeout(60):
        while left(path) > MANY - 1_000:
            await asyncio.sleep(0.001)
    os.kill(deleter.pid, signal.SIGKILL)
    await deleter.wait()

    assert 1 < left(path) < MANY, "it was in the middle"
    await store.open()
    assert await store.campaign(doomed.id) is None
    assert (await store.campaigns(CampaignFilter(), ALL))[1] == 1
    assert await store.calls(CallFilter(), ALL) == ([], 0)
    await Upkeep(store, SystemClock(), POLICY).look()
    assert left(path) == 1
    assert list(await store.deletions()) == []
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables
        }
        for table in (table for table in tables if "campaign_id" in columns[table]):
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE campaign_id = ?", (doomed.id,))
            assert found.fetchone() == (0,), table
        assert connection.execute("SELECT count(*) FROM tries").fetchone() == (0,)
    assert await store.campaign(CampaignId(f"cmp_{2:012x}")) is not None
