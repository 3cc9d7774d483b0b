"""The store and the life of its process: a lock that dies with it, and an end that nothing holds up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from dialerd.core.clock import Instant
from dialerd.core.errors import PortError
from dialerd.core.journal import NumberFreed
from dialerd.store.sqlite import SqliteStore

HOLDER = """
import asyncio, sys
from dialerd.core.journal import NumberFreed
from dialerd.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], "holder")
    await store.open()
    await store.commit([NumberFreed("+919876500001", 7)])
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""

CARELESS = """
import asyncio, sys
from dialerd.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], "careless")
    try:
        await store.open()
        raise ValueError("something else went wrong")
    finally:
        await store.close()

asyncio.run(main())
"""


async def run(code: str, path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def test_the_lock_names_its_holder_and_dies_with_it(path: Path) -> None:
    holder = await run(HOLDER, path)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    store = SqliteStore(path, "d1")
    with pytest.raises(PortError) as caught:
        await store.open()
    assert re.search(rf"instance 'holder' \(pid {holder.pid}, since 20\S+Z\)", str(caught.value))
    os.kill(holder.pid, signal.SIGKILL)
    await holder.communicate()
    await store.open()
    assert (await store.open_state(Instant(0))).rested == {"+919876500001": 7}
    await store.close()


async def test_an_error_after_opening_ends_the_process(path: Path) -> None:
    careless = await run(CARELESS, path)
    async with asyncio.timeout(20):
        _, errors = await careless.communicate()
    assert careless.returncode == 1
    assert b"something else went wrong" in errors


async def test_a_lock_file_left_behind_is_no_obstacle(path: Path) -> None:
    path.with_name("dialerd.db.lock").write_text("not what we write\n")
    store = SqliteStore(path, "d1")
    await store.open()
    await store.commit([NumberFreed("+919876500001", 7)])
    await store.close()


async def test_a_holder_that_has_not_told_its_name_yet_is_another_process(path: Path) -> None:
    store = SqliteStore(path, "d1")
    await store.open()
    path.with_name("dialerd.db.lock").write_text("")
    with pytest.raises(PortError, match="in use by another process"):
        await SqliteStore(path, "d2").open()
    await store.close()
