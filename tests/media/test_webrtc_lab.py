"""WebRTC engines on calls of the real Asterisk: ten at a time, and one that vanishes.

The callee whistles 1 kHz and records what it hears (`asterisk/lab/conf/carrier/tone.conf`).
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.webrtc import engine
from dialerd.core.engine import EngineState
from dialerd.core.messages import AgentHeard, MediaFailed
from dialerd.core.model import Reason
from dialerd.media.engine_settings import Codec, EngineSettings
from scripts.running import Lab, lab
from tests.adapters.waiting import until
from tests.media.lo_address import usable_address
from tests.media.test_engines_lab import BotDialer, dialing
from tests.media.tones import Tone, tone
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


async def recorded(dialer: BotDialer, number: str, side: str) -> Tone:
    """The tone in a recording, once the carrier has written it to its end."""
    found: list[np.ndarray] = []

    def is_written() -> bool:
        try:
            found.append(dialer.recording(number, side))
        except (OSError, EOFError, wave.Error):
            return False
        return len(found) > 1 and len(found[-1]) == len(found[-2])

    await until(is_written)
    heard = tone(found[-1])
    assert heard is not None
    return heard


async def pass_time(seconds: float) -> float:
    """Wait; gives for how many of the seconds this process was not served, and the others neither."""
    loop = asyncio.get_running_loop()
    until, stalled = loop.time() + seconds, 0.0
    while (begun := loop.time()) < until:
        await asyncio.sleep(0.010)
        late = loop.time() - begun - 0.010
        stalled += late if late > 0.020 else 0.0
    return stalled


@pytest.mark.parametrize(("codec", "count"), [("pcmu", 10), ("opus", 3)])
async def test_calls_at_a_time_lose_nothing(
    running_lab: Lab, tmp_path: Path, codec: Codec, count: int
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(engine())
        settings = EngineSettings("bot", "webrtc", 10, url=url, connect=10.0, codecs=(codec,))
        async with dialing(running_lab, tmp_path, settings) as dialer:
            await reached(dialer, 10)
            first = 10 if codec == "pcmu" else 30
            numbers = [f"15550199{number}0" for number in range(first, first + count)]
            calls = [dialer.call(number, "bot") for number in numbers]
            await until(lambda: len(dialer.heard.of(AgentHeard)) == count)
            stalled = await pass_time(20)
            assert dialer.heard.of(MediaFailed) == []
            # An engine that ends, ends its calls.
            await asyncio.to_thread(stack.close)
            for call in calls:
                await dialer.ended(call)
            await dialer.nothing_is_left()
            missed = 0.0
            for number in numbers:
                said, heard = await recorded(dialer, number, "said"), await recorded(dialer, number, "heard")
                assert abs(heard.hertz - 1_000) < 2
                assert abs(20 * np.log10(heard.level / said.level)) < 1
                assert heard.lasts > 19
                missed += sum(lasted for at, lasted in heard.gaps if at > 1)
            # Nothing, but for moments in which the machine does other things.
            assert missed <= (0.1 + stalled) * count


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
