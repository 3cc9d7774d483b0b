"""Streams of audio from one format into another, in whatever pieces they come.

This is the one place where formats are converted: what is the same passes as it is, the two laws by a table of 256
bytes, the rest by way of linear samples. Nothing is kept back but half a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from dialerd.core import mulaw
from dialerd.media import alaw
from dialerd.media.formats import ALAW, ULAW, Format
from dialerd.media.halfband import Doubler, Halver
from dialerd.media.samples import Samples, to_linear, to_mu_law

Conversion = Callable[[bytes], bytes]
"""Takes the next piece of one stream."""


def conversion(source: Format, target: Format) -> Conversion:
    """What makes `target` of a stream in `source`; each stream needs its own."""
    if source == target:
        return _same
    if {source, target} == {ULAW, ALAW}:
        return _to_alaw if target == ALAW else _to_ulaw
    return _Stream(source, target).take


def _same(audio: bytes) -> bytes:
    return audio


@cache
def _alaw_codes() -> npt.NDArray[np.uint8]:
    """The A-law byte of every 16-bit value, by the value as an unsigned number."""
    values = (*range(0, 32_768, 16), *range(-32_768, 0, 16))
    return np.repeat(np.array([alaw.encode_sample(value) for value in values], dtype=np.uint8), 16)


_ALAW_LINEAR = np.array([alaw.decode_sample(code) for code in range(256)], dtype=np.int16)
_OF_ULAW = bytes(alaw.encode_sample(value) for value in mulaw.LINEAR)
_OF_ALAW = bytes(mulaw.encode_sample(int(value)) for value in _ALAW_LINEAR)


def _to_alaw(audio: bytes) -> bytes:
    return audio.translate(_OF_ULAW)


def _to_ulaw(audio: bytes) -> bytes:
    return audio.translate(_OF_ALAW)


class _Stream:
    """By way of samples."""

    def __init__(self, source: Format, target: Format) -> None:
        self._source = source
        self._target = target
        self._rate: Halver | Doubler | None = None
        if source.rate != target.rate:
            self._rate = Halver() if source.rate > target.rate else Doubler()
        self._half = b""

    def take(self, audio: bytes) -> bytes:
        """The next piece."""
        samples = self._samples(audio)
        if self._rate is not None:
            samples = self._rate.take(samples)
        return _bytes(samples, self._target)

    def _samples(self, audio: bytes) -> Samples:
        if self._source == ULAW:
            return to_linear(audio)
        if self._source == ALAW:
            return _ALAW_LINEAR[np.frombuffer(audio, np.uint8)]
        if self._half or len(audio) % 2:
            audio = self._half + audio
            whole = len(audio) & ~1
            audio, self._half = audio[:whole], audio[whole:]
        return np.frombuffer(audio, "<i2")


def _bytes(samples: Samples, target: Format) -> bytes:
    if target == ULAW:
        return to_mu_law(samples)
    if target == ALAW:
        return _alaw_codes()[samples.view(np.uint16)].tobytes()
    return samples.tobytes()
