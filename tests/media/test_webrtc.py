"""The link with WebRTC engines, against engines that aiortc makes in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.rtp_callee import HERTZ, Stream, hummed, numbered
from dialerd.media.engine_settings import Codec, Dialect
from dialerd.media.formats import SLIN16
from dialerd.media.playout import FRAME
from dialerd.media.samples import to_linear
from dialerd.media.webrtc import LinkTiming
from tests.media.lo_address import usable_address
from tests.media.returned import by_number, by_tone, lost
from tests.media.webrtc_bench import BOTH, bench, frequency_and_level, say_for, until
from tests.media.webrtc_engine import Engine, tone


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


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


async def test_a_wideband_link_carries_both_ways_what_a_telephone_cannot() -> None:
    def whistle(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return 8_000 * np.sin(2 * np.pi * 6_000 * numbers / 48_000)

    async with bench(Engine(whistle)) as it:
        # Opus alone is offered: PCMU carries no wideband.
        link = it.link(form=SLIN16)
        await link.open()
        await say_for(link, 3.0, frame=whistle(3 * np.arange(320)).astype(np.int16).tobytes())
        said = np.frombuffer(b"".join(audio for _, audio in it.listener.voice), np.int16)
        heard = np.concatenate(it.engine.heard)
        await link.close()
    assert link.codec == "opus"
    for samples, rate in ((said[8_000:], 16_000), (heard[24_000:120_000], 48_000)):
        frequency, level = frequency_and_level(samples, rate)
        assert abs(frequency - 6_000) < 5
        assert abs(level) < 1.5


@pytest.mark.parametrize("codec", BOTH)
async def test_every_frame_that_an_engine_repeats_comes_back_once_and_in_order(codec: Codec) -> None:
    tones = [hummed(hertz) for hertz in HERTZ] if codec == "opus" else []
    heard = Stream(("engine", 0), 0)
    async with bench(Engine(wave=None)) as it:
        link = it.link(codecs=(codec,))
        await link.open()
        begun = time.monotonic()
        for number in range(300):
            link.hear(tones[number % len(tones)] if tones else numbered(number))
            heard.said.append(time.monotonic())
            await asyncio.sleep(max(0.0, begun + (number + 1) * 0.020 - time.monotonic()))
        await until(lambda: time.monotonic() - it.listener.voice[-1][0] > 0.3)
        await link.close()
    for at, audio in it.listener.voice:
        heard.arrivals += [at] * (len(audio) // FRAME)
        heard.audio += audio
    returned = by_tone(heard) if tones else by_number(heard)
    assert lost(heard, returned, len(tones)) == []
    assert sum(number is not None for number in returned) > 200


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
