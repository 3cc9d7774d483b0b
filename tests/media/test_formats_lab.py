"""The formats of the media leg on the real Asterisk: over carriers that speak mu-law, A-law and G.722.

The callee whistles and records what it hears (`asterisk/lab/conf/carrier/tone.conf`).
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.webrtc import engine as webrtc_process
from dialerd.core.engine import EngineState
from dialerd.core.identity import CallId
from dialerd.core.messages import AgentHeard, MediaFailed
from dialerd.media.engine_settings import EngineSettings
from scripts.running import LAB, Lab, lab
from tests.adapters.waiting import until
from tests.media.fake_bot import echo, fake_bot
from tests.media.lo_address import usable_address
from tests.media.test_engines_lab import BotDialer, dialing, repeating, whole
from tests.media.tones import samples, tone
from tests.media.webrtc_engine import Engine

pytestmark = pytest.mark.lab

CARRIERS = {"ulaw": ("ulaw",), "alaw": ("alaw",), "g722": ("g722",)}
WIDE = CARRIERS["g722"]
WHISTLE = 6_000
LEVEL = 8_000


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        whistle = found.folder / "whistle"
        numbers = np.arange(30 * 16_000)
        sound = (LEVEL * np.sin(2 * np.pi * WHISTLE * numbers / 16_000)).astype("<i2")
        whistle.with_suffix(".sln16").write_bytes(sound.tobytes())
        command = f"dialplan set global WHISTLE {whistle}"
        subprocess.run([LAB, "rx", "--dir", str(found.folder), "carrier", command], check=True)
        yield found


@asynccontextmanager
async def audiosocket() -> AsyncIterator[str]:
    """An engine that repeats what it hears, whatever its rate."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readexactly(3):
                payload = await reader.readexactly(int.from_bytes(head[1:], "big"))
                if head[0] in (0x10, 0x12):
                    writer.write(head + payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def all_heard(dialer: BotDialer, calls: list[CallId], seconds: float) -> None:
    """Let these calls last for so long once all are heard, then end them."""
    await until(lambda: {each.call for each in dialer.heard.of(AgentHeard)} >= set(calls), 20)
    await asyncio.sleep(seconds)
    assert dialer.heard.of(MediaFailed) == []
    assert dialer.telephony is not None
    for call in calls:
        dialer.telephony.hang_up(dialer.channel(call))
    for call in calls:
        await dialer.ended(call)
    await dialer.nothing_is_left()


def wide_recording(dialer: BotDialer, number: str) -> np.ndarray[Any, Any]:
    """What a callee heard, at 16 kHz."""
    folder = Path(dialer.lab.facts["cdr"]["carrier"]).parent.parent / "spool" / "monitor"
    return samples(folder / f"{number}-heard.wav16", rate=16_000)


def whistled(heard: np.ndarray[Any, Any], rate: int) -> float:
    """How loud the whistle is in the loudest half second, in dB against what was whistled."""
    step = rate // 2
    parts = [heard[at : at + step] for at in range(0, len(heard) - step + 1, step)]
    turns = np.exp(-2j * np.pi * WHISTLE * np.arange(step) / rate)
    strength = max((abs(part @ turns) * 2 / step for part in parts), default=0.0)
    return float(20 * np.log10(max(strength, 1e-3) / LEVEL))


@pytest.mark.alone
async def test_a_tone_comes_back_whole_over_every_carrier_from_every_kind_of_engine(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(fake_bot(behave=echo))
        url = await stack.enter_async_context(audiosocket())
        await stack.enter_async_context(repeating(running_lab.facts["media"]["bare-media"]))
        offers, _ = stack.enter_context(webrtc_process())
        engines = (
            EngineSettings("twilio", "twilio-stream", 10, url=bot.url),
            EngineSettings("socket", "audiosocket", 10, url=url, format="slin"),
            EngineSettings("sixteen", "audiosocket", 10, url=url, format="slin16"),
            EngineSettings("direct", "asterisk", 10, connection="bare-media", format="alaw"),
            EngineSettings("pcmu", "webrtc", 10, url=offers, connect=10.0, codecs=("pcmu",)),
            EngineSettings("wide", "webrtc", 10, url=offers, connect=10.0, format="slin16"),
        )
        dialer = await stack.enter_async_context(dialing(running_lab, tmp_path, *engines))
        await until(lambda: set(dialer.capacity().values()) == {EngineState(10)})
        numbers: dict[tuple[str, str], str] = {}
        for codec, codecs in CARRIERS.items():
            calls = []
            for engine in engines:
                number = f"15550199{len(numbers):02d}0"
                numbers[codec, engine.name] = number
                calls.append(dialer.call(number, engine.name, codecs=codecs))
            await all_heard(dialer, calls, 3.0)
        for (codec, name), number in numbers.items():
            said = tone(dialer.recording(number, "said"))
            assert said is not None, (codec, name)
            # G.722 and Opus take a moment to find a tone's level.
            whole(tone(dialer.recording(number)[4_000:]), said.level, 1.3)


@pytest.mark.parametrize(("form", "arrives"), [("slin16", True), ("ulaw", False)])
async def test_what_only_wideband_carries_reaches_a_webrtc_engine_and_the_callee_over_a_wide_leg_alone(
    running_lab: Lab, tmp_path: Path, form: str, arrives: bool
) -> None:
    def whistle(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return LEVEL * np.sin(2 * np.pi * WHISTLE * numbers / 48_000)

    async with Engine(whistle).serving() as bot:
        settings = EngineSettings(
            "bot", "webrtc", 10, url=bot.url + "/api/offer", connect=10.0, codecs=("opus",), format=form
        )
        async with dialing(running_lab, tmp_path, settings) as dialer:
            await until(lambda: dialer.capacity().get("bot") == EngineState(10))
            number = "15550198000" if arrives else "15550198001"
            call = dialer.call(number, "bot", codecs=WIDE)
            await until(lambda: bot.heard, 20)
            await asyncio.sleep(4.0)
            assert dialer.telephony is not None
            dialer.telephony.hang_up(dialer.channel(call))
            await dialer.ended(call)
            await dialer.nothing_is_left()
            engine_heard = whistled(np.concatenate(bot.heard).astype(float), bot.rate)
            callee_heard = whistled(wide_recording(dialer, number), 16_000)
    if arrives:
        assert abs(engine_heard) < 2
        assert abs(callee_heard) < 2
    else:
        assert engine_heard < -40
        assert callee_heard < -40


async def test_what_only_wideband_carries_comes_back_from_engines_of_the_other_kinds(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with audiosocket() as url, repeating(running_lab.facts["media"]["bare-media"]):
        engines = (
            EngineSettings("narrow", "audiosocket", 10, url=url, format="slin"),
            EngineSettings("sixteen", "audiosocket", 10, url=url, format="slin16"),
            EngineSettings("direct", "asterisk", 10, connection="bare-media", format="slin16"),
        )
        async with dialing(running_lab, tmp_path, *engines) as dialer:
            await until(lambda: set(dialer.capacity().values()) == {EngineState(10)})
            numbers = {engine.name: f"1555019801{at}" for at, engine in enumerate(engines)}
            calls = [dialer.call(number, name, codecs=WIDE) for name, number in numbers.items()]
            await all_heard(dialer, calls, 3.0)
            heard = {
                name: whistled(wide_recording(dialer, number), 16_000) for name, number in numbers.items()
            }
    assert abs(heard["sixteen"]) < 2
    assert abs(heard["direct"]) < 2
    assert heard["narrow"] < -40


@pytest.mark.alone
async def test_asterisk_takes_every_format_that_an_engine_of_its_own_may_have(
    running_lab: Lab, tmp_path: Path
) -> None:
    forms = ("ulaw", "alaw", "g722", "slin", "slin16", "slin24", "slin48")
    async with repeating(running_lab.facts["media"]["bare-media"]):
        engines = [
            EngineSettings(form, "asterisk", 10, connection="bare-media", format=form) for form in forms
        ]
        async with dialing(running_lab, tmp_path, *engines) as dialer:
            await until(lambda: set(dialer.capacity().values()) == {EngineState(10)})
            numbers = {form: f"155501995{at}0" for at, form in enumerate(forms)}
            calls = [dialer.call(number, form) for form, number in numbers.items()]
            await all_heard(dialer, calls, 3.0)
            for number in numbers.values():
                said = tone(dialer.recording(number, "said"))
                assert said is not None
                whole(tone(dialer.recording(number)[4_000:]), said.level, 1.3)
