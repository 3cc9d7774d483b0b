"""Mu-law (ITU-T G.711) and linear 16-bit samples, by tables. It knows no streams.

It is here because the voice agent and the media workers both speak mu-law and may not know each other: there is no
other table of it. The standard library's `audioop` did this until Python 3.13.
"""

from __future__ import annotations

import struct
from functools import cache

_SAMPLE = struct.Struct("<H")
_BIAS = 0x84
_CLIP = 32_635


def decode_sample(code: int) -> int:
    """The linear value of a mu-law byte."""
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


def encode_sample(value: int) -> int:
    """The mu-law byte that is nearest to a linear value."""
    sign = 0x80 if value < 0 else 0
    magnitude = min(abs(value), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | (exponent << 4) | mantissa) & 0xFF


LINEAR = tuple(decode_sample(code) for code in range(256))
"""The linear value of every mu-law byte."""
_LOW = bytes(value & 0xFF for value in LINEAR)
_HIGH = bytes(value >> 8 & 0xFF for value in LINEAR)


def decode(audio: bytes) -> bytes:
    """Mu-law as 16-bit little-endian samples."""
    linear = bytearray(2 * len(audio))
    linear[0::2] = audio.translate(_LOW)
    linear[1::2] = audio.translate(_HIGH)
    return bytes(linear)


@cache
def codes() -> bytes:
    """The mu-law byte of every 16-bit value, by the value as an unsigned number."""
    # Eight values at a time have one code, from 4 on.
    runs = b"".join(bytes((encode_sample(value),)) * 8 for value in range(4, 32_768, 8))
    positive = (bytes((encode_sample(0),)) * 4 + runs)[:32_768]
    negative = (positive[1:] + positive[-1:])[::-1]
    return positive + negative.translate(bytes(code & 0x7F for code in range(256)))


def encode(samples: bytes) -> bytes:
    """16-bit little-endian samples as mu-law."""
    table = codes()
    return bytes([table[value] for (value,) in _SAMPLE.iter_unpack(samples)])


def interleave(left: bytes, right: bytes) -> bytes:
    """Two mu-law channels of one length as 16-bit little-endian stereo."""
    if len(left) != len(right):
        raise ValueError(f"the channels differ in length: {len(left)} and {len(right)}")
    both = bytearray(4 * len(left))
    both[0::4] = left.translate(_LOW)
    both[1::4] = left.translate(_HIGH)
    both[2::4] = right.translate(_LOW)
    both[3::4] = right.translate(_HIGH)
    return bytes(both)
