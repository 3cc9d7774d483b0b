"""Several workers behind one port: calls are spread, and one that is lost costs its own calls only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.errors import PortError
from dialerd.core.identity import CallId
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    RecordingKept,
)
from dialerd.core.model import AgentReport
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.pool_timing import PoolTiming
from dialerd.media.seat import WorkerSeat
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, call_id, order
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, fake_asterisk
from tests.media.pool_daemon import QUICK, Daemon, daemon, processes_of, script

SLOW = (sys.executable, "-c", "import time; time.sleep(60)")
STARTS_SLOWLY = replace(QUICK, supervisor=replace(QUICK.supervisor, start=60.0))
"""For workers that take longer to start than anything may wait."""


@pytest.fixture(autouse=True)
def where_tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert processes_of(tmp_path) == []


@asynccontextmanager
async def two(folder: Path, fake: FakeAsterisk, **settings: Any) -> AsyncIterator[Daemon]:
    """Two workers that hold four calls together."""
    async with daemon(folder, fake, **{"workers": 2, "max_sessions": 4, **settings}) as boss:
        yield boss


async def sessions(boss: Daemon, count: int, times: int = 1) -> None:
    """Return once it was said so often that so many calls can be held."""
    await until(
        lambda: [told.sessions for told in boss.heard.of(MediaCapacity)].count(count) >= times, seconds=20
    )


def place(boss: Daemon, fake: FakeAsterisk, *numbers: int, **changes: Any) -> None:
    for number in numbers:
        fake.answer(call_id(number))
        boss.pool.attach(order(number, **changes))


def homes(boss: Daemon) -> dict[CallId, int]:
    """The worker of each call."""
    return {call: seat.number for seat in boss.pool.seats for call in seat.calls}


def of(boss: Daemon, number: int) -> WorkerSeat:
    return boss.pool.seats[number - 1]


async def test_calls_are_spread_and_each_worker_has_its_own_address(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, two(tmp_path, fake) as boss:
        await boss.pool.prepare(script(), "en-IN")
        await sessions(boss, 4)
        place(boss, fake, 1, 2, 3, 4)
        await boss.heard.wait(AgentHeard, 4)
        assert Counter(homes(boss).values()) == {1: 2, 2: 2}
        legs = [await fake.leg(call_id(number)) for number in range(1, 5)]
        assert Counter(leg.client for leg in legs) == {f"{INSTANCE}-media": 2, f"{INSTANCE}-media-2": 2}
        for leg in legs:
            await leg.press("9")
        await boss.heard.wait(AgentFinished, 4)
        assert all(told.report == DNC for told in boss.heard.of(AgentFinished))
        await until(lambda: fake.bridges == {} and homes(boss) == {})
        await boss.stop()
        assert processes_of(tmp_path) == []


async def test_a_worker_that_dies_costs_its_own_calls_and_dialing_goes_on(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, two(tmp_path, fake) as boss:
        await boss.pool.prepare(script(), "en-IN")
        await sessions(boss, 4)
        place(boss, fake, 1, 2, 3)
        await boss.heard.wait(AgentHeard, 3)
        before = homes(boss)
        lost = {call for call, worker in before.items() if worker == 2}
        os.kill(boss.pid_of(2), signal.SIGKILL)
        await boss.heard.wait(MediaFailed, len(lost))
        assert {told.call for told in boss.heard.of(MediaFailed)} == lost
        assert {told.reason for told in boss.heard.of(MediaFailed)} == {Reason.DROPPED}
        await sessions(boss, 2)
        await sessions(boss, 4, 2)
        whole = [told.sessions for told in boss.heard.of(MediaCapacity)].index(4)
        after = boss.heard.of(MediaCapacity)[whole:]
        assert [told.sessions for told in after] == [4, 2, 4], "never none"
        assert after[1].detail.startswith("media worker 2 of 2: ")
        assert {call for call, worker in homes(boss).items() if worker == 1} == set(before) - lost
        assert set(fake.bridges) == {f"{INSTANCE}-{call}-1-b" for call in set(before) - lost}, (
            "swept its own only"
        )
        for call in set(before) - lost:
            await (await fake.leg(call)).press("9")
        await boss.heard.wait(AgentFinished, len(before) - len(lost))
        place(boss, fake, 4, 5, 6, 7)
        await boss.heard.wait(AgentHeard, 7)
        assert Counter(homes(boss).values()) == {1: 2, 2: 2}


async def test_a_new_daemon_adopts_both_and_loses_no_call(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2, 3, 4)
            await boss.heard.wait(AgentHeard, 4)
            pids, before = [boss.pid_of(1), boss.pid_of(2)], homes(boss)
            boss.die()
            boss.running = None
        await (await fake.leg(call_id(4))).press("9")
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            assert [boss.pid_of(1), boss.pid_of(2)] == pids
            assert await boss.heard.wait(AgentFinished) == AgentFinished(call_id(4), DNC)
            (held,) = boss.heard.of(MediaHeld)
            # The last word on the fourth may come before what the other worker holds is known, or after.
            assert {*held.calls, call_id(4)} == set(before), "told once, when both had said what they hold"
            assert homes(boss) == {call: home for call, home in before.items() if call != call_id(4)}
            boss.pool.detach(call_id(1))
            assert await boss.heard.wait(AgentFinished, 2) == AgentFinished(call_id(1), AgentReport())
            assert boss.heard.of(MediaFailed) == []


async def heard_of(boss: Daemon, *numbers: int) -> None:
    """The agents of these calls are heard; a new daemon is told of those that were before it, too."""
    await until(lambda: {AgentHeard(call_id(number)) for number in numbers} <= set(boss.heard.of(AgentHeard)))


async def test_an_adopted_worker_has_the_limits_of_the_new_daemon_at_once(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2, 3, 4)
            await boss.heard.wait(AgentHeard, 4)
            pids = [boss.pid_of(1), boss.pid_of(2)]
            boss.die()
            boss.running = None
        async with two(tmp_path, fake, max_sessions=6, audio=AudioLimits(silence=0.5)) as boss:
            await sessions(boss, 6)
            assert [boss.pid_of(1), boss.pid_of(2)] == pids
            place(boss, fake, 5, 6)
            await heard_of(boss, 5, 6)
            failed = [await boss.heard.wait(MediaFailed, count) for count in (1, 2)]
            assert {told.call for told in failed} == {call_id(5), call_id(6)}, "those before have their own"
            assert all("for 0.5 s" in told.detail for told in failed)
            boss.die()
            boss.running = None
        async with two(tmp_path, fake, max_sessions=2) as boss:
            await sessions(boss, 2)
            assert (await boss.heard.wait(MediaHeld)).calls >= {call_id(number) for number in (1, 2, 3, 4)}
            place(boss, fake, 7)
            assert call_id(7) not in homes(boss), "it waits for a place"
            for number in (1, 2, 3, 4):
                boss.pool.detach(call_id(number))
            await heard_of(boss, 7)
            assert call_id(7) in homes(boss)


def standing(boss: Daemon) -> list[tuple[int, str, int, int]]:
    """What is told of each worker: its number, its state, the calls that it holds and may hold."""
    return [(one.number, one.state.value, one.sessions, one.limit) for one in boss.pool.standing()]


async def test_each_worker_is_told_of_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_LATEST", "0.5")
    timing = PoolTiming(pulse=20.0, backoff=0.02)
    async with fake_asterisk() as fake, two(tmp_path, fake, timing=timing) as boss:
        assert standing(boss) == [(1, "gone", 0, 2), (2, "gone", 0, 2)]
        await sessions(boss, 4)
        place(boss, fake, 1)
        await boss.heard.wait(AgentHeard)
        assert standing(boss) == [(1, "ready", 1, 2), (2, "ready", 0, 2)]
        os.kill(boss.pid_of(2), signal.SIGUSR1)
        await until(lambda: standing(boss)[1][1] == "late")
        assert "its event loop is" in boss.pool.standing()[1].detail
        await until(lambda: standing(boss)[1][1] == "ready", seconds=20)
        os.kill(boss.pid_of(2), signal.SIGKILL)
        await until(lambda: standing(boss)[1][1] == "gone")
        await until(lambda: standing(boss)[1][1] == "ready", seconds=20)


async def test_a_worker_that_is_to_leave_is_told_of_until_it_has_left(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2)
            await boss.heard.wait(AgentHeard, 2)
            await boss.stop()
        async with daemon(tmp_path, fake, max_sessions=4) as boss:
            await until(lambda: standing(boss) == [(1, "ready", 1, 4), (2, "draining", 1, 0)])
            boss.pool.detach(call_id(2))
            await until(lambda: standing(boss) == [(1, "ready", 1, 4)], seconds=20)


async def test_a_worker_says_how_late_its_loop_is(tmp_path: Path) -> None:
    async with (
        fake_asterisk() as fake,
        two(tmp_path, fake, timing=PoolTiming(pulse=4.0, backoff=0.02)) as boss,
    ):
        await sessions(boss, 4)
        os.kill(boss.pid_of(2), signal.SIGUSR1)
        await until(lambda: boss.pool.standing()[1].lag > 0.25, seconds=20)
        assert boss.pool.standing()[0].lag < 0.25


@pytest.mark.parametrize("workers", [1, 2])
async def test_calls_whose_worker_died_with_the_daemon_do_not_wait_for_the_next_one(
    tmp_path: Path, workers: int
) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake, workers=workers) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2)
            await boss.heard.wait(AgentHeard, 2)
            kept = {call for call, home in homes(boss).items() if home != workers}
            lost = boss.pid_of(workers)
            boss.die()
            boss.running = None
        os.kill(lost, signal.SIGKILL)
        await until(lambda: lost not in processes_of(tmp_path))
        async with two(tmp_path, fake, workers=workers, command=SLOW, timing=STARTS_SLOWLY) as boss:
            assert (await boss.heard.wait(MediaHeld)).calls == kept
            assert standing(boss)[-1][1] == "gone"
            assert boss.pool.held() == kept


async def test_a_worker_that_dies_while_it_is_asked_is_not_waited_for_either(tmp_path: Path) -> None:
    async def die() -> None:
        with socket.socket(socket.AF_UNIX) as dying:
            dying.setblocking(False)
            dying.bind(str(tmp_path / "media.sock"))
            dying.listen()
            asked.set()
            connection, _ = await asyncio.get_running_loop().sock_accept(dying)
            connection.close()

    asked = asyncio.Event()
    death = asyncio.create_task(die())
    await asked.wait()
    async with (
        fake_asterisk() as fake,
        two(tmp_path, fake, workers=1, command=SLOW, timing=STARTS_SLOWLY) as boss,
    ):
        assert (await boss.heard.wait(MediaHeld)).calls == frozenset()
    await death


async def test_nothing_is_told_of_calls_before_each_worker_was_asked(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2)
            await boss.heard.wait(AgentHeard, 2)
            slow = boss.pid_of(2)
            boss.die()
            boss.running = None
        os.kill(slow, signal.SIGSTOP)
        try:
            async with two(tmp_path, fake) as boss:
                await sessions(boss, 2)
                assert boss.heard.of(MediaHeld) == []
                assert boss.pool.held() is None
                os.kill(slow, signal.SIGCONT)
                assert (await boss.heard.wait(MediaHeld)).calls == {call_id(1), call_id(2)}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(slow, signal.SIGCONT)


async def test_a_worker_whose_loop_is_late_gets_no_calls_until_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_LATEST", "0.5")
    timing = PoolTiming(pulse=20.0, backoff=0.02)
    async with fake_asterisk() as fake, two(tmp_path, fake, timing=timing) as boss:
        await sessions(boss, 4)
        os.kill(boss.pid_of(2), signal.SIGUSR1)
        late = "media worker 2 of 2: its event loop is"
        await until(lambda: boss.heard.of(MediaCapacity)[-1].detail.startswith(late))
        assert boss.heard.of(MediaCapacity)[-1].sessions == 2
        place(boss, fake, 1)
        assert homes(boss) == {call_id(1): 1}
        await sessions(boss, 4, 2)
        place(boss, fake, 2, 3, 4)
        assert Counter(homes(boss).values()) == {1: 2, 2: 2}
        await boss.heard.wait(AgentHeard, 4)
        assert boss.heard.of(MediaFailed) == []


async def test_a_call_for_which_there_is_no_room_waits_for_a_place(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, two(tmp_path, fake, max_sessions=2) as boss:
        await sessions(boss, 2)
        place(boss, fake, 1, 2, 3)
        await boss.heard.wait(AgentHeard, 2)
        assert len(homes(boss)) == 2
        boss.pool.detach(call_id(1))
        await boss.heard.wait(AgentHeard, 3)
        assert set(homes(boss)) == {call_id(2), call_id(3)}


async def test_a_call_goes_where_its_engine_has_a_session(tmp_path: Path) -> None:
    engines = [EngineSettings(name, "nothing", 1) for name in ("first", "second")]
    async with fake_asterisk() as fake, two(tmp_path, fake, engines=engines) as boss:
        await sessions(boss, 4)
        place(boss, fake, 1, engine="second")
        place(boss, fake, 2, engine="first")
        assert homes(boss) == {call_id(1): 2, call_id(2): 1}


async def test_every_worker_has_every_script(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, two(tmp_path, fake) as boss:
        await sessions(boss, 4)
        with pytest.raises(PortError, match="the voice is hoarse"):
            await boss.pool.prepare(script("unlucky"), "en-IN")
        await boss.pool.prepare(script(), "en-IN")
        for number in (1, 2):
            os.kill(boss.pid_of(number), signal.SIGKILL)
        await sessions(boss, 4, 2)
        await boss.pool.prepare(script("again"), "en-IN")


async def test_of_fewer_workers_the_others_end_with_their_last_call(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with two(tmp_path, fake) as boss:
            await sessions(boss, 4)
            place(boss, fake, 1, 2)
            await boss.heard.wait(AgentHeard, 2)
            second = boss.pid_of(2)
            await boss.stop()
        async with daemon(tmp_path, fake, max_sessions=4) as boss:
            await sessions(boss, 4)
            assert (await boss.heard.wait(MediaHeld)).calls == {call_id(1), call_id(2)}
            place(boss, fake, 3)
            assert homes(boss) == {call_id(1): 1, call_id(3): 1}
            assert second in processes_of(tmp_path)
            await (await fake.leg(call_id(2))).press("9")
            assert await boss.heard.wait(AgentReported) == AgentReported(call_id(2), DNC)
            await until(lambda: second not in processes_of(tmp_path))
            assert boss.heard.of(MediaFailed) == []


async def test_no_worker_mends_recordings_that_another_one_is_making(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, two(tmp_path, fake) as boss:
        await sessions(boss, 4)
        place(boss, fake, 1, 2, record=True)
        await boss.heard.wait(AgentHeard, 2)
        folder = tmp_path / "recordings"
        parts = {1: folder / "parts", 2: folder / "parts-2"}
        paths = {call: parts[home] / f"{call}.wav" for call, home in homes(boss).items()}
        await until(lambda: all(path.exists() and path.stat().st_size > 10_000 for path in paths.values()))
        (mine,) = of(boss, 1).calls
        (lost,) = of(boss, 2).calls
        os.kill(boss.pid_of(2), signal.SIGKILL)
        assert (await boss.heard.wait(RecordingKept)).call == lost
        await sessions(boss, 4, 2)
        assert paths[mine].exists()
        boss.pool.detach(mine)
        assert (await boss.heard.wait(RecordingKept, 2)).call == mine
