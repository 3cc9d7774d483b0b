"""Bots on calls of the real Asterisk: a tone comes back whole, keys arrive, what a bot does wrong ends its call alone.

The callee whistles 1 kHz and records what it hears (`asterisk/lab/conf/carrier/tone.conf`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web

from dialerd.asterisk.telephony import AsteriskTelephony
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent
from dialerd.core.engine import EngineState, StandIn
from dialerd.core.identity import E164, CallId, InstanceId, call_of
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    AgentStoodIn,
    Event,
    HostUp,
    MediaCapacity,
    MediaFailed,
    TryAnswered,
    TryEnded,
)
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.pool import MediaPool
from scripts.running import Lab, lab
from tests.adapters.waiting import until
from tests.media.fake_bot import FakeBot, FakeStream, echo, fake_bot
from tests.media.test_media_lab import SHORT, Dialer, as_stored
from tests.media.tones import Tone, samples, tone
from tests.web_server import web_server

pytestmark = pytest.mark.lab

STAND_IN = StandIn("helper", "embedded", "short", 1, "en-IN")


@dataclass
class BotDialer(Dialer):
    """Gives its calls to bots."""

    engines: tuple[EngineSettings, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    answered: dict[CallId, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TryAnswered) and self.pool is not None:
            self.heard(event)
            call = call_of(event.channel)
            self.answered[call] = time.monotonic()
            engine, language = self.scripts[call]
            self.pool.attach(
                AttachAgent(
                    call, event.channel, "", 0, language, E164("+" + self.numbers[call]), "Priya", {"loan": 5},
                    engine=engine, agent_id="bot", caller_id="+15550100100", stand_ins=self.stand_ins,
                    codec=self.codecs[call][0],
                )
            )  # fmt: skip
        else:
            super().__call__(event)

    def engine_of(self, call: CallId) -> str:
        return self.scripts[call][0]

    async def start_pool(self) -> None:
        self.pool = MediaPool(
            state_dir=self.folder,
            ari=self.ari,
            listen=self.lab.facts["media"]["lab-media"],
            instance=InstanceId("lab"),
            max_sessions=20,
            engines=self.engines,
            allow=["127.0.0.1"],
            cache_dir=self.folder / "prompts",
            sink=self,
        )
        await self.pool.prepare(as_stored("short", SHORT), "en-IN")
        self.holding = asyncio.create_task(self.pool.run())

    def capacity(self) -> dict[str, EngineState]:
        told = self.heard.of(MediaCapacity)
        return dict(told[-1].engines) if told else {}

    async def failed(self, call: CallId) -> tuple[Reason, str]:
        await until(lambda: any(each.call == call for each in self.heard.of(MediaFailed)))
        (found,) = [each for each in self.heard.of(MediaFailed) if each.call == call]
        return found.reason, found.detail

    def recording(self, number: str, side: str = "heard") -> np.ndarray:
        folder = Path(self.lab.facts["cdr"]["carrier"]).parent.parent / "spool" / "monitor"
        return samples(folder / f"{number}-{side}.wav")


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


@asynccontextmanager
async def dialing(
    running_lab: Lab, folder: Path, *engines: EngineSettings, stand_ins: tuple[StandIn, ...] = ()
) -> AsyncIterator[BotDialer]:
    dialer = BotDialer(running_lab, folder, engines=engines, stand_ins=stand_ins)
    dialer.telephony = AsteriskTelephony(InstanceId("lab"), dialer.ari, dialer)
    connecting = asyncio.create_task(dialer.telephony.run())
    try:
        await dialer.start_pool()
        await dialer.ready()
        await dialer.heard.wait(HostUp, seconds=10)
        yield dialer
    finally:
        await dialer.stop_pool()
        if dialer.pool is not None:
            await dialer.pool.close(kill=True)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await dialer.telephony.close()


def settings(bot: FakeBot, **changes: Any) -> EngineSettings:
    return EngineSettings("bot", "twilio-stream", 10, **{"url": bot.url, **changes})


def whole(found: Tone | None, sent: float, least: float) -> Tone:
    """A tone of 1 kHz as loud as it was sent, without a gap.

    On a busy machine bot or Asterisk may be late once: that costs a pause, after which it goes on.
    """
    assert found is not None
    assert abs(found.hertz - 1_000) < 2
    assert abs(20 * np.log10(found.level / sent)) < 1, "no louder and no quieter by a decibel"
    assert found.lasts >= least
    assert len(found.gaps) <= 1
    assert sum(gap for _, gap in found.gaps) < 0.3
    return found


@pytest.mark.alone
async def test_a_tone_comes_back_from_an_echo_bot_whole_and_its_keys_arrive(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with fake_bot(behave=echo) as bot, dialing(running_lab, tmp_path, settings(bot)) as dialer:
        await until(lambda: dialer.capacity().get("bot") == EngineState(10))
        number = "15550199005"
        call = dialer.call(number, "bot")
        stream = await bot.stream()
        await until(lambda: stream.of("dtmf"), 10)
        assert stream.of("dtmf")[0]["dtmf"]["digit"] == "5"
        about = stream.of("start")[0]["start"]["customParameters"]
        assert (about["call_id"], about["to_number"], about["loan"]) == (call, "+" + number, "5")
        await asyncio.sleep(3)
        await stream.socket.send_str(
            '{"event": "dialerd", "disposition": "interested", "captured": {"budget": 500}, "hangup": "now"}'
        )
        await dialer.ended(call)
        finished = await dialer.heard.wait(AgentFinished)
        assert (finished.report.disposition, dict(finished.report.captured)) == (
            "interested",
            {"budget": 500},
        )
        assert dialer.heard.of(MediaFailed) == []
        await dialer.nothing_is_left()
        said = tone(dialer.recording(number, "said"))
        assert said is not None
        heard = dialer.recording(number)
        # The key's own tones lie between; from there on it is one tone again.
        after_key = heard[int((said.begins + 3.2) * 8_000) :]
        whole(tone(after_key), said.level, 1.5)


@pytest.mark.alone
async def test_a_tone_comes_back_whole_over_audiosocket(running_lab: Lab, tmp_path: Path) -> None:
    keys: list[bytes] = []

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readexactly(3):
                payload = await reader.readexactly(int.from_bytes(head[1:], "big"))
                if head[0] == 0x10:
                    writer.write(head + payload)
                elif head[0] == 0x03:
                    keys.append(payload)
                    await asyncio.sleep(2)
                    writer.write(b"\0\0\0")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with dialing(running_lab, tmp_path, EngineSettings("bot", "audiosocket", 10, url=url)) as dialer:
        number = "15550199505"
        call = dialer.call(number, "bot")
        await dialer.ended(call)
        assert keys == [b"5"]
        assert [each.call for each in dialer.heard.of(AgentFinished)] == [call]
        said = tone(dialer.recording(number, "said"))
        assert said is not None
        whole(tone(dialer.recording(number)[: int((said.begins + 2) * 8_000)]), said.level, 1.3)
        await dialer.nothing_is_left()
    server.close()


@asynccontextmanager
async def repeating(address: str, told: list[dict[str, Any]] | None = None) -> AsyncIterator[None]:
    """An engine that Asterisk leads to: it repeats what it hears, adds to `told`, and goes 2 s after a key."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["media"])
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                event = json.loads(message.data)
                if told is not None:
                    told.append(event)
                if event["event"] == "DTMF_END":
                    asyncio.get_running_loop().call_later(2, lambda: asyncio.ensure_future(socket.close()))
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    host, port = address.rsplit(":", 1)
    app = web.Application()
    app.router.add_get("/media", serve)
    async with web_server(app, host, int(port)):
        yield


