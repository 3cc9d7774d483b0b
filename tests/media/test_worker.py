"""A worker as its daemon sees it: over the socket, with an agent and an Asterisk that the test controls."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.effects import PrepareMedia
from dialerd.core.errors import PortError
from dialerd.core.identity import InstanceId
from dialerd.core.model import AgentReport
from dialerd.media import asterisk_ws, rendezvous, wire
from dialerd.media.ari import MediaAri
from dialerd.media.reception import Reception
from dialerd.media.session import SessionTiming
from dialerd.media.worker import Worker, WorkerSettings
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, FakeAgent, call_id, order
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, channel_of, fake_asterisk

CALL = call_id()
DEADLINE = 0.5
"""Seconds that Asterisk has for an answer."""
M = TypeVar("M")


@dataclass
class Daemon:
    """A daemon's end of the connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[wire.ToDaemon]
    listening: asyncio.Task[None]

    def say(self, message: wire.ToWorker) -> None:
        self.writer.write(wire.encode(message))

    def attach(self, number: int = 1, **changes: Any) -> None:
        said = order(number, **changes)
        self.say(
            wire.Attach(
                said.call, said.channel, said.script_id, said.script_version, said.language, said.phone,
                said.name, said.variables, on_machine=said.on_machine, record=said.record,
            )
        )  # fmt: skip

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def hears(self, kind: type[M], count: int = 1) -> M:
        await until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def cut_off(self) -> None:
        async with asyncio.timeout(20):
            await self.listening


@asynccontextmanager
async def daemon(path: Path) -> AsyncIterator[Daemon]:
    reader, writer, _ = await rendezvous.connect(path)
    heard: list[wire.ToDaemon] = []

    async def listen() -> None:
        while line := await reader.readline():
            heard.append(wire.read_for_daemon(line))

    listening = asyncio.create_task(listen())
    try:
        yield Daemon(reader, writer, heard, listening)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()


@dataclass
class Running:
    """A worker that serves."""

    worker: Worker
    agent: FakeAgent
    fake: FakeAsterisk
    path: Path
    serving: asyncio.Task[None]

    async def ended(self) -> None:
        async with asyncio.timeout(20):
            await self.serving


