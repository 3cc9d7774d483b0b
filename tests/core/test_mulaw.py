"""Mu-law: one table, the one of ITU-T G.711."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.mulaw import LINEAR, codes, decode, decode_sample, encode, encode_sample

KNOWN = {0: 0xFF, -1: 0x7F, 132: 0xEF, 1000: 0xCE, -1000: 0x4E, 32767: 0x80, -32768: 0x00, 8159: 0x9F}


def test_the_table_is_that_of_g_711() -> None:
    assert {value: encode_sample(value) for value in KNOWN} == KNOWN
    assert LINEAR[0xFF] == LINEAR[0x7F] == 0
    assert (LINEAR[0x80], LINEAR[0x00]) == (32_124, -32_124)


def test_the_table_of_all_values_is_the_rule_for_each() -> None:
    values = (*range(32_768), *range(-32_768, 0))
    assert codes() == bytes(encode_sample(value) for value in values)


def test_every_code_but_the_second_zero_comes_back() -> None:
    assert [encode_sample(decode_sample(code)) for code in range(256) if code != 0x7F] == [
        code for code in range(256) if code != 0x7F
    ]


@given(st.integers(-32_635, 32_635))
def test_what_comes_back_is_as_near_as_the_steps_allow(value: int) -> None:
    found = LINEAR[encode_sample(value)]
    assert abs(found - value) <= max(4, abs(value) / 16)
    assert found == 0 or (found < 0) == (value < 0)


@given(st.lists(st.integers(-32_768, 32_767)))
def test_streams_are_their_samples(values: list[int]) -> None:
    audio = encode(struct.pack(f"<{len(values)}h", *values))
    assert list(audio) == [encode_sample(value) for value in values]
    assert struct.unpack(f"<{len(values)}h", decode(audio)) == tuple(LINEAR[code] for code in audio)
