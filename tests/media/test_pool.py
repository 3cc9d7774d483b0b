"""The Media port over real worker processes: started, killed, frozen, adopted, replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialerd.core.clock import Instant
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.errors import PortError, RequestError
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    RecordingKept,
    TransferAsked,
)
from dialerd.core.model import AgentReport
from dialerd.media import wire
from dialerd.media.link import LinkLost, WorkerLink
from dialerd.media.pool_timing import PoolTiming
from dialerd.media.process import spawn
from dialerd.media.ringing import RINGING
from dialerd.media.supervisor import SupervisorTiming
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, FRAME, UNMET, call_id, order
from tests.media.fake_asterisk import fake_asterisk
from tests.media.pool_daemon import daemon, processes_of, script

CALL = call_id()


@pytest.fixture(autouse=True)
def where_tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert processes_of(tmp_path) == []


async def test_a_call_from_attach_to_its_last_word(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        assert boss.heard.of(MediaHeld) == [MediaHeld(frozenset())]
        await boss.pool.prepare(script(), "en-IN")
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        await (await fake.leg(CALL)).press("9")
        assert await boss.heard.wait(AgentReported) == AgentReported(CALL, DNC)
        assert await boss.heard.wait(AgentFinished) == AgentFinished(CALL, DNC)
        boss.pool.detach(CALL)
        await boss.stop()
        assert processes_of(tmp_path) == [], "an idle worker ends with its daemon"
    assert not (tmp_path / "media.sock").exists()


async def test_a_worker_that_dies_costs_its_calls_and_is_replaced(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.pool.prepare(script(), "en-IN")
        await boss.ready()
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        first = boss.pid
        os.kill(first, signal.SIGKILL)
        failed = await boss.heard.wait(MediaFailed)
        assert (failed.call, failed.reason) == (CALL, Reason.DROPPED)
        assert boss.heard.of(MediaCapacity)[-1].sessions == 0
        await boss.ready(2)
        assert boss.pid != first
        assert fake.bridges == {}, "what it left in Asterisk is removed"
        fake.answer(call_id(2))
        boss.pool.attach(order(2))
        await boss.heard.wait(AgentHeard, 2)


async def test_a_worker_that_freezes_is_killed(tmp_path: Path) -> None:
    timing = PoolTiming(pulse=0.2, backoff=0.02, supervisor=SupervisorTiming(rejoin=0.1))
    async with fake_asterisk() as fake, daemon(tmp_path, fake, timing) as boss:
        await boss.ready()
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        os.kill(boss.pid, signal.SIGSTOP)
        failed = await boss.heard.wait(MediaFailed, seconds=10)
        assert failed.reason is Reason.DROPPED
        await boss.ready(2)


async def test_a_worker_outlives_its_daemon_and_is_adopted(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        fake.answer(CALL)
        fake.answer(call_id(2))
        async with daemon(tmp_path, fake) as boss:
            await boss.ready()
            boss.pool.attach(order(1))
            boss.pool.attach(order(2))
            await boss.heard.wait(AgentHeard, 2)
            first = boss.pid
            boss.die()
            boss.running = None
        await (await fake.leg(call_id(2))).press("9")
        async with daemon(tmp_path, fake) as boss:
            await boss.ready()
            assert boss.pid == first
            held = boss.heard.of(MediaHeld)[0]
            assert held.calls == {CALL, call_id(2)}
            assert await boss.heard.wait(AgentFinished) == AgentFinished(call_id(2), DNC)
            assert boss.heard.events.index(held) == 0
            assert AgentHeard(CALL) in boss.heard.events, "this daemon does not know it yet"
            await (await fake.leg(CALL)).press("9")
            await boss.heard.wait(AgentFinished, 2)


async def test_a_daemon_that_stops_leaves_its_calls_to_the_next(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        fake.answer(CALL)
        async with daemon(tmp_path, fake) as boss:
            await boss.ready()
            boss.pool.attach(order())
            await boss.heard.wait(AgentHeard)
            await boss.stop()
        assert len(processes_of(tmp_path)) == 1
        async with daemon(tmp_path, fake) as boss:
            assert (await boss.heard.wait(MediaHeld)).calls == {CALL}
            boss.pool.detach(CALL)
            assert await boss.heard.wait(AgentFinished) == AgentFinished(CALL, AgentReport())


async def test_a_daemon_that_kills_hangs_up(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        await boss.stop(kill=True)
        await until(lambda: fake.channels == set())
        assert processes_of(tmp_path) == []


async def test_labels_survive_both_deaths(tmp_path: Path) -> None:
    timing = PoolTiming(grace=0.3, backoff=0.02)
    async with fake_asterisk() as fake:
        fake.answer(CALL)
        async with daemon(tmp_path, fake, timing) as boss:
            await boss.ready()
            boss.pool.attach(order())
            await boss.heard.wait(AgentHeard)
            boss.die()
            boss.running = None
        await (await fake.leg(CALL)).press("9")
        await until(lambda: processes_of(tmp_path) == [])
        async with daemon(tmp_path, fake, timing) as boss:
            assert (await boss.heard.wait(MediaHeld, seconds=10)).calls == {CALL}
            assert await boss.heard.wait(AgentFinished) == AgentFinished(CALL, DNC)


async def test_a_connection_that_breaks_is_made_again_and_costs_nothing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.answer(CALL)
        fake.answer(call_id(2))
        boss.pool.attach(order())
        boss.pool.attach(order(2))
        await boss.heard.wait(AgentHeard, 2)
        seat = boss.pool.seats[0]
        assert seat.link is not None
        seat.link._writer.transport.abort()
        await until(lambda: seat.link is None)
        boss.pool.detach(call_id(2))
        await boss.ready(2)
        assert boss.heard.of(MediaHeld)[1].calls == {CALL, call_id(2)}
        assert boss.heard.of(MediaFailed) == []
        assert (await boss.heard.wait(AgentFinished)).call == call_id(2)
        await (await fake.leg(CALL)).press("9")
        await boss.heard.wait(AgentFinished, 2)


async def test_calls_that_answer_before_there_is_a_worker_wait_for_it(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, run=False) as boss:
        fake.answer(CALL)
        boss.pool.attach(order())
        boss.pool.attach(order())
        boss.pool.attach(order(2))
        boss.pool.detach(call_id(2))
        assert boss.heard.events == [AgentFinished(call_id(2), AgentReport())]
        boss.running = asyncio.create_task(boss.pool.run())
        assert (await boss.heard.wait(MediaHeld)).calls == {CALL}
        assert await boss.heard.wait(AgentHeard) == AgentHeard(CALL)


async def test_calls_that_wait_too_long_are_abandoned(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with daemon(tmp_path, fake, PoolTiming(first_audio=0.02), run=False) as boss:
            boss.pool.attach(order())
            failed = await boss.heard.wait(MediaFailed)
        assert (failed.call, failed.reason) == (CALL, Reason.ABANDONED)


# --- scripts -------------------------------------------------------------------------------------


async def test_scripts_are_prepared_and_faults_told(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await boss.pool.prepare(script(), "en-IN")
        with pytest.raises(RequestError) as refused:
            await boss.pool.prepare(script(), "tlh")
        assert (refused.value.status, refused.value.faults[0].loc) == (422, "language")
        with pytest.raises(PortError, match="the voice is hoarse"):
            await boss.pool.prepare(script("unlucky"), "en-IN")


async def test_scripts_noted_before_there_is_a_worker_are_given_to_each(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, run=False) as boss:
        for ident in ("one", "two", "unlucky"):
            await boss.pool.prepare(script(ident), "en-IN")
        boss.running = asyncio.create_task(boss.pool.run())
        await boss.ready()
        os.kill(boss.pid, signal.SIGKILL)
        await boss.ready(2)
        assert len(boss.pool._scripts) == 3


async def test_without_a_worker_nothing_can_be_prepared(tmp_path: Path) -> None:
    timing = PoolTiming(prepare=0.05, backoff=0.02, longest_backoff=0.05)
    command = (sys.executable, "-c", "raise SystemExit(3)")
    async with fake_asterisk() as fake, daemon(tmp_path, fake, timing, command) as boss:
        await until(lambda: boss.pool._running)
        with pytest.raises(PortError, match="cannot prepare offer"):
            await boss.pool.prepare(script(), "en-IN")


# --- workers that are none -----------------------------------------------------------------------


async def test_an_agent_that_is_not_ready_is_no_capacity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_FAULT", "espeak-ng is not installed")
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        told = await boss.heard.wait(MediaCapacity, seconds=10)
        assert told == MediaCapacity(0, "espeak-ng is not installed")
        with pytest.raises(PortError, match="not installed"):
            await boss.pool.prepare(script("unlucky"), "en-IN")


ENDS = """
import sys
folder = sys.argv[sys.argv.index("--cache-dir") + 1]
open(folder + ".started", "a").write("x")
raise SystemExit(3)
"""


async def started(folder: Path, times: int) -> None:
    """Return once the program was started so often."""
    note = folder / "prompts.started"
    await until(lambda: note.exists() and len(note.read_text()) >= times, seconds=10)


async def test_a_worker_that_ends_as_it_starts_is_started_again_and_again(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, command=(sys.executable, "-c", ENDS)) as boss:
        await started(tmp_path, 3)
        (told,) = boss.heard.of(MediaCapacity)
        assert told.sessions == 0
        assert "status 3" in told.detail


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, command=("/no/such/program",)) as boss:
        assert "cannot start the media worker" in (await boss.heard.wait(MediaCapacity)).detail


GARBAGE = """
import pathlib, socket, sys, time
path = sys.argv[sys.argv.index("--socket") + 1]
folder = sys.argv[sys.argv.index("--cache-dir") + 1]
open(folder + ".started", "a").write("x")
pathlib.Path(path).unlink(missing_ok=True)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
while True:
    connection, _ = server.accept()
    connection.sendall({!r})
    time.sleep(0.05)