@asynccontextmanager
async def running(
    folder: Path, fake: FakeAsterisk, agent: FakeAgent | None = None, **settings: Any
) -> AsyncIterator[Running]:
    agent = agent or FakeAgent()
    path = folder / "media.sock"
    chosen = replace(
        WorkerSettings(path, 2, grace=5.0, retry=0.02, timing=SessionTiming(first_audio=20.0)), **settings
    )
    ari = MediaAri(fake.login, InstanceId(INSTANCE), deadline=DEADLINE)
    worker = Worker(chosen, agent, ari, Reception(fake.media))
    serving = asyncio.create_task(worker.serve())
    await until(path.exists)
    try:
        yield Running(worker, agent, fake, path, serving)
    finally:
        worker.stop()
        await asyncio.gather(serving, return_exceptions=True)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_call_over_the_wire(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        assert stat.S_IMODE(run.path.stat().st_mode) == 0o600
        assert await boss.hears(wire.Hello) == wire.Hello(wire.VERSION, ())
        assert await boss.hears(wire.Ready) == wire.Ready(2)
        fake.answer(CALL)
        boss.attach()
        boss.attach()
        assert await boss.hears(wire.Heard) == wire.Heard(CALL)
        await (await fake.leg(CALL)).press("9")
        assert await boss.hears(wire.Reported) == wire.Reported(CALL, DNC, 1)
        assert await boss.hears(wire.Ended) == wire.Ended(CALL, DNC, number=2, unheard=False)
        boss.say(wire.Acknowledge(2))
        await until(lambda: fake.bridges == {})
        boss.say(wire.Ping())
        await boss.hears(wire.Pong)
    await run.ended()
    assert run.agent.closed
    assert left_in(tmp_path) == [], "no socket, no outcomes"


async def test_the_callee_hangs_up(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        fake.answer(CALL)
        boss.attach()
        await boss.hears(wire.Heard)
        boss.say(wire.Detach(CALL))
        boss.say(wire.Detach("cal_unknown"))
        assert await boss.hears(wire.Ended) == wire.Ended(CALL, AgentReport(), number=1, unheard=False)


async def test_scripts_are_learned_at_once_and_prepared(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        for number, script, language in ((1, "offer", "en-IN"), (2, "offer", "tlh"), (3, "unlucky", "en-IN")):
            boss.say(wire.Prepare(number, script, 1, language, {}))
        await boss.hears(wire.Prepared, 3)
        assert boss.of(wire.Prepared) == [
            wire.Prepared(1),
            wire.Prepared(2, "nobody speaks Klingon here", refused=True),
            wire.Prepared(3, "the voice is hoarse"),
        ]
        assert run.agent.learned == [("offer", 1), ("offer", 1), ("unlucky", 1)]


async def test_more_calls_than_sessions(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        for number in (1, 2, 3):
            fake.answer(call_id(number))
            boss.attach(number)
        refused = await boss.hears(wire.Ended)
        assert (refused.call, refused.failed) == (call_id(3), Reason.ENGINE_FAILED)
        await boss.hears(wire.Heard, 2)


async def test_the_daemon_says_what_may_be_held_and_how_long_audio_may_be_missing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        for number in (1, 2, 3):
            fake.answer(call_id(number))
        boss.attach(1)
        boss.attach(2)
        await boss.hears(wire.Heard, 2)
        boss.say(wire.Limits(1))
        assert await boss.hears(wire.Ready, 2) == wire.Ready(1)
        boss.attach(3)
        refused = await boss.hears(wire.Ended)
        assert (refused.call, refused.detail) == (call_id(3), "all 1 sessions are taken")
        boss.say(wire.Limits(3, silence=0.5))
        fake.answer(call_id(4))
        boss.attach(4)
        dropped = await boss.hears(wire.Ended, 2)
        assert (dropped.call, dropped.failed) == (call_id(4), Reason.DROPPED)
        assert dropped.detail == "max silence: neither side was audible for 0.5 s", "those before have none"


async def test_no_daemon_is_told_what_another_one_has_asked(tmp_path: Path) -> None:
    rendered = asyncio.Event()

    class Slow(FakeAgent):
        async def prepare(
            self, script_id: str, version: int, language: str, voice: str | None = None
        ) -> None:
            if script_id == "long":
                await rendered.wait()
            await super().prepare(script_id, version, language, voice)

    async with fake_asterisk() as fake, running(tmp_path, fake, Slow()) as run:
        async with daemon(run.path) as boss:
            boss.say(wire.Prepare(1, "long", 1, "en-IN", {}))
            await until(lambda: run.agent.learned)
        async with daemon(run.path) as boss:
            boss.say(wire.Prepare(1, "offer", 1, "tlh", {}))
            told = await boss.hears(wire.Prepared)
            assert (told.request, told.refused) == (1, True)
            rendered.set()
            boss.say(wire.Ping())
            await boss.hears(wire.Pong)
            assert boss.of(wire.Prepared) == [told]


async def test_an_agent_that_is_not_ready_says_why_and_recovers(tmp_path: Path) -> None:
    agent = FakeAgent(fault="espeak-ng is not installed")
    async with fake_asterisk() as fake, running(tmp_path, fake, agent) as run, daemon(run.path) as boss:
        assert await boss.hears(wire.Ready) == wire.Ready(0, "espeak-ng is not installed")
        boss.say(wire.Prepare(1, "unlucky", 1, "en-IN", {}))
        assert (await boss.hears(wire.Prepared)).fault == "espeak-ng is not installed"
        agent.fault = None
        assert await boss.hears(wire.Ready, 2) == wire.Ready(2)


async def test_the_newest_daemon_is_the_one(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as old:
        fake.answer(CALL)
        old.attach()
        await old.hears(wire.Heard)
        async with daemon(run.path) as new:
            assert (await new.hears(wire.Hello)).calls == (CALL,)
            await old.cut_off()
            await (await fake.leg(CALL)).press("9")
            await new.hears(wire.Ended)
            assert old.of(wire.Ended) == []


@pytest.mark.parametrize("garbage", [b"garbage\n", b"{}\n", b"\xff\n", b"x" * 100])
async def test_garbage_costs_the_daemon_its_connection_and_no_call(tmp_path: Path, garbage: bytes) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run:
        fake.answer(CALL)
        async with daemon(run.path) as boss:
            boss.attach()
            await boss.hears(wire.Heard)
            boss.writer.write(garbage)
            boss.writer.write_eof()
            await boss.cut_off()
        async with daemon(run.path) as boss:
            assert (await boss.hears(wire.Hello)).calls == (CALL,)


async def test_an_order_with_a_number_that_is_none(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run, daemon(run.path) as boss:
        boss.attach(phone="PJSIP/evil")
        assert (await boss.hears(wire.Ended)).failed is Reason.ENGINE_FAILED


async def test_a_label_chosen_while_no_daemon_was_there_is_told_to_the_next(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run:
        fake.answer(CALL)
        async with daemon(run.path) as boss:
            boss.attach()
            await boss.hears(wire.Heard)
        await (await fake.leg(CALL)).press("9")
        await until(lambda: fake.bridges == {})
        async with daemon(run.path) as boss:
            assert (await boss.hears(wire.Hello)).calls == (CALL,)
            assert await boss.hears(wire.Ended) == wire.Ended(CALL, DNC, number=2, unheard=False)
            boss.say(wire.Acknowledge(2))
            boss.say(wire.Ping())
            await boss.hears(wire.Pong)
        async with daemon(run.path) as boss:
            await boss.hears(wire.Ended)


async def test_a_callee_who_leaves_while_no_daemon_is_there_is_not_talked_to(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run:
        fake.answer(CALL)
        fake.answer(call_id(2))
        async with daemon(run.path) as boss:
            boss.attach()
            boss.attach(2)
            await boss.hears(wire.Heard, 2)
        fake.channels.discard(channel_of(CALL))
        await until(lambda: list(fake.bridges) == [f"{channel_of(call_id(2))}-b"])
        async with daemon(run.path) as boss:
            assert await boss.hears(wire.Ended) == wire.Ended(CALL, AgentReport(), number=1, unheard=False)
            boss.say(wire.Detach(call_id(2)))
            assert (await boss.hears(wire.Ended, 2)).call == call_id(2), "whose callee was there"


async def test_a_recording_is_told_of_until_the_store_is_sure_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recordings"
    async with fake_asterisk() as fake, running(tmp_path, fake, recordings=folder) as run:
        fake.answer(CALL)
        async with daemon(run.path) as boss:
            boss.attach(record=True)
            await boss.hears(wire.Heard)
            boss.say(wire.Detach(CALL))
            told = await boss.hears(wire.Recorded)
            assert (folder / told.recording.path).exists()
        # Its daemon was killed, and so is it: what it holds in memory is lost.
        notes = list((folder / "parts").iterdir())
        kept = {note.name: note.read_text() for note in notes}
        assert list(kept.values()) == [told.recording.path]
    for name, path in kept.items():
        (folder / "parts" / name).write_text(path)
    (tmp_path / "media.outcomes").unlink(missing_ok=True)
    monkeypatch.setattr("dialerd.media.worker.KEPT", 0.05)
    monkeypatch.setattr("dialerd.media.outbox.KEPT", 0.05)
    async with (
        fake_asterisk() as fake,
        running(tmp_path, fake, recordings=folder) as run,
        daemon(run.path) as boss,
    ):
        again = await boss.hears(wire.Recorded)
        assert (again.call, again.recording) == (told.call, told.recording)
        boss.say(wire.Acknowledge(again.number))
        await until(lambda: list((folder / "parts").iterdir()) == [])


async def test_without_a_daemon_it_hangs_up_and_ends(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake, grace=2.0) as run:
        fake.answer(CALL)
        async with daemon(run.path) as boss:
            boss.attach()
            await boss.hears(wire.Heard)
        await run.ended()
        await until(lambda: (fake.channels, fake.bridges) == (set(), {}))
        assert f"DELETE /ari/channels/{channel_of(CALL)}" in fake.requests
        async with running(tmp_path, fake) as following, daemon(following.path) as boss:
            ended = await boss.hears(wire.Ended)
            assert (ended.call, ended.failed) == (CALL, Reason.DROPPED)


async def test_outcomes_are_left_to_the_worker_that_has_the_socket(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run:
        outcomes = tmp_path / "media.outcomes"
        outcomes.write_bytes(wire.encode(wire.Ended(CALL, DNC)))
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        second = Worker(WorkerSettings(run.path, 2), FakeAgent(), ari, Reception(fake.media))
        with pytest.raises(PortError, match="another media worker"):
            await second.serve()
        await ari.close()
        assert outcomes in left_in(tmp_path)
        async with daemon(run.path) as boss:
            await boss.hears(wire.Ready)


async def test_without_a_daemon_ever_it_ends(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake, grace=0.02) as run:
        await run.ended()


async def test_leaving(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with running(tmp_path, fake) as run, daemon(run.path) as boss:
            boss.say(wire.Leave(hang_up=False))
            await run.ended()
        async with running(tmp_path, fake) as run, daemon(run.path) as boss:
            fake.answer(CALL)
            boss.attach()
            await boss.hears(wire.Heard)
            boss.say(wire.Leave(hang_up=False))
            boss.say(wire.Ping())
            await boss.hears(wire.Pong)
            boss.say(wire.Leave(hang_up=True))
            assert (await boss.hears(wire.Ended)).failed is Reason.DROPPED
            await run.ended()
            await until(lambda: fake.channels == set())


async def test_the_leftovers_of_the_worker_before_are_removed_first(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        fake.bridges[channel_of(CALL) + "-b"] = []
        fake.names[channel_of(CALL) + "-b"] = f"{INSTANCE}-media"
        async with running(tmp_path, fake) as run, daemon(run.path) as boss:
            await boss.hears(wire.Ready)
            assert fake.bridges == {}


# --- what keeps it from holding calls ------------------------------------------------------------


async def test_an_asterisk_that_is_away_is_named_and_waited_for(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        pass
    async with running(tmp_path, fake) as run, daemon(run.path) as boss:
        told = await boss.hears(wire.Ready)
        assert told.sessions == 0
        assert "cannot be reached" in told.detail


async def test_a_taken_port_is_named_and_tried_again(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((fake.media.host, fake.media.port))
            other.listen()
            async with running(tmp_path, fake) as run, daemon(run.path) as boss:
                told = await boss.hears(wire.Ready)
                assert told.sessions == 0
                assert f"cannot listen at {fake.media}" in told.detail
                assert "Address already in use" in told.detail
                assert not any("POST" in request for request in fake.requests)
                boss.say(wire.Prepare(1, "offer", 1, "en-IN", {}))
                assert await boss.hears(wire.Prepared) == wire.Prepared(1), "scripts are made all the same"
                other.close()
                assert await boss.hears(wire.Ready, 2) == wire.Ready(2)


async def test_a_section_that_asterisk_does_not_have_is_named(tmp_path: Path) -> None:
    async with (
        fake_asterisk(refuse={"POST /ari/channels/externalMedia": 400}) as fake,
        running(tmp_path, fake) as run,
        daemon(run.path) as boss,
    ):
        told = await boss.hears(wire.Ready)
        assert told.sessions == 0
        assert "must have a section [lab-media]" in told.detail
        fake.refuse.clear()
        assert await boss.hears(wire.Ready, 2) == wire.Ready(2)


async def test_sockets_that_are_brought_elsewhere_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asterisk_ws, "ARRIVAL_DEADLINE", 0.1)
    async with (
        fake_asterisk(brings=False) as fake,
        running(tmp_path, fake) as run,
        daemon(run.path) as boss,
    ):
        told = await boss.hears(wire.Ready)
        assert told.sessions == 0
        assert f"[lab-media] must have uri = ws://{fake.media}/media" in told.detail
        await until(lambda: not any(name.endswith("-m") for name in fake.channels))
        fake.brings = True
        assert await boss.hears(wire.Ready, 2) == wire.Ready(2)


@pytest.mark.parametrize(
    ("request_line", "what"),
    [
        ("POST /ari/channels/externalMedia", "make a media leg"),
        ("POST /ari/bridges", "make a bridge"),
    ],
)
async def test_three_silences_stop_the_dialing_until_it_is_shown_that_it_works(
    tmp_path: Path, request_line: str, what: str
) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake, sessions=9) as run, daemon(run.path) as boss:
        assert await boss.hears(wire.Ready) == wire.Ready(9)
        fake.silent.add(request_line)
        for number in (1, 2):
            fake.answer(call_id(number))
            boss.attach(number)
        await boss.hears(wire.Ended, 2)
        boss.say(wire.Ping())
        await boss.hears(wire.Pong)
        assert boss.of(wire.Ready) == [wire.Ready(9)], "two are bad luck"
        fake.answer(call_id(3))
        boss.attach(3)
        told = await boss.hears(wire.Ready, 2)
        assert told.sessions == 0
        assert f"has failed 3 times in a row to {what}" in told.detail
        assert "does not answer in time" in told.detail
        fake.silent.clear()
        assert await boss.hears(wire.Ready, boss.of(wire.Ready).index(told) + 2) == wire.Ready(9)


async def test_failures_that_others_come_between_are_bad_luck(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake, sessions=9) as run, daemon(run.path) as boss:
        await boss.hears(wire.Ready)
        for number in range(1, 7):
            fake.refuse = {} if number == 3 else {"POST /ari/channels/externalMedia": 400}
            fake.answer(call_id(number))
            boss.attach(number)
            await (boss.hears(wire.Heard) if number == 3 else boss.hears(wire.Ended, number - (number > 3)))
            if number == 5:
                assert boss.of(wire.Ready) == [wire.Ready(9)]
        assert (await boss.hears(wire.Ready, 2)).sessions == 0


# --- the socket ----------------------------------------------------------------------------------


async def test_two_workers_do_not_share_a_socket(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, running(tmp_path, fake) as run:
        with pytest.raises(PortError, match="another media worker"):
            await asyncio.to_thread(rendezvous.listen, run.path)


async def test_a_dead_workers_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "media.sock"
    rendezvous.listen(path).close()
    assert path.exists()
    with pytest.raises(OSError, match="refused"):
        await rendezvous.connect(path)
    rendezvous.listen(path).close()


async def test_a_folder_too_deep_for_a_socket_address(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    async with fake_asterisk() as fake, running(deep, fake) as run, daemon(run.path) as boss:
        await boss.hears(wire.Ready)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="cannot make"):
        rendezvous.listen(tmp_path / "nowhere" / "media.sock")


async def test_what_will_be_said_is_told_while_the_phone_rings(tmp_path: Path) -> None:
    asked = order(name="Priya", variables={"amount": 5})
    async with fake_asterisk() as fake, running(tmp_path, fake) as it, daemon(it.path) as boss:
        await boss.hears(wire.Ready)
        boss.say(wire.Expect.of(PrepareMedia(CALL, asked.channel, answer=asked)))
        await until(lambda: it.agent.foreseen)
        assert it.agent.foreseen == [asked]
        boss.say(wire.Forgo(CALL))
        await until(lambda: it.agent.forgone)
        assert it.agent.forgone == [CALL]
        boss.say(
            wire.Expect.of(PrepareMedia(CALL, asked.channel, "bot", answer=replace(asked, engine="bot")))
        )
        boss.say(wire.Expect("x", "y", answer=wire.Attach.of(replace(asked, phone="no number"), 0.0)))
        boss.say(wire.Ping())
        await boss.hears(wire.Pong)
        assert it.agent.foreseen == [asked], (
            "an engine of its own speaks for itself, and a wrong order costs nothing"
        )


async def test_an_agent_that_cannot_foresee_costs_no_call(tmp_path: Path) -> None:
    agent = FakeAgent(blind=PortError("it was never prepared", retryable=False))
    async with fake_asterisk() as fake, running(tmp_path, fake, agent) as it, daemon(it.path) as boss:
        await boss.hears(wire.Ready)
        boss.say(wire.Expect.of(PrepareMedia(CALL, order().channel, answer=order())))
        fake.answer(CALL)
        boss.attach()
        await boss.hears(wire.Heard)
        assert it.agent.foreseen == [order()]


async def test_what_is_ready_for_a_phone_of_whose_end_nobody_tells_is_let_go_of(tmp_path: Path) -> None:
    async with (
        fake_asterisk() as fake,
        running(tmp_path, fake, longest_ringing=0.05) as it,
        daemon(it.path) as boss,
    ):
        await boss.hears(wire.Ready)
        boss.say(wire.Expect.of(PrepareMedia(CALL, order().channel, answer=order())))
        assert await boss.hears(wire.Forgone) == wire.Forgone(CALL)
        assert it.agent.forgone == [CALL], "what was to be said too"
        await until(lambda: fake.bridges == {})
