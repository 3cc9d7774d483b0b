"""What an answer will need is made while the phone rings, makes no sound, and is gone when nobody answers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.effects import PrepareMedia
from dialerd.core.identity import ChannelId
from dialerd.core.messages import AgentFinished, AgentHeard, MediaFailed
from dialerd.media.formats import ALAW, ULAW
from dialerd.media.transcoding import conversion
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, FRAME, call_id, order
from tests.media.fake_asterisk import FakeAsterisk, channel_of, fake_asterisk
from tests.media.pool_daemon import Daemon, daemon, processes_of

CALL = call_id()
CHANNEL = ChannelId(channel_of(CALL))
LEG, BRIDGE = CHANNEL + "-m", CHANNEL + "-b"


@pytest.fixture(autouse=True)
def where_tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert processes_of(tmp_path) == []


def nothing_is_left(fake: FakeAsterisk) -> bool:
    legs = [name for name in fake.channels if name.endswith("-m")]
    return not legs and not fake.bridges


async def rings(boss: Daemon, fake: FakeAsterisk) -> None:
    """The phone rings, and all is ready."""
    boss.pool.expect(PrepareMedia(CALL, CHANNEL))
    await until(lambda: fake.bridges.get(BRIDGE) == [LEG])


async def test_the_answer_waits_for_one_step_only(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await rings(boss, fake)
        leg = await fake.leg(CALL)
        asked = len(fake.requests)
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        assert fake.requests[asked:] == [f"POST /ari/bridges/{BRIDGE}/addChannel"]
        assert fake.bridges == {BRIDGE: [LEG, CHANNEL]}
        await leg.press("9")
        assert await boss.heard.wait(AgentFinished) == AgentFinished(CALL, DNC)
        await until(lambda: nothing_is_left(fake))


async def test_it_is_made_in_the_format_that_the_carrier_speaks(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        boss.pool.expect(PrepareMedia(CALL, CHANNEL, codec="alaw"))
        await until(lambda: fake.bridges.get(BRIDGE) == [LEG])
        fake.answer(CALL)
        boss.pool.attach(order(codec="alaw"))
        await boss.heard.wait(AgentHeard)
        leg = await fake.leg(CALL)
        assert leg.form == "alaw"
        # The agent's frames, which are mu-law, and nothing in their place.
        await until(lambda: conversion(ULAW, ALAW)(FRAME) * 10 in bytes(leg.audio))


async def test_nothing_is_sent_before_the_answer(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await rings(boss, fake)
        leg = await fake.leg(CALL)
        await leg.press("9")
        await leg.speak(b"\x55" * 160)
        await asyncio.sleep(0.2)
        assert (bytes(leg.audio), leg.commands) == (b"", [])
        assert boss.heard.of(AgentHeard) == []
        assert boss.pool.held() == frozenset(), "nobody has the call"


async def test_a_call_that_is_not_answered_leaves_nothing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await rings(boss, fake)
        boss.pool.forgo(CALL)
        boss.pool.forgo(CALL)
        await until(lambda: nothing_is_left(fake))
        fake.slow = {"POST /ari/bridges": 0.2}
        boss.pool.expect(PrepareMedia(CALL, CHANNEL))
        boss.pool.forgo(CALL)
        await until(lambda: f"DELETE /ari/bridges/{BRIDGE}" in fake.requests[-1] and nothing_is_left(fake))
        assert boss.heard.of(MediaFailed) == []


async def test_an_answer_in_the_middle_of_it_waits_for_what_is_missing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.slow = {"POST /ari/channels": 0.2}
        boss.pool.expect(PrepareMedia(CALL, CHANNEL))
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        made = [line for line in fake.requests if line == f"POST /ari/bridges/{BRIDGE}"]
        assert len(made) == 1
        assert fake.bridges == {BRIDGE: [LEG, CHANNEL]}


@pytest.mark.parametrize("lingers", [0, 0.05])
async def test_what_has_failed_meanwhile_is_made_anew(tmp_path: Path, lingers: float) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.lingers = lingers
        await rings(boss, fake)
        (await fake.leg(CALL)).cut()
        await until(lambda: LEG not in fake.channels)
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        assert set(fake.bridges[BRIDGE]) == {LEG, CHANNEL}
        await (await fake.leg(CALL)).press("9")
        assert await boss.heard.wait(AgentFinished) == AgentFinished(CALL, DNC)
        await until(lambda: nothing_is_left(fake))


async def test_what_could_not_be_made_costs_no_call(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        fake.refuse = {f"POST /ari/bridges/{BRIDGE}": 500}
        boss.pool.expect(PrepareMedia(CALL, CHANNEL))
        await until(lambda: LEG in fake.channels)
        fake.refuse = {}
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        assert set(fake.bridges[BRIDGE]) == {LEG, CHANNEL}


async def test_a_worker_that_dies_meanwhile_costs_nothing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await rings(boss, fake)
        os.kill(boss.pid, signal.SIGKILL)
        await boss.ready(2)
        await until(lambda: nothing_is_left(fake))
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
        assert boss.heard.of(MediaFailed) == []


async def test_a_new_daemon_knows_what_is_ready_and_where(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with daemon(tmp_path, fake, workers=2, max_sessions=3) as boss:
            await boss.ready()
            fake.answer(call_id(2))
            boss.pool.attach(order(2))
            await rings(boss, fake)
            client = fake.legs[LEG].client
            assert client.endswith("-media-2")
            await boss.heard.wait(AgentHeard)
            boss.die()
            boss.running = None
        async with daemon(tmp_path, fake, workers=2, max_sessions=3) as boss:
            await boss.ready()
            fake.answer(CALL)
            asked = len(fake.requests)
            boss.pool.attach(order())
            await until(lambda: AgentHeard(CALL) in boss.heard.events)
            assert fake.requests[asked:] == [f"POST /ari/bridges/{BRIDGE}/addChannel"]


async def test_what_rang_in_vain_while_no_daemon_was_connected_is_let_go_of(tmp_path: Path) -> None:
    async with fake_asterisk() as fake:
        async with daemon(tmp_path, fake) as boss:
            await boss.ready()
            await rings(boss, fake)
            boss.die()
            boss.running = None
        async with daemon(tmp_path, fake, run=False) as boss:
            boss.pool.forgo(CALL)
            boss.running = asyncio.create_task(boss.pool.run())
            await until(lambda: nothing_is_left(fake))
            assert boss.pool.seats[0].expected == {}


@pytest.mark.parametrize("adopted", [False, True])
async def test_a_phone_whose_end_nobody_tells_takes_no_place_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adopted: bool
) -> None:
    monkeypatch.setenv("WORKER_RINGING", "0.5")
    async with fake_asterisk() as fake:
        async with daemon(tmp_path, fake) as boss:
            await boss.ready()
            for number in (1, 2, 3):
                boss.pool.expect(PrepareMedia(call_id(number), ChannelId(channel_of(call_id(number)))))
            await until(lambda: sum(line.startswith("POST /ari/bridges") for line in fake.requests) >= 3)
            if adopted:
                boss.die()
                boss.running = None
            else:
                await is_free(boss, fake)
        if adopted:
            async with daemon(tmp_path, fake) as boss:
                await is_free(boss, fake)


async def is_free(boss: Daemon, fake: FakeAsterisk) -> None:
    """All places are taken by phones that ring; a call that answers beside them gets the first that is free."""
    await boss.ready()
    later = call_id(9)
    fake.answer(later)
    boss.pool.attach(order(9))
    assert await boss.heard.wait(AgentHeard) == AgentHeard(later)
    await until(lambda: boss.pool.seats[0].expected == {})
    await until(lambda: list(fake.bridges) == [channel_of(later) + "-b"])


async def test_a_call_that_nobody_can_speak_to_leaves_nothing(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake) as boss:
        await boss.ready()
        await rings(boss, fake)
        fake.answer(CALL)
        boss.pool.attach(order(engine="nobody"))
        assert (await boss.heard.wait(MediaFailed)).reason is Reason.ENGINE_FAILED
        await until(lambda: nothing_is_left(fake))


async def test_it_can_be_left_to_the_answer(tmp_path: Path) -> None:
    async with fake_asterisk() as fake, daemon(tmp_path, fake, prepare=False) as boss:
        await boss.ready()
        asked = len(fake.requests)
        boss.pool.expect(PrepareMedia(CALL, CHANNEL))
        await asyncio.sleep(0.1)
        assert fake.requests[asked:] == []
        fake.answer(CALL)
        boss.pool.attach(order())
        await boss.heard.wait(AgentHeard)