@pytest.mark.alone
async def test_a_tone_comes_back_whole_from_an_engine_that_asterisk_leads_to(
    running_lab: Lab, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    engine = EngineSettings("bot", "asterisk", 10, connection="bare-media")
    address = running_lab.facts["media"]["bare-media"]
    async with repeating(address, told), dialing(running_lab, tmp_path, engine) as dialer:
        number = "15550199605"
        call = dialer.call(number, "bot")
        await dialer.ended(call)
        assert [each.call for each in dialer.heard.of(AgentFinished)] == [call]
        start = told[0]
        assert start["event"] == "MEDIA_START"
        assert start["channel_variables"]["DIALERD_CALL_ID"] == call
        assert [event["digit"] for event in told if event["event"] == "DTMF_END"] == ["5"]
        said = tone(dialer.recording(number, "said"))
        assert said is not None
        whole(tone(dialer.recording(number)[: int((said.begins + 2) * 8_000)]), said.level, 1.3)
        await dialer.nothing_is_left()
    async with dialing(running_lab, tmp_path, engine) as dialer:
        call = dialer.call("15550199610", "bot")
        reason, _ = await dialer.failed(call)
        assert reason is Reason.ENGINE_FAILED
        await dialer.ended(call)
        await dialer.nothing_is_left()


@pytest.mark.alone
async def test_clear_is_heard_at_once_and_a_bot_that_closes_its_socket_ends_the_call(
    running_lab: Lab, tmp_path: Path
) -> None:
    loud = bytes(_sine(700))

    async def speak(stream: FakeStream, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            for _ in range(20):
                await stream.speak(loud * 1)
            await stream.mark("end")

    async with fake_bot(behave=speak) as bot, dialing(running_lab, tmp_path, settings(bot)) as dialer:
        number = "15550199010"
        call = dialer.call(number, "bot")
        stream = await bot.stream()
        await dialer.heard.wait(AgentHeard, seconds=10)
        await asyncio.sleep(2.0)
        assert stream.marks == []
        await stream.say("clear")
        await until(lambda: stream.marks == ["end"])
        await asyncio.sleep(1.0)
        await stream.speak(loud[:8_000])
        await stream.socket.close()
        await dialer.ended(call)
        assert [each.call for each in dialer.heard.of(AgentFinished)] == [call]
        heard = tone(dialer.recording(number), 700)
        assert heard is not None
        ((at, lasted),) = [gap for gap in heard.gaps if gap[1] > 0.1]
        assert 1.5 < at < 2.6, "twenty seconds were queued: what was taken back is not heard"
        assert lasted > 0.7
        assert heard.lasts - at - lasted == pytest.approx(1.0, abs=0.1), "the last second is heard to its end"


async def test_a_bot_that_fails_costs_its_own_call_a_named_reason_and_nothing_else(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with fake_bot(behave=echo) as good, fake_bot(behave=echo) as bad, fake_bot(accepts=False) as slow:
        engines = [
            settings(good),
            EngineSettings("bad", "twilio-stream", 10, url=bad.url),
            EngineSettings("slow", "twilio-stream", 10, url=slow.url, connect=0.5),
            EngineSettings("gone", "twilio-stream", 10, url="ws://127.0.0.1:9/"),
        ]
        async with dialing(running_lab, tmp_path, *engines) as dialer:
            lasting = dialer.call("15550199020", "bot")
            garbled, killed = dialer.call("15550199030", "bad"), dialer.call("15550199040", "bad")
            late, nobody = dialer.call("15550199050", "slow"), dialer.call("15550199060", "gone")
            streams = [await bad.stream(1), await bad.stream(2)]
            about = {
                stream.of("start")[0]["start"]["customParameters"]["call_id"]: stream for stream in streams
            }
            await until(lambda: len(dialer.heard.of(AgentHeard)) == 3, 10)
            await about[garbled].socket.send_str("garbage")
            writer = about[killed].socket._writer
            assert writer is not None
            writer.transport.abort()
            assert await dialer.failed(garbled) == (
                Reason.ENGINE_FAILED, "engine bad: it sends text that is no JSON",
            )  # fmt: skip
            assert await dialer.failed(killed) == (
                Reason.ENGINE_FAILED, "engine bad: it broke off the conversation",
            )  # fmt: skip
            assert "does not take the call within 0.5 s" in (await dialer.failed(late))[1]
            assert "Connection refused" in (await dialer.failed(nobody))[1]
            for call in (garbled, killed, late, nobody):
                await dialer.ended(call)
            assert [each for each in dialer.heard.of(MediaFailed) if each.call == lasting] == []
            await until(lambda: "Connection refused" in dialer.capacity()["gone"].detail)
            (stream,) = good.streams
            await stream.socket.close()
            await dialer.ended(lasting)
            await dialer.nothing_is_left()


async def test_a_bot_holds_its_call_while_the_daemon_is_restarted(running_lab: Lab, tmp_path: Path) -> None:
    async with fake_bot(behave=echo) as bot, dialing(running_lab, tmp_path, settings(bot)) as dialer:
        call = dialer.call("15550199700", "bot")
        stream = await bot.stream()
        await dialer.heard.wait(AgentHeard, seconds=10)
        first = dialer.worker
        await dialer.stop_pool()
        dialer.crash()
        assert await dialer.adopted() == {call}
        assert dialer.worker == first
        await until(lambda: dialer.capacity().get("bot") == EngineState(10))
        before = len(stream.audio)
        await until(lambda: len(stream.audio) > before + 8_000, 10)
        await stream.socket.send_str('{"event": "dialerd", "disposition": "paid"}')
        await stream.socket.close()
        await dialer.ended(call)
        assert dialer.label(call) == "paid"
        await dialer.nothing_is_left()


async def test_the_fallback_takes_the_call_within_the_time_a_callee_waits(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with fake_bot(accepts=False) as slow:
        engine = settings(slow, connect=1.0)
        async with dialing(running_lab, tmp_path, engine, stand_ins=(STAND_IN,)) as dialer:
            call = dialer.call("15550100100", "bot")
            taken = await dialer.heard.wait(AgentStoodIn, seconds=10)
            assert (taken.call, taken.agent_id, taken.engine) == (call, "helper", "embedded")
            await dialer.heard.wait(AgentHeard, seconds=10)
            assert time.monotonic() - dialer.answered[call] < 2.0
            await dialer.ended(call)
            assert dialer.label(call) == "interested"
            assert len(dialer.heard.of(AgentReported)) == 1
            assert dialer.heard.of(TryEnded)
            await dialer.nothing_is_left()


def _sine(hertz: int) -> list[int]:
    """A second of a tone, mu-law."""
    from dialerd.core.mulaw import encode_sample

    return [encode_sample(round(8_000 * np.sin(2 * np.pi * hertz * at / 8_000))) for at in range(8_000)]
