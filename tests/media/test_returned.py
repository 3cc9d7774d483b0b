"""What a test of lost frames counts as lost, and what a busy machine is allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from benchmarks.hearing import SILENCE
from benchmarks.rtp_callee import HERTZ, Stream, hummed, numbered
from tests.media.returned import by_number, by_tone, lost

TONES = [hummed(hertz) for hertz in HERTZ]


def heard(audio: Sequence[bytes], pause: tuple[int, float] = (-1, 0.0)) -> Stream:
    """A call whose frames came 20 ms apart, with a longer pause before one of them."""
    arrivals, at = [], 0.0
    for place in range(len(audio)):
        at += 0.02 + (pause[1] if place == pause[0] else 0.0)
        arrivals.append(at)
    return Stream(("127.0.0.1", 4000), 1, arrivals, list(range(len(audio))), bytearray(b"".join(audio)))


def said(count: int, tones: bool = False) -> list[bytes]:
    return [TONES[number % len(TONES)] if tones else numbered(number) for number in range(count)]


def without(frames: list[bytes], place: int) -> list[bytes]:
    return frames[:place] + frames[place + 1 :]


def swapped(frames: list[bytes], place: int) -> list[bytes]:
    return [*frames[:place], frames[place + 1], frames[place], *frames[place + 2 :]]


def doubled(frames: list[bytes], place: int) -> list[bytes]:
    return [*frames[: place + 1], *frames[place:]]


@pytest.mark.parametrize("spoil", [without, swapped, doubled])
@pytest.mark.parametrize("tones", [False, True])
def test_a_frame_that_is_missing_doubled_or_out_of_order_was_lost(
    spoil: Callable[[list[bytes], int], list[bytes]], tones: bool
) -> None:
    for audio, wrong in ((said(300, tones), False), (spoil(said(300, tones), 150), True)):
        stream = heard(audio)
        returned = by_tone(stream) if tones else by_number(stream)
        assert bool(lost(stream, returned, len(TONES) if tones else 0)) == wrong


def test_frames_that_a_codec_has_shifted_are_told_apart() -> None:
    stream = heard(said(300, tones=True))
    stream.audio[:0] = SILENCE[:100]
    assert lost(stream, by_tone(stream), len(TONES)) == []


@pytest.mark.parametrize("apart", [0, 20, 60])
def test_what_is_missing_where_something_was_late_is_excused_and_only_there(apart: int) -> None:
    audio = without(said(300), 150)
    audio[150 - apart : 150 - apart] = [SILENCE] * 4
    stream = heard(audio)
    assert bool(lost(stream, by_number(stream))) == (apart > 50)


@pytest.mark.parametrize("apart", [0, 60])
def test_a_frame_that_came_late_is_a_trace_too(apart: int) -> None:
    stream = heard(without(said(300), 150), pause=(150 - apart, 0.2))
    assert bool(lost(stream, by_number(stream))) == (apart > 50)
