"""Formats into one another: what comes back, how loud, and that pieces of any size make the same stream."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core import mulaw
from dialerd.media import alaw
from dialerd.media.formats import ALAW, SLIN, SLIN16, ULAW, Format, of_leg
from dialerd.media.transcoding import conversion

ALL = (ULAW, ALAW, SLIN, SLIN16)
PAIRS = [(one, other) for one in ALL for other in ALL]


def tone(form: Format, hertz: float, seconds: float = 1.0, level: int = 8_000) -> bytes:
    """A tone in a format."""
    numbers = np.arange(round(seconds * form.rate))
    samples = np.round(level * np.sin(2 * np.pi * hertz * numbers / form.rate)).astype("<i2").tobytes()
    linear = SLIN16 if form == SLIN16 else SLIN
    return conversion(linear, form)(samples)


def level(form: Format, audio: bytes) -> float:
    """Decibels below a tone of 8,000, without the first and last moments."""
    samples = np.frombuffer(conversion(form, SLIN if form.rate == 8_000 else form)(audio), "<i2").astype(
        float
    )
    within = samples[len(samples) // 10 : -len(samples) // 10]
    return float(20 * np.log10(max(1e-3, np.sqrt(np.mean(within**2))) / (8_000 / np.sqrt(2))))


def noise(form: Format, audio: bytes, hertz: float) -> float:
    """By how many decibels everything else is below a tone."""
    samples = np.frombuffer(conversion(form, SLIN if form.rate == 8_000 else form)(audio), "<i2").astype(
        float
    )
    within = samples[form.rate // 10 : form.rate // 10 + form.rate // 2]
    numbers = np.arange(len(within)) / form.rate
    base = np.stack((np.cos(2 * np.pi * hertz * numbers), np.sin(2 * np.pi * hertz * numbers)), axis=1)
    found, *_ = np.linalg.lstsq(base, within, rcond=None)
    pure = base @ found
    return float(10 * np.log10(np.sum(pure**2) / np.sum((within - pure) ** 2)))


def test_a_law_is_that_of_g_711() -> None:
    known = {0: 0xD5, -1: 0x55, 16: 0xD4, 1_000: 0xFA, -1_000: 0x7A, 32_767: 0xAA, -32_768: 0x2A}
    assert {value: alaw.encode_sample(value) for value in known} == known
    assert [alaw.encode_sample(alaw.decode_sample(code)) for code in range(256)] == list(range(256))
    values = [alaw.decode_sample(code ^ 0x55) for code in range(0x80, 0x100)]
    assert all(below < above for below, above in pairwise(values))
    assert values[-1] == 32_256


@given(st.integers(-32_768, 32_767))
def test_a_law_is_as_near_as_its_steps_allow(value: int) -> None:
    assert abs(alaw.decode_sample(alaw.encode_sample(value)) - value) <= max(16, abs(value) / 31)


@given(st.lists(st.integers(-32_768, 32_767), max_size=400))
def test_samples_become_a_law_by_the_rule_for_each(values: list[int]) -> None:
    samples = np.array(values, dtype="<i2").tobytes()
    assert list(conversion(SLIN, ALAW)(samples)) == [alaw.encode_sample(value) for value in values]


@given(st.binary(max_size=1_000))
def test_what_a_law_says_is_lost_nowhere_but_in_mu_law(audio: bytes) -> None:
    assert conversion(SLIN, ALAW)(conversion(ALAW, SLIN)(audio)) == audio
    assert conversion(SLIN, ULAW)(conversion(ULAW, SLIN)(audio)) == audio.replace(b"\x7f", b"\xff")
    by_table = conversion(ALAW, ULAW)(audio)
    assert by_table == bytes(mulaw.encode_sample(alaw.decode_sample(code)) for code in audio)
    # Each law's steps within an octave are as fine as the other's, but for the quietest sounds.
    for there, back in zip(conversion(ULAW, ALAW)(by_table), audio, strict=True):
        value = alaw.decode_sample(back)
        assert abs(alaw.decode_sample(there) - value) <= max(16, abs(value) / 15)


@pytest.mark.parametrize("form", ALL, ids=lambda form: form.name)
def test_silence_is_silence(form: Format) -> None:
    assert len(form.silence) == form.frame
    for other in ALL:
        said = conversion(form, other)(form.silence * 10)
        assert level(other, said) < -50


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda form: form.name)
@given(st.lists(st.integers(0, 700), max_size=12))
def test_pieces_of_any_size_make_the_same_stream(source: Format, target: Format, sizes: list[int]) -> None:
    audio = tone(source, 440, 0.3)
    whole, pieces = conversion(source, target), conversion(source, target)
    at, made = 0, b""
    for size in (*sizes, len(audio)):
        made += pieces(audio[at : at + size])
        at += size
    assert made == whole(audio)


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda form: form.name)
def test_twenty_milliseconds_remain_twenty(source: Format, target: Format) -> None:
    convert = conversion(source, target)
    for _ in range(3):
        assert len(convert(source.silence)) == target.frame


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda form: form.name)
@pytest.mark.parametrize("hertz", [441.7, 1_013.0, 3_301.0])
def test_a_telephones_tones_keep_their_level_and_stay_clean(
    source: Format, target: Format, hertz: float
) -> None:
    said = conversion(source, target)(tone(source, hertz))
    assert abs(level(target, said)) < 0.2
    # 38 dB is what eight bits of either law allow; two of them, one after the other, cost three.
    assert noise(target, said, hertz) > 33


def test_twice_as_many_samples_and_half_as_many_are_clean() -> None:
    assert noise(SLIN16, conversion(SLIN, SLIN16)(tone(SLIN, 3_300)), 3_300) > 65
    assert noise(SLIN, conversion(SLIN16, SLIN)(tone(SLIN16, 3_300)), 3_300) > 65


@pytest.mark.parametrize("hertz", [4_700.0, 6_000.0, 7_500.0])
def test_what_a_telephone_cannot_carry_does_not_come_back_as_something_else(hertz: float) -> None:
    assert level(SLIN, conversion(SLIN16, SLIN)(tone(SLIN16, hertz))) < -60


@pytest.mark.parametrize(("source", "target"), [(SLIN, SLIN16), (SLIN16, SLIN)], ids=lambda form: form.name)
def test_the_loudest_sounds_do_not_wrap_around(source: Format, target: Format) -> None:
    turns = 50
    square = np.where(np.arange(80 * turns) // 80 % 2, 32_767, -32_768).astype("<i2")
    # The filter's own delay brings the last turn, too.
    made = conversion(source, target)(square.tobytes() + bytes(200))
    signs = np.sign(np.frombuffer(made, "<i2").astype(int))
    loud = signs[np.abs(np.frombuffer(made, "<i2").astype(int)) > 16_000]
    assert np.count_nonzero(np.diff(loud)) == turns - 1


def test_the_leg_is_wideband_where_carrier_and_engine_are() -> None:
    assert [of_leg(codec, "slin16") for codec in ("ulaw", "alaw", "g722", "opus")] == [
        ULAW, ALAW, SLIN16, SLIN16,
    ]  # fmt: skip
    assert [of_leg(codec, "") for codec in ("ulaw", "alaw", "g722", "opus")] == [ULAW, ALAW, ULAW, ULAW]
