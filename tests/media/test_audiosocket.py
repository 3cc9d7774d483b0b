"""Calls that an engine holds over AudioSocket: what it is sent, what the callee hears, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core import mulaw
from dialerd.core.disposition import Reason
from dialerd.core.model import AgentReport
from dialerd.media import stream_talk
from dialerd.media.audiosocket import AudioSocketEngine
from dialerd.media.formats import SLIN, SLIN16, ULAW, Format
from dialerd.media.outcome import Finished
from tests.adapters.waiting import until
from tests.listening import stop
from tests.media.fake_agent import FRAME, call_id
from tests.media.fake_asterisk import FakeLeg
from tests.media.talking import Talk, talking
from tests.media.test_transcoding import level, tone

CALL = call_id()


@dataclass
class FakeServer:
    """An AudioSocket server with one call."""

    port: int = 0
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    writer: asyncio.StreamWriter | None = None
    closed: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readexactly(3)
        except asyncio.IncompleteReadError:
            writer.close()
            return  # Only a look whether anybody is there.
        self.writer = writer
        try:
            while True:
                payload = await reader.readexactly(int.from_bytes(head[1:], "big"))
                self.messages.append((head[0], payload))
                head = await reader.readexactly(3)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = True
            writer.close()

    def of(self, kind: int) -> list[bytes]:
        return [payload for found, payload in self.messages if found == kind]

    async def send(self, kind: int, payload: bytes = b"", pieces: int = 10_000) -> None:
        await until(lambda: self.writer is not None)
        assert self.writer is not None
        data = bytes((kind,)) + len(payload).to_bytes(2, "big") + payload
        for at in range(0, len(data), pieces):
            self.writer.write(data[at : at + pieces])
            await self.writer.drain()
            await asyncio.sleep(0)


@asynccontextmanager
async def served(**changes: Any) -> AsyncIterator[tuple[FakeServer, Talk]]:
    """`changes` are the engine's `format` and `silence`, and the carrier's `codec`."""
    server = FakeServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    engine: dict[str, Any] = {"kind": "audiosocket", "url": f"tcp://127.0.0.1:{server.port}"}
    engine["format"] = changes.pop("form", "slin")
    engine["silence"] = changes.pop("silence", 30.0)
    try:
        async with talking(engine=engine, kinds={"audiosocket": AudioSocketEngine}, **changes) as talk:
            yield server, talk
    finally:
        await stop(listening)
        if server.writer is not None:
            server.writer.close()


async def test_the_engine_is_told_which_call_it_is_and_hears_the_callee_and_its_keys() -> None:
    async with served() as (server, talk):
        await until(lambda: server.of(0x01))
        assert server.of(0x01) == [bytes(10) + bytes.fromhex(CALL.removeprefix("cal_"))]
        await server.send(0x10, mulaw.decode(FRAME))
        leg = await talk.leg()
        await until(lambda: talk.heard)
        assert leg.socket is not None
        await leg.socket.send_bytes(bytes(range(160)))
        await leg.press("#")
        await until(lambda: server.of(0x03))
        assert server.of(0x03) == [b"#"]
        assert server.of(0x10) == [mulaw.decode(bytes(range(160)))]
        assert talk.session is not None
        talk.session.detach()
        await until(lambda: server.closed)
        assert server.messages[-1] == (0x00, b"")


async def test_a_wideband_engine_is_sent_sixteen_kilohertz_as_asterisk_sends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine a piece may come late: no frame is filled up meanwhile, and silence between them is no fault.
    monkeypatch.setattr(stream_talk, "GRACE", 2.0)
    async with served(form="slin16", codec="g722") as (server, talk):
        said = bytes(number * 7 % 256 for number in range(6_400))
        for at in range(0, len(said), 333):
            await server.send(0x12, said[at : at + 333], pieces=100)
        leg = await talk.leg()
        assert leg.form == "slin16"
        await until(lambda: b"".join(sounding(leg, SLIN16)) == said)
        assert leg.socket is not None
        await leg.socket.send_bytes(said[:640])
        await until(lambda: server.of(0x12))
        assert server.of(0x12) == [said[:640]]
        assert server.of(0x10) == []


async def test_a_wideband_engine_hears_sixteen_kilohertz_of_a_narrow_carrier_too() -> None:
    async with served(form="slin16", codec="ulaw") as (server, talk):
        await server.send(0x12, SLIN16.silence)
        leg = await talk.leg()
        assert leg.form == "ulaw"
        await until(lambda: talk.heard)
        await leg.speak(FRAME, FRAME)
        await until(lambda: len(server.of(0x12)) == 2)
        assert {len(payload) for payload in server.of(0x12)} == {640}


def sounding(leg: FakeLeg, form: Format) -> list[bytes]:
    """The frames of what the callee heard that are no silence."""
    every = [bytes(leg.audio[at : at + form.frame]) for at in range(0, len(leg.audio), form.frame)]
    return [frame for frame in every if frame != form.silence]


async def test_an_engine_may_answer_in_the_other_rate() -> None:
    """Each message tells its own."""
    for form, kind, frame in (("slin16", 0x10, SLIN), ("slin", 0x12, SLIN16)):
        async with served(form=form, codec="g722") as (server, talk):
            await server.send(kind, tone(frame, 700))
            leg = await talk.leg()
            carried = SLIN16 if form == "slin16" else ULAW
            await until(lambda leg=leg, carried=carried: len(sounding(leg, carried)) >= 45)
            assert abs(level(carried, b"".join(sounding(leg, carried)))) < 0.3


async def test_audio_in_odd_pieces_reaches_the_callee_whole() -> None:
    async with served() as (server, talk):
        sent = bytes(number % 127 for number in range(1_600))
        linear = mulaw.decode(sent)
        for at in range(0, len(linear), 333):
            await server.send(0x10, linear[at : at + 333], pieces=100)
        leg = await talk.leg()
        await until(lambda: sent in bytes(leg.audio))


async def test_an_engine_that_hangs_up_or_closes_has_said_all() -> None:
    for ends in ("message", "close"):
        async with served() as (server, talk):
            await server.send(0x10, mulaw.decode(FRAME))
            await until(lambda: talk.heard)
            if ends == "message":
                await server.send(0x00)
            else:
                assert server.writer is not None
                server.writer.close()
            assert await talk.outcome() == Finished(AgentReport())


@pytest.mark.parametrize(
    ("kind", "payload", "named"),
    [
        (0xFF, b"\x01", "it reports an error (01)"),
        (0x42, b"?", "it sends a message of the unknown kind 0x42"),
        (0x00, b"", "it ended the conversation before it said anything"),
    ],
)
async def test_what_an_engine_does_wrong_is_named(kind: int, payload: bytes, named: str) -> None:
    async with served() as (server, talk):
        await server.send(kind, payload)
        reason, detail = await talk.failure()
        assert (reason, detail) == (Reason.ENGINE_FAILED, f"engine bot: {named}")


async def test_an_engine_that_does_not_listen_is_named() -> None:
    engine = {"kind": "audiosocket", "url": "tcp://127.0.0.1:9"}
    async with talking(engine=engine, kinds={"audiosocket": AudioSocketEngine}) as talk:
        assert (await talk.failure())[
            1
        ] == "engine bot: tcp://127.0.0.1:9 cannot be reached: Connection refused"


@given(st.binary(max_size=400))
def test_mu_law_comes_back_as_it_was(audio: bytes) -> None:
    # Minus zero and zero sound alike.
    assert mulaw.encode(mulaw.decode(audio)) == audio.replace(b"\x7f", b"\xff")


def test_samples_are_kept_as_well_as_eight_bits_allow() -> None:
    for value in range(-32_000, 32_000, 77):
        near = int.from_bytes(
            mulaw.decode(mulaw.encode(value.to_bytes(2, "little", signed=True))), "little", signed=True
        )
        assert abs(near - value) <= max(8, abs(value) * 0.04)


async def test_an_engine_that_has_frozen_is_noticed_though_its_socket_is_open() -> None:
    """It reads nothing and says nothing any more; its host goes on acknowledging what the callee says."""
    async with served(silence=0.2) as (server, talk):
        await server.send(0x10, mulaw.decode(FRAME))
        leg = await talk.leg()
        await until(lambda: talk.heard)
        assert server.writer is not None
        server.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not talk.outcomes:
            await leg.speak(FRAME)
            await asyncio.sleep(0.02)
        reason, detail = await talk.failure()
        assert reason is Reason.ENGINE_FAILED
        assert detail == "engine bot: it has sent nothing for 0.2 s, not even silence"


async def test_an_engine_that_listens_and_sends_silence_is_there() -> None:
    loop = asyncio.get_running_loop()
    async with served(silence=1.0) as (server, talk):
        await server.send(0x10, mulaw.decode(FRAME))
        leg = await talk.leg()
        await until(lambda: talk.heard)
        until_then = loop.time() + 1.2
        while loop.time() < until_then:
            await leg.speak(FRAME)
            await server.send(0x10, SLIN.silence)
            await asyncio.sleep(0.02)
        assert not talk.outcomes


async def test_without_a_limit_an_engine_may_be_silent_for_ever() -> None:
    async with served(silence=0.0) as (server, talk):
        await server.send(0x10, mulaw.decode(FRAME))
        leg = await talk.leg()
        await until(lambda: talk.heard)
        await leg.speak(*[FRAME] * 10)
        await until(lambda: len(server.of(0x10)) == 10)
        assert not talk.outcomes
