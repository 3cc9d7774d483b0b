"""A-law (ITU-T G.711) and linear 16-bit samples, sample by sample. It knows no streams."""

from __future__ import annotations

_INVERTED = 0x55
"""Every other bit is sent the other way round."""


def decode_sample(code: int) -> int:
    """The linear value of an A-law byte."""
    code ^= _INVERTED
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    magnitude = (mantissa << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def encode_sample(value: int) -> int:
    """The A-law byte whose interval holds a linear value."""
    positive = value >= 0
    # The lowest four bits are beyond A-law's finest step.
    magnitude = (value if positive else ~value) >> 4
    exponent = max(0, magnitude.bit_length() - 4)
    mantissa = magnitude >> max(0, exponent - 1) & 0x0F
    return (positive << 7 | exponent << 4 | mantissa) ^ _INVERTED
