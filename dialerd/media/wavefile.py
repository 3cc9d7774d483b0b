"""WAV files of recordings: stereo, 16 bit, 8 kHz. Bytes only; it opens nothing."""

from __future__ import annotations

import struct

from dialerd.media.tracks import RATE

CHANNELS, SAMPLE_BYTES = 2, 2
SECOND_BYTES = RATE * CHANNELS * SAMPLE_BYTES
HEADER_BYTES = 44
MOST_BYTES = 2**32 - HEADER_BYTES - 1
"""A WAV file tells its size in 32 bits: 37 hours."""


def header(size: int) -> bytes:
    """The header of a file with `size` bytes of audio."""
    frame = CHANNELS * SAMPLE_BYTES
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, CHANNELS, RATE, SECOND_BYTES, frame, SAMPLE_BYTES * 8)
    riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + size, b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", size)


def whole(size: int) -> int:
    """How many of `size` bytes behind the header are whole samples of both channels."""
    return max(0, size - size % (CHANNELS * SAMPLE_BYTES))


def length(size: int) -> int:
    """Milliseconds of `size` bytes of audio."""
    return size * 1_000 // SECOND_BYTES
