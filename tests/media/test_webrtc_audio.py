"""What happens to audio between a telephone and a WebRTC engine."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, CodecContext
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.mulaw import encode_sample
from dialerd.media.formats import SLIN16, ULAW, Format
from dialerd.media.playout import FRAME, SILENCE
from dialerd.media.samples import Samples, to_linear, to_mu_law
from dialerd.media.webrtc_callee import LONGEST_QUEUE, CalleeTrack, OpusEncoder
from dialerd.media.webrtc_voice import CUSHION, MOST_WAITING, TRAIL, EngineVoice, Telephone


def wave(rate: int, samples: int, frequency: float = 1_000, peak: float = 8_000) -> Samples:
    return (peak * np.sin(2 * np.pi * frequency * np.arange(samples) / rate)).astype(np.int16)


def frame_of(samples: Samples, rate: int, layout: str = "mono") -> AudioFrame:
    frame = AudioFrame.from_ndarray(samples[None, :], layout=layout)
    frame.sample_rate = rate
    return frame


# --- samples -------------------------------------------------------------------------------------


def test_mu_law_comes_back_as_it_went() -> None:
    every = bytes(code for code in range(256) if code != 0x7F)
    assert to_mu_law(to_linear(every)) == every
    # There are two zeros; they sound alike.
    assert to_mu_law(to_linear(b"\x7f")) == b"\xff"


@given(st.integers(-32_768, 32_767))
def test_samples_become_what_the_standard_says(value: int) -> None:
    assert to_mu_law(np.array([value], dtype=np.int16))[0] == encode_sample(value)


def telephoned(said: Samples, rate: int) -> tuple[Samples, int]:
    """What a telephone hears of `said`, and the most samples of it that were held back."""
    telephone, heard, held = Telephone(), [], 0
    step = rate // 50
    for start in range(0, len(said), step):
        heard += telephone.take(frame_of(said[start : start + step], rate))
        held = max(held, (start + step) * 8_000 // rate - sum(map(len, heard)))
    return np.concatenate(heard), held


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_every_rate_becomes_the_telephones_with_its_pitch_and_level_and_at_once(rate: int) -> None:
    heard, held = telephoned(wave(rate, rate * 2), rate)
    assert held <= 40
    samples = heard[1_000:].astype(float)
    assert abs(np.abs(np.fft.rfft(samples)).argmax() * 8_000 / len(samples) - 1_000) < 2
    assert abs(20 * np.log10(np.sqrt((samples**2).mean()) * np.sqrt(2) / 8_000)) < 0.2


def test_what_a_telephone_cannot_carry_does_not_fold_back_into_what_it_can() -> None:
    heard, _ = telephoned(wave(48_000, 96_000, frequency=6_000), 48_000)
    assert np.sqrt((heard[1_000:].astype(float) ** 2).mean()) < 8


# --- to the engine -------------------------------------------------------------------------------


async def drawn(track: CalleeTrack, count: int) -> list[Packet]:
    return [await track.recv() for _ in range(count)]


def numbered(number: int) -> bytes:
    return bytes([number]) * FRAME


async def test_the_callees_frames_leave_as_they_came_with_times_that_count_on() -> None:
    track = CalleeTrack()
    track.encode_as("pcmu")
    for number in range(3):
        track.put(numbered(number))
    packets = await drawn(track, 3)
    assert [bytes(packet) for packet in packets] == [numbered(0), numbered(1), numbered(2)]
    assert [packet.pts for packet in packets] == [0, 160, 320]
    assert {Fraction(packet.time_base) for packet in packets} == {Fraction(1, 8_000)}


async def test_an_engine_that_takes_nothing_makes_nobody_wait_and_hears_the_newest() -> None:
    track = CalleeTrack()
    track.encode_as("pcmu")
    for number in range(200):
        track.put(numbered(number))
    assert track.dropped == 200 - LONGEST_QUEUE
    (packet,) = await drawn(track, 1)
    assert bytes(packet) == numbered(200 - LONGEST_QUEUE)


async def test_what_does_not_come_is_silence_and_the_stream_goes_on() -> None:
    track = CalleeTrack()
    track.encode_as("pcmu")
    packets = await drawn(track, 4)
    assert {bytes(packet) for packet in packets} == {SILENCE}
    assert [packet.pts for packet in packets] == [0, 160, 320, 480]
    assert track.invented == 4
    loop = asyncio.get_running_loop()
    loop.call_later(0.001, track.put, numbered(1))
    assert numbered(1) in {bytes(packet) for packet in await drawn(track, 2)}


async def test_a_burst_after_invented_silence_does_not_delay_the_callee_for_ever() -> None:
    track = CalleeTrack()
    track.encode_as("pcmu")
    loop = asyncio.get_running_loop()
    track.put(numbered(0))
    begun = loop.time()
    await drawn(track, 12)
    late = track.invented
    assert late == 11
    for number in range(LONGEST_QUEUE):
        track.put(numbered(number))
    last = None
    while track._queue:
        last = (await drawn(track, 1))[0]
    assert last is not None
    assert last.pts is not None
    # The audio that has left is hardly longer than the time that has passed.
    assert last.pts / 8_000 <= loop.time() - begun + 0.2


async def test_a_track_that_was_stopped_takes_and_gives_nothing() -> None:
    track = CalleeTrack()
    track.encode_as("pcmu")
    track.stop()
    track.put(SILENCE)
    with pytest.raises(MediaStreamError):
        await track.recv()
    assert track.dropped == 0


def test_opus_of_the_telephones_bandwidth_is_read_by_any_decoder() -> None:
    encoder = OpusEncoder()
    decoder = CodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "stereo", 48_000  # type: ignore[assignment]
    said = to_mu_law(wave(8_000, 16_000))
    heard: list[Samples] = []
    for start in range(0, len(said), FRAME):
        payload = encoder.encode(said[start : start + FRAME])
        assert 0 < len(payload) < 200
        for frame in decoder.decode(Packet(payload)):
            heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0])
    samples = np.concatenate(heard)[12_000:].astype(float)
    assert abs(np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples) - 1_000) < 2
    assert abs(20 * np.log10(np.sqrt((samples**2).mean()) * np.sqrt(2) / 8_000)) < 1


def test_opus_of_wideband_audio_carries_what_a_telephone_cannot() -> None:
    encoder = OpusEncoder(SLIN16)
    decoder = CodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "stereo", 48_000  # type: ignore[assignment]
    said = wave(16_000, 32_000, frequency=6_000).tobytes()
    heard: list[Samples] = []
    for start in range(0, len(said), SLIN16.frame):
        payload = encoder.encode(said[start : start + SLIN16.frame])
        assert 0 < len(payload) < 200
        for frame in decoder.decode(Packet(payload)):
            heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0])
    samples = np.concatenate(heard)[12_000:].astype(float)
    assert abs(np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples) - 6_000) < 2
    assert abs(20 * np.log10(np.sqrt((samples**2).mean()) * np.sqrt(2) / 8_000)) < 1.5


async def test_a_wideband_track_fills_in_silence_of_its_own_format() -> None:
    track = CalleeTrack(SLIN16)
    track.encode_as("opus")
    track.put(wave(16_000, 320).tobytes())
    packets = await drawn(track, 3)
    assert [packet.pts for packet in packets] == [0, 160, 320]
    assert track.invented == 2


# --- from the engine -----------------------------------------------------------------------------


class Ear:
    """Plays as Asterisk does: a frame every 20 ms of its clock."""

    def __init__(self, form: Format = ULAW) -> None:
        self.now = 100.0
        self.played: list[tuple[float, bytes]] = []
        self.voice = EngineVoice(lambda audio: self.played.append((self.now, audio)), lambda: self.now, form)

    def say(self, *kinds: str, every: float = 0.020) -> None:
        for kind in kinds:
            loud = wave(8_000, FRAME) if kind == "x" else np.zeros(FRAME, dtype=np.int16)
            self.voice.take(frame_of(loud, 8_000))
            self.now += every

    @property
    def frames(self) -> int:
        return sum(len(audio) for _, audio in self.played) // FRAME


def test_silence_is_not_played() -> None:
    ear = Ear()
    ear.say(*"." * 100)
    assert ear.played == []
    assert ear.voice.received == 100


def test_a_spurt_begins_with_a_cushion_and_loses_nothing() -> None:
    ear = Ear()
    ear.say(*"..." + "x" * 50)
    assert len(ear.played[0][1]) == CUSHION * FRAME
    assert ear.frames == 50
    assert ear.voice.dropped == 0


def test_a_wideband_spurt_is_samples_of_sixteen_kilohertz_and_begins_and_ends_alike() -> None:
    ear = Ear(SLIN16)
    ear.say(*"..." + "x" * 50 + "." * 30)
    assert len(ear.played[0][1]) == CUSHION * SLIN16.frame
    heard = np.frombuffer(b"".join(audio for _, audio in ear.played), np.int16).astype(float)
    # What the resampler of the test's 8 kHz holds back, and the silence in which it is given out.
    assert abs(len(heard) / 320 - (50 + TRAIL)) <= 2
    loud = heard[640 : 45 * 320]
    assert abs(20 * np.log10(np.sqrt((loud**2).mean()) * np.sqrt(2) / 8_000)) < 0.2
    assert ear.voice.dropped == 0


def test_a_pause_within_a_spurt_is_kept_and_a_long_one_ends_it() -> None:
    ear = Ear()
    ear.say(*"x" * 20 + "." * 8 + "x" * 20)
    assert ear.frames == 48
    ear.say(*"." * 200)
    assert ear.frames == 48 + TRAIL
    ear.say(*"x" * 20)
    assert ear.frames == 48 + TRAIL + 20


def test_a_word_shorter_than_the_cushion_is_heard() -> None:
    ear = Ear()
    ear.say(*"x" + "." * 100)
    assert ear.frames == 1 + TRAIL


def test_what_was_held_back_when_the_engine_leaves_is_heard() -> None:
    ear = Ear()
    ear.say("x")
    assert ear.played == []
    ear.voice.finish()
    ear.voice.finish()
    assert ear.frames == 1


def test_a_burst_is_cut_so_that_an_interruption_is_heard_at_once() -> None:
    ear = Ear()
    ear.say(*"x" * 100, every=0.0)
    assert ear.frames == MOST_WAITING
    assert ear.voice.dropped == 100 - MOST_WAITING


def test_an_engine_whose_clock_is_fast_does_not_grow_a_queue() -> None:
    ear = Ear()
    for _ in range(50):
        ear.say(*"x" * 90 + "." * 10, every=0.0199)
    waiting = ear.frames * 0.020 - (ear.now - ear.played[0][0])
    assert waiting < MOST_WAITING * 0.020
    # It is the silence that gives way.
    assert ear.voice.dropped == 0


def starved(ear: Ear, since: float) -> float:
    """Seconds after `since` in which a callee hears nothing though the spurt goes on."""
    have, missed, last = 0.0, 0.0, ear.played[0][0]
    for at, audio in ear.played:
        have -= at - last
        if at > since:
            missed += max(0.0, -have)
        have = max(have, 0.0) + len(audio) / 8_000
        last = at
    return missed


def test_frames_that_come_unevenly_are_played_evenly() -> None:
    ear = Ear()
    ear.say(*"x" * 10)
    for _ in range(20):
        ear.say("x", every=0.050)
        ear.say("x", "x", every=0.005)
    assert starved(ear, 0.0) == 0
    assert ear.voice.dropped == 0


def test_more_is_held_back_where_frames_come_more_unevenly_and_less_again_later() -> None:
    ear = Ear()
    ear.say(*"x" * 10)
    for _ in range(20):
        ear.say("x", every=0.100)
        ear.say(*"x" * 4, every=0.0)
    # After a few times that none was left, there always is one.
    assert starved(ear, 0.0) > 0
    assert starved(ear, ear.now - 1.0) < 0.001
    assert ear.voice.dropped == 0
    for _ in range(10):
        ear.say(*"." * 40 + "x" * 40)
    ear.say(*"." * 40 + "x" * 40)
    begun = [len(audio) // FRAME for at, audio in ear.played if at > ear.now - 0.85]
    assert begun[0] == CUSHION


def test_other_rates_layouts_and_formats_are_taken_also_in_the_middle() -> None:
    ear = Ear()
    forms = (
        frame_of(wave(48_000, 960).repeat(2), 48_000, "stereo"),
        frame_of(wave(24_000, 480), 24_000),
        frame_of(wave(8_000, FRAME), 8_000),
    )
    for form in forms:
        for number in range(20):
            form.pts = number * form.samples
            ear.voice.take(form)
            ear.now += 0.020
    assert ear.frames >= 58
    heard = to_linear(b"".join(audio for _, audio in ear.played)).astype(float)
    assert abs(20 * np.log10(np.sqrt((heard**2).mean()) * np.sqrt(2) / 8_000)) < 0.5
