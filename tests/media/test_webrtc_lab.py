"""WebRTC engines on calls of the real Asterisk: ten at a time, and one that vanishes.

Callees say frames that are told apart, and hear which of them the engine repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.hearing import answering, streams
from benchmarks.media import echo_bot
from benchmarks.rtp_callee import HERTZ
from dialerd.core.disposition import Reason
from dialerd.core.engine import EngineState
from dialerd.core.messages import AgentHeard, MediaFailed
from dialerd.media.engine_settings import Codec, EngineSettings
from scripts.running import Lab, lab
from tests.adapters.waiting import until
from tests.media.lo_address import usable_address
from tests.media.returned import by_number, by_tone, lost
from tests.media.test_engines_lab import BotDialer, dialing
from tests.media.webrtc_engine import Engine

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


async def reached(dialer: BotDialer, sessions: int) -> None:
    await until(lambda: dialer.capacity().get("bot") == EngineState(sessions))


@pytest.mark.alone
@pytest.mark.parametrize(("codec", "count"), [("pcmu", 10), ("opus", 3)])
async def test_calls_at_a_time_lose_nothing(tmp_path: Path, codec: Codec, count: int) -> None:
    with (
        answering(tmp_path / "sipp", talks=True, tones=codec == "opus") as (sipp, kept),
        ExitStack() as stack,
    ):
        running = stack.enter_context(lab(tmp_path / "lab", trunk=sipp.address))
        ending = stack.enter_context(ExitStack())
        url = ending.enter_context(echo_bot("webrtc", running))["URL"]
        settings = EngineSettings("bot", "webrtc", 10, url=url, connect=10.0, codecs=(codec,))
        async with dialing(running, tmp_path, settings) as dialer:
            await reached(dialer, 10)
            calls = [dialer.call(f"15550199{number}0", "bot") for number in range(10, 10 + count)]
            await until(lambda: len(dialer.heard.of(AgentHeard)) == count)
            await asyncio.sleep(20)
            assert dialer.heard.of(MediaFailed) == []
            # An engine that ends, ends its calls.
            await asyncio.to_thread(ending.close)
            for call in calls:
                await dialer.ended(call)
            await dialer.nothing_is_left()
    found = streams(kept)
    assert len(found) == count
    for stream in found:
        returned = by_tone(stream) if codec == "opus" else by_number(stream)
        assert lost(stream, returned, len(HERTZ) if codec == "opus" else 0) == []
        assert sum(number is not None for number in returned) > 500, "half of what was said came back"


async def test_an_engine_that_vanishes_in_a_call_ends_it_by_name(running_lab: Lab, tmp_path: Path) -> None:
    async with Engine(wave=None).serving() as bot:
        settings = EngineSettings("bot", "webrtc", 10, url=bot.url + "/api/offer")
        async with dialing(running_lab, tmp_path, settings) as dialer:
            await reached(dialer, 10)
            call = dialer.call("15550199020", "bot")
            await dialer.heard.wait(AgentHeard)
            await bot.vanish()
            assert await dialer.failed(call) == (
                Reason.ENGINE_FAILED, "engine bot: nothing came from the engine for 10 s",
            )  # fmt: skip
            await dialer.ended(call)
            await dialer.nothing_is_left()
