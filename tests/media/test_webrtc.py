"""The link with WebRTC engines, against engines that aiortc makes in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiortc import RTCIceServer

from dialerd.core.errors import PortError
from dialerd.media.playout import FRAME
from dialerd.media.samples import to_linear, to_mu_law
from dialerd.media.webrtc import LinkSettings, LinkTiming, WebRtcLink
from dialerd.media.webrtc_callee import Codec
from dialerd.media.webrtc_signalling import LONGEST_ANSWER, Dialect, Door, signalling
from tests.media.lo_address import usable_address
from tests.media.webrtc_engine import Engine, tone

PATIENT = LinkTiming(connect=20.0)
"""A busy machine must fail nothing."""
BOTH: tuple[Codec, ...] = ("pcmu", "opus")
TONE = to_mu_law((8_000 * np.sin(2 * np.pi * 1_000 * np.arange(FRAME) / 8_000)).astype(np.int16))


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.voice: list[tuple[float, bytes]] = []
        self.messages: list[Mapping[str, Any]] = []
        self.ends: list[str] = []

    def on_voice(self, audio: bytes) -> None:
        self.voice.append((time.monotonic(), audio))

    def on_message(self, message: Mapping[str, Any]) -> None:
        self.messages.append(message)

    def on_left(self) -> None:
        self.ends.append("left")

    def on_broken(self, detail: str) -> None:
        self.ends.append(detail)


class Bench:
    """A link and an engine."""

    def __init__(self, engine: Engine, http: aiohttp.ClientSession) -> None:
        self.engine = engine
        self.listener = Listener()
        self._http = http

    def link(
        self,
        dialect: Dialect = "json",
        path: str = "",
        *,
        token: str = "",
        codecs: tuple[Codec, ...] = BOTH,
        timing: LinkTiming = PATIENT,
        **settings: Any,
    ) -> WebRtcLink:
        path = path or ("/whip" if dialect == "sdp" else "/api/offer")
        door = Door(self.engine.url + path, dialect, token)
        chosen = LinkSettings(codecs=codecs, timing=timing, **settings)
        return WebRtcLink(signalling(self._http, door), {"call": "c1"}, self.listener, chosen)


@asynccontextmanager
async def bench(engine: Engine | None = None) -> AsyncIterator[Bench]:
    async with (engine or Engine()).serving() as serving, aiohttp.ClientSession() as http:
        yield Bench(serving, http)


async def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def say_for(link: WebRtcLink, seconds: float, frame: bytes = TONE) -> float:
    """Let the engine hear `frame`; gives for how many seconds this process was not served, the engine in it neither."""
    begun, last, stalled = time.monotonic(), time.monotonic(), 0.0
    for number in range(round(seconds * 50)):
        link.hear(frame)
        await asyncio.sleep(max(0.0, begun + (number + 1) * 0.020 - time.monotonic()))
        late = time.monotonic() - last - 0.020
        stalled += late if late > 0.010 else 0.0
        last = time.monotonic()
    return stalled


def frequency_and_level(samples: np.ndarray[Any, Any], rate: int) -> tuple[float, float]:
    """The strongest frequency in Hz, and the level in dB against the tone's own."""
    wave = samples.astype(float)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    level = 20 * np.log10(np.sqrt((wave**2).mean()) / (8_000 / np.sqrt(2)))
    return float(spectrum.argmax() * rate / len(wave)), float(level)