"""
HELLO = wire.encode(wire.Hello(wire.VERSION, ()))


@pytest.mark.parametrize(
    "said", [b"garbage\n", wire.encode(wire.Pong()), HELLO + b"garbage\n", HELLO + b"\xff" * 99]
)
async def test_a_worker_that_talks_garbage_is_not_kept(tmp_path: Path, said: bytes) -> None:
    timing = PoolTiming(
        pulse=0.3, backoff=0.02, longest_backoff=0.05, supervisor=SupervisorTiming(start=0.3, rejoin=0.1)
    )
    command = (sys.executable, "-c", GARBAGE.format(said))
    async with fake_asterisk() as fake, daemon(tmp_path, fake, timing, command) as boss:
        await started(tmp_path, 2)
        assert {capacity.sessions for capacity in boss.heard.of(MediaCapacity)} == {0}
    (tmp_path / "media.sock").unlink(missing_ok=True)


async def test_a_worker_of_another_version_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_asterisk() as fake:
        monkeypatch.setenv("WORKER_VERSION", "99")
        async with daemon(tmp_path, fake, run=False) as boss:
            supervisor = boss.pool.seats[0].supervisor
            old = spawn(supervisor._command, os.environ, supervisor._secret)
            await until((tmp_path / "media.sock").exists, seconds=10)
            monkeypatch.delenv("WORKER_VERSION")
            boss.running = asyncio.create_task(boss.pool.run())
            await boss.ready()
            assert boss.pid != old.pid
            assert await old.wait_ended(15)


def about_process(pid: int) -> bytes:
    """Its arguments and variables, as others may read them."""
    return b"".join(Path(f"/proc/{pid}/{part}").read_bytes() for part in ("cmdline", "environ"))


async def test_its_secret_is_neither_argument_nor_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_ASTERISK__AMI_SECRET", "battery staple")
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        assert b"right horse" not in about_process(boss.pid)
        assert b"battery staple" not in about_process(boss.pid), "nor does it get what it does not need"


async def test_a_link_asks_and_is_told_of_its_end(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        link = await WorkerLink.connect(tmp_path / "media.sock")
        answer = link.ask(wire.Prepare(0, "offer", 1, "en-IN", {}))
        link.close()
        with pytest.raises(LinkLost, match="closed"):
            await answer
        await boss.ready(2)


class Lost:
    """A link that is lost as soon as that is asked for."""

    pid = 1
    hello = wire.Hello(wire.VERSION, ())

    def __init__(self) -> None:
        self.broken = asyncio.Event()

    def send(self, message: wire.ToWorker) -> None:
        pass

    async def read(self, take: object) -> None:
        await self.broken.wait()
        raise LinkLost("the media worker closed its connection")

    async def keep_pulse(self, interval: float) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        """There is nothing behind it."""


class Reached:
    """A supervisor that has this link, and never another one."""

    def __init__(self, link: Lost) -> None:
        self.links = [link]

    async def reach(self) -> Lost:
        if not self.links:
            await asyncio.Event().wait()
        return self.links.pop()

    async def check(self) -> None:
        """It lives."""


@pytest.mark.parametrize("turns", range(12))
async def test_it_ends_when_it_is_told_to_though_its_link_is_lost_at_that_moment(
    tmp_path: Path, turns: int
) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, run=False) as boss:
        link = Lost()
        boss.pool.seats[0].supervisor = Reached(link)  # type: ignore[assignment]
        running = asyncio.create_task(boss.pool.run())
        await until(lambda: bool(boss.heard.of(MediaHeld)))
        link.broken.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([running])
        assert running.cancelled()


# --- transfers and recordings ---------------------------------------------------------------------


async def test_a_wish_reaches_the_engine_and_its_failure_the_agent(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.answer(call_id())
        boss.pool.attach(order())
        leg = await fake.leg(call_id())
        await boss.heard.wait(AgentHeard)
        await leg.press("7")
        asked = await boss.heard.wait(TransferAsked)
        assert (asked.call, asked.wish.target, asked.ask) == (call_id(), "support", 1)
        await until(lambda: RINGING in leg.audio)
        boss.pool.transfer_failed(call_id(), "busy")
        await until(lambda: RINGING not in leg.audio and FRAME * 10 in leg.audio)
        boss.pool.hold(call_id(), warm=False)
        await until(lambda: RINGING in leg.audio)


async def test_a_callback_that_cannot_be_reaches_the_calls_conversation_alone(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        legs = []
        for number in (1, 2):
            fake.answer(call_id(number))
            boss.pool.attach(order(number))
            legs.append(await fake.leg(call_id(number)))
        await until(lambda: len(boss.heard.of(AgentHeard)) == 2)
        boss.pool.callback_unmet(call_id(2), Instant(5), Unmet("too late", None, Instant(4)))
        await until(lambda: UNMET in legs[1].audio)
        assert UNMET not in legs[0].audio
        boss.pool.callback_unmet(call_id(3), Instant(5), Unmet("nobody has this call"))


async def test_a_failure_that_came_about_while_no_worker_was_there_is_told_to_the_next(
    tmp_path: Path,
) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.answer(call_id())
        boss.pool.attach(order())
        leg = await fake.leg(call_id())
        await boss.heard.wait(AgentHeard)
        await leg.press("7")
        await boss.heard.wait(TransferAsked)
        seat = boss.pool.seats[0]
        assert seat.link is not None
        seat.link.close()
        await until(lambda: seat.link is None)
        boss.pool.transfer_failed(call_id(), "no_answer")
        await until(lambda: FRAME * 10 in leg.audio and RINGING not in leg.audio)


async def test_a_recording_is_told_of_though_its_worker_dies_in_the_middle(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.answer(call_id())
        boss.pool.attach(order(record=True))
        leg = await fake.leg(call_id())
        await boss.heard.wait(AgentHeard)
        await leg.press("9")
        kept = await boss.heard.wait(RecordingKept)
        assert (tmp_path / "recordings" / kept.recording.path).stat().st_size == kept.recording.size
        fake.answer(call_id(2))
        boss.pool.attach(order(2, record=True))
        await fake.leg(call_id(2))
        part = tmp_path / "recordings" / "parts" / f"{call_id(2)}.wav"
        await until(lambda: part.exists() and part.stat().st_size > 10_000)
        os.kill(boss.pid, signal.SIGKILL)
        mended = await boss.heard.wait(RecordingKept, 2)
        assert mended.call == call_id(2)
        assert mended.recording.length > 0
        assert not part.exists()
