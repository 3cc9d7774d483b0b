"""A worker that is started while another one comes to answer in its place: never two of them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from dialerd.media.process import WorkerProcess, spawn
from tests.adapters.waiting import until
from tests.media.fake_asterisk import fake_asterisk
from tests.media.pool_daemon import WORKER, Daemon, daemon, processes_of

LATE = """\
import pathlib, runpy, sys, time
while not pathlib.Path({go!r}).exists():
    time.sleep(0.02)
runpy.run_module("tests.media.worker_process", run_name="__main__")
"""
"""A worker that does not listen before a file is there."""


@pytest.fixture(autouse=True)
def where_tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


async def start(boss: Daemon) -> int:
    """Let the daemon start its worker."""
    supervisor = boss.pool.seats[0].supervisor
    boss.running = asyncio.create_task(boss.pool.run())
    await until(lambda: supervisor._process is not None)
    return boss.pid


def another(boss: Daemon, **variables: str) -> WorkerProcess:
    """A worker that somebody else has started, at the same socket."""
    supervisor = boss.pool.seats[0].supervisor
    # Without the Python program that the late one is.
    arguments = supervisor._command[3:]
    return spawn([*WORKER, *arguments], {**os.environ, **variables}, supervisor._secret)


async def test_one_that_is_not_needed_any_more_does_not_live_on(tmp_path: Path) -> None:
    late = (sys.executable, "-c", LATE.format(go=str(tmp_path / "go")))
    async with fake_asterisk() as fake, daemon(tmp_path, fake, command=late, run=False) as boss:
        first = await start(boss)
        other = another(boss)
        await boss.ready()
        assert boss.pid == other.pid
        await until(lambda: processes_of(tmp_path) == [other.pid])
        assert first != other.pid
    assert processes_of(tmp_path) == []


async def test_one_goes_on_starting_while_one_of_another_version_is_ended(tmp_path: Path) -> None:
    late = (sys.executable, "-c", LATE.format(go=str(tmp_path / "go")))
    async with fake_asterisk() as fake, daemon(tmp_path, fake, command=late, run=False) as boss:
        first = await start(boss)
        other = another(boss, WORKER_VERSION="99")
        assert await other.wait_ended(20)
        (tmp_path / "go").touch()
        await boss.ready()
        assert boss.pid == first
        assert processes_of(tmp_path) == [first]
    assert processes_of(tmp_path) == []