@pytest.mark.parametrize("dialect", ["json", "sdp"])
@pytest.mark.parametrize("codecs", [BOTH, ("opus",)])
async def test_a_tone_is_heard_on_both_sides_as_it_was_sent(
    dialect: Dialect, codecs: tuple[Codec, ...]
) -> None:
    async with bench() as it:
        link = it.link(dialect, codecs=codecs)
        await link.open()
        stalled = await say_for(link, 3.0)
        said = b"".join(audio for _, audio in it.listener.voice)
        heard = np.concatenate(it.engine.heard)
        await link.close()
    assert link.codec == codecs[0]
    assert it.engine.rate == (8_000 if codecs[0] == "pcmu" else 48_000)
    frequency, level = frequency_and_level(to_linear(said)[4_000:], 8_000)
    assert abs(frequency - 1_000) < 5
    assert abs(level) < 1
    rate = it.engine.rate
    frequency, level = frequency_and_level(heard[rate // 2 : rate * 5 // 2], rate)
    assert abs(frequency - 1_000) < 5
    assert abs(level) < 1
    assert link.voice.dropped <= stalled * 50


async def test_the_engines_audio_comes_without_gaps() -> None:
    async with bench() as it:
        link = it.link()
        await link.open()
        stalled = await say_for(link, 4.0)
        await link.close()
    # What Asterisk would play, which takes a frame every 20 ms from what has come.
    begun, waiting, longest = it.listener.voice[0][0], 0.0, 0.0
    last = begun
    for at, audio in it.listener.voice:
        waiting -= at - last
        if at - begun > 1.0:
            longest = max(longest, -waiting)
        waiting = max(waiting, 0.0) + len(audio) / 8_000
        last = at
    assert longest <= 0.040 + stalled
    assert last - begun > 3.0


async def test_a_lost_packet_costs_its_own_moment_and_delays_nothing_after_it() -> None:
    async with bench() as it:
        link = it.link()
        await link.open()
        await until(lambda: it.listener.voice)
        it.engine.lose(40)
        before = link.voice.received
        stalled = await say_for(link, 4.0)
        came = link.voice.received - before
        await link.close()
    # Of 200 five are lost, and each costs the frame before it.
    assert came > 183 - stalled * 50


async def test_silence_of_the_engine_does_not_reach_asterisk() -> None:
    def pulses(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return tone(numbers) * (numbers // 48_000 % 2)

    async with bench(Engine(pulses)) as it:
        link = it.link()
        await link.open()
        await say_for(link, 4.0)
        await link.close()
    spoken = sum(len(audio) for _, audio in it.listener.voice) / 8_000
    # Of two spurts of one second, and the pause that ends each.
    assert 1.4 < spoken < 3.2
    assert link.voice.received > 150


async def test_keys_and_what_the_engine_is_told_arrive_in_order() -> None:
    async with bench() as it:
        link = it.link()
        # Before the data channel is there.
        link.press("1")
        await link.open()
        link.press("#")
        await until(lambda: len(it.engine.messages) == 3)
        await until(lambda: it.engine.pings >= 2)
        await link.close()
    assert [message["type"] for message in it.engine.messages] == ["dialerd"] * 3
    assert it.engine.messages[0] == {"type": "dialerd", "call": {"call": "c1"}}
    assert [message["dtmf"] for message in it.engine.messages[1:]] == ["1", "#"]


async def test_a_hosted_model_can_be_told_to_begin_in_its_own_terms() -> None:
    async with bench() as it:
        begin = {"type": "response.create"}
        link = it.link("sdp", label="oai-events", first=begin, pings=False)
        await link.open()
        await until(lambda: begin in it.engine.messages)
        assert it.engine.channel is not None
        assert it.engine.channel.label == "oai-events"
        await link.close()
    assert it.engine.pings == 0


async def test_messages_of_the_engine_arrive_and_garbage_is_nothing() -> None:
    async with bench() as it:
        link = it.link()
        await link.open()
        await until(lambda: it.engine.channel is not None)
        for garbage in ("", "no JSON", "[1]", '"text"', '{"a":' * 2_000, '{"a":"' + "x" * 70_000 + '"}'):
            it.engine.say(garbage)
        it.engine.say({"type": "dialerd", "disposition": "interested"})
        await until(lambda: it.listener.messages)
        await link.close()
    assert it.listener.messages == [{"type": "dialerd", "disposition": "interested"}]
    assert it.listener.ends == []
    assert link.ignored == 6


async def test_the_offer_in_json_tells_of_the_call_and_carries_the_secret() -> None:
    async with bench() as it:
        link = it.link(token="s3cret")
        await link.open()
        await link.close()
    ((method, path, headers, text),) = it.engine.requests
    assert (method, path) == ("POST", "/api/offer")
    assert headers["Authorization"] == "Bearer s3cret"
    assert '"request_data":{"call":"c1"}' in text
    assert "s3cret" not in text
    assert "stun" not in text


async def test_a_url_that_ends_in_start_is_asked_for_a_session_first() -> None:
    async with bench() as it:
        link = it.link(path="/start")
        await link.open()
        await link.close()
    assert [path for _, path, _, _ in it.engine.requests] == ["/start", "/sessions/abc-1/api/offer"]
    assert '"body":{"call":"c1"}' in it.engine.requests[0][3]


async def test_an_sdp_engine_is_told_of_the_end_where_it_said_so() -> None:
    async with bench() as it:
        link = it.link("sdp", token="s3cret")
        await link.open()
        assert it.engine.deleted == []
        await link.close()
        await link.close()
    assert it.engine.deleted == ["/whip/calls/7"]
    assert it.engine.requests[0][2]["Content-Type"] == "application/sdp"
    assert {headers["Authorization"] for _, _, headers, _ in it.engine.requests} == {"Bearer s3cret"}


async def test_an_engine_that_hangs_up_has_left() -> None:
    async with bench() as it:
        link = it.link()
        await link.open()
        await until(lambda: it.listener.voice)
        await it.engine.hang_up()
        await until(lambda: it.listener.ends)
        await link.close()
    assert it.listener.ends == ["left"]


async def test_smallwebrtc_says_goodbye_by_a_message() -> None:
    async with bench() as it:
        link = it.link()
        await link.open()
        await until(lambda: it.engine.channel is not None)
        it.engine.say({"type": "signalling", "message": {"type": "renegotiate"}})
        it.engine.say({"type": "signalling", "message": {"type": "peerLeft"}})
        await until(lambda: it.listener.ends)
        await link.close()
    assert it.listener.ends == ["left"]
    assert it.listener.messages == []


async def test_an_engine_that_vanishes_is_noticed() -> None:
    async with bench() as it:
        link = it.link(timing=LinkTiming(connect=20.0, silent=1.0, look=0.1))
        await link.open()
        await until(lambda: it.listener.voice)
        await it.engine.vanish()
        await until(lambda: it.listener.ends, 10.0)
        await link.close()
    assert it.listener.ends == ["nothing came from the engine for 1 s"]


SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
VIDEO = SDP + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
BARE = SDP + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:0 PCMU/8000\r\na=mid:0\r\n"


@pytest.mark.parametrize(
    ("dialect", "status", "body", "words"),
    [
        ("json", 503, "no session is free", "refused the offer: HTTP 503: no session is free"),
        ("json", 307, "", "refused the offer: HTTP 307"),
        ("json", 200, "<html>", "answered the offer with no JSON object"),
        ("json", 200, "[]", "answered the offer with no JSON object"),
        ("json", 200, "{}", "answered the offer with no SDP answer"),
        ("json", 200, '{"sdp":7,"type":"answer"}', "answered the offer with no SDP answer"),
        ("json", 200, '{"sdp":"x","type":"offer"}', "answered the offer with no SDP answer"),
        ("json", 200, "x" * (LONGEST_ANSWER + 1), "longer than"),
        ("sdp", 401, "\x1b[31mno", "refused the offer: HTTP 401:  [31mno"),
        ("sdp", 201, "", "takes no audio"),
        ("sdp", 201, "garbage\nmore = of it\n\x00", "takes no audio"),
        ("sdp", 201, "m=audio x", "with no SDP"),
        ("sdp", 201, VIDEO, "takes no audio"),
        ("sdp", 201, BARE, "does not fit the offer"),
    ],
)
async def test_a_refusal_or_a_wrong_answer_is_named(
    dialect: Dialect, status: int, body: str, words: str
) -> None:
    async with bench() as it:
        it.engine.status, it.engine.body = status, body
        link = it.link(dialect)
        with pytest.raises(PortError) as caught:
            await link.open()
        await link.close()
    assert words in str(caught.value)
    assert it.listener.ends == []


async def test_an_engine_that_is_not_there_is_named_without_the_secret() -> None:
    async with bench() as it:
        it.engine.url = "http://127.0.0.1:1"
        link = it.link(token="s3cret")
        with pytest.raises(PortError, match=r"cannot be asked at http://127\.0\.0\.1:1") as caught:
            await link.open()
        await link.close()
    assert "s3cret" not in str(caught.value)


async def test_an_engine_that_does_not_answer_has_its_deadline() -> None:
    async with bench() as it:
        it.engine.delay = 30.0
        link = it.link(timing=LinkTiming(connect=0.5))
        with pytest.raises(PortError, match=r"waiting for the engine's answer took more than 0\.5 s"):
            await link.open()
        await link.close()


async def test_an_engine_that_cannot_be_reached_by_ice_is_named() -> None:
    async with bench() as it:
        real = it.engine.answer

        async def unreachable(sdp: str) -> Any:
            answer = await real(sdp)
            lines = [line for line in answer.sdp.split("\r\n") if not line.startswith("a=candidate")]
            answer.sdp = "\r\n".join(lines)
            # It must not reach us either.
            await it.engine.vanish()
            return answer

        it.engine.answer = unreachable  # type: ignore[method-assign]
        link = it.link(timing=LinkTiming(connect=5.0))
        with pytest.raises(PortError, match="ICE"):
            await link.open()
        await link.close()


async def test_a_stun_server_that_does_not_answer_is_named_and_leaves_nothing_behind() -> None:
    async with bench() as it:
        loop = asyncio.get_running_loop()
        mute, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        host, port = mute.get_extra_info("sockname")
        tasks, files = len(asyncio.all_tasks()), _open_files()
        servers = (RTCIceServer(urls=f"stun:{host}:{port}"),)
        link = it.link(timing=LinkTiming(connect=0.5), ice_servers=servers)
        with pytest.raises(PortError, match=r"gathering addresses for ICE took more than 0\.5 s"):
            await link.open()
        await link.close()
        await until(lambda: len(asyncio.all_tasks()) <= tasks and _open_files() <= files)
        mute.close()
    assert it.engine.requests == []


async def test_a_host_without_a_network_address_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: [])
    async with bench() as it:
        link = it.link()
        with pytest.raises(PortError, match=r"no address but 127\.0\.0\.1"):
            await link.open()
        await link.close()
    assert it.engine.requests == []


async def test_a_process_that_may_not_ask_for_addresses_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: bool) -> list[str]:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr("aioice.ice.get_host_addresses", refused)
    async with bench() as it:
        link = it.link()
        with pytest.raises(PortError, match=r"addresses cannot be found: .*AF_NETLINK"):
            await link.open()
        await link.close()


async def test_opening_and_closing_leaves_nothing_behind() -> None:
    async with bench() as it:

        async def cycle(number: int) -> None:
            link = it.link("sdp" if number % 2 else "json")
            opening = asyncio.ensure_future(link.open())
            if number % 5 < 3:
                await opening
            else:
                # Somewhere in the middle of it.
                await asyncio.sleep(0.006 * (number % 9))
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
            await link.close()
            await it.engine.hang_up()
            it.engine.peers.clear()

        await cycle(0)
        await asyncio.sleep(0.1)
        tasks, files = len(asyncio.all_tasks()), _open_files()
        for number in range(50):
            await cycle(number)
        # Offers that were broken off may still be answered.
        await until(lambda: it.engine.answering == 0)
        await it.engine.hang_up()
        await until(lambda: len(asyncio.all_tasks()) <= tasks and _open_files() <= files)
    assert it.listener.ends == []


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
