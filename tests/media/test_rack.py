"""Which engines can be given calls, and how many."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from dialerd.core.engine import EngineState
from dialerd.core.errors import PortError
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.rack import EngineRack, RackTiming
from dialerd.media.twilio import TwilioStreamEngine
from dialerd.webhooks.way import GuardedWay
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME, FakeAgent, order
from tests.media.fake_bot import echo, fake_bot


async def test_an_engine_is_looked_at_and_named_while_it_cannot_be_reached() -> None:
    quick = RackTiming(check=0.02, retry=0.02, longest_retry=0.05)
    changes: list[dict[str, EngineState]] = []
    async with fake_bot() as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: changes.append(rack.states()), quick)
        good = EngineSettings("good", "twilio-stream", 3, url=bot.url)
        bad = EngineSettings("bad", "twilio-stream", 3, url="ws://127.0.0.1:9/ws")
        new = EngineSettings("new", "telepathy", 3)
        rack.configure([good, bad, new])
        await until(lambda: rack.states()["good"].sessions == 3)
        await until(lambda: "Connection refused" in rack.states()["bad"].detail)
        assert rack.states()["bad"] == EngineState(
            0, "ws://127.0.0.1:9/ws cannot be reached: Connection refused; start it"
        )
        assert rack.states()["new"] == EngineState(0, "this version has no engines of the kind telepathy")
        rack.configure([good])
        assert list(rack.states()) == ["good"]
        rack.close()
    assert changes


async def test_an_engine_that_takes_no_calls_is_given_none_then_one_then_all() -> None:
    quick = RackTiming(check=0.02, retry=0.05, longest_retry=0.05)
    async with fake_bot(refuses=True) as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: None, quick)
        rack.configure([EngineSettings("bot", "twilio-stream", 3, url=bot.url, connect=20.0)])
        await until(lambda: rack.states()["bot"].sessions == 3)
        said = f"{bot.url} opens no WebSocket (HTTP 503)"
        for number, sessions, told in (
            (1, 3, f"its last call failed: {said}"),
            (2, 0, f"it took no call 2 times running: {said}"),
        ):
            conversation: Any = rack.converse(order(number, engine="bot"))
            with pytest.raises(Exception, match="opens no WebSocket"):
                await conversation.connect()
            conversation.close(0)
            state = rack.states()["bot"]
            assert state.sessions == sessions
            assert state.detail.startswith(told)
        await until(lambda: rack.states()["bot"].sessions == 1)
        assert rack.states()["bot"].detail.startswith(
            f"one call at a time, until it takes one: it took no call 2 times running: {said}"
        )
        bot.refuses = False
        conversation = rack.converse(order(3, engine="bot"))
        await conversation.connect()
        stream = await bot.stream()
        await stream.speak(FRAME)
        await until(lambda: rack.states()["bot"] == EngineState(3))
        conversation.close(0)
        rack.close()


async def test_an_engine_is_looked_at_no_less_often_while_it_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
    rack = EngineRack(
        FakeAgent(), kinds, lambda: None, RackTiming(check=0.02, retry=3_600, longest_retry=3_600)
    )
    rack.configure([EngineSettings("bot", "twilio-stream", 3, url=f"ws://127.0.0.1:{port}/ws")])
    await until(lambda: "Connection refused" in rack.states()["bot"].detail)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    async with server:
        await until(lambda: rack.states()["bot"] == EngineState(3))
    rack.close()


async def test_a_wrong_path_is_named() -> None:
    async with fake_bot() as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: None)
        rack.configure([EngineSettings("bot", "twilio-stream", 3, url=f"{bot.url}/call")])
        await until(lambda: rack.states()["bot"].sessions == 3)
        conversation: Any = rack.converse(order(1, engine="bot"))
        said = f"{bot.url}/call opens no WebSocket (HTTP 404): check the path, and the token if it wants one"
        with pytest.raises(PortError) as caught:
            await conversation.connect()
        conversation.close(0)
        assert str(caught.value) == f"engine bot: {said}"
        assert rack.states()["bot"].detail == f"its last call failed: {said}"
        rack.close()


async def test_a_full_engine_takes_no_further_call() -> None:
    async with fake_bot(behave=echo) as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: None)
        rack.configure([EngineSettings("bot", "twilio-stream", 1, url=bot.url)])
        held = rack.converse(order(1, engine="bot"))
        with pytest.raises(Exception, match="all 1 sessions are taken"):
            rack.converse(order(2, engine="bot"))
        held.close(0)  # type: ignore[arg-type]
        rack.converse(order(2, engine="bot")).close(0)  # type: ignore[arg-type]
        rack.close()
