"""Twice as many samples, or half as many: between a telephone's 8 kHz and wideband's 16.

A half-band filter with a state, for streams of any pieces. It delays by less than 2 ms and keeps nothing back, which
is why it is not soxr: streams of that come in blocks of some 75 ms. Below 3,400 Hz nothing is lost, above 4,600 nothing
is left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dialerd.media.samples import Samples

_Reals = npt.NDArray[np.float32]

_HALF = 16
"""Half of the filter's length in samples of the lower rate; of its 63 taps every other one is 0, but for the middle."""
_KAISER = 7.0


def _taps() -> _Reals:
    """The taps with even numbers, whose sum is one half."""
    at = np.arange(0, 4 * _HALF - 1, 2) - (2 * _HALF - 1)
    window = np.i0(_KAISER * np.sqrt(1 - (at / (2 * _HALF)) ** 2)) / np.i0(_KAISER)
    taps = np.sinc(at / 2) * window
    scaled: _Reals = (taps / (2 * taps.sum())).astype(np.float32)
    return scaled


_TAPS = _taps()


class Halver:
    """Samples at 16 kHz become samples at 8."""

    def __init__(self) -> None:
        self._even: _Reals = np.zeros(len(_TAPS) - 1, np.float32)
        self._odd: _Reals = np.zeros(_HALF, np.float32)
        self._rest: Samples = np.zeros(0, np.int16)

    def take(self, samples: Samples) -> Samples:
        """The next ones, of any number."""
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) & ~1
        self._rest = samples[whole:]
        if not whole:
            return np.zeros(0, np.int16)
        even = np.concatenate((self._even, samples[0:whole:2]), dtype=np.float32)
        odd = np.concatenate((self._odd, samples[1:whole:2]), dtype=np.float32)
        self._even, self._odd = even[whole // 2 :], odd[whole // 2 :]
        return _rounded(np.convolve(even, _TAPS, "valid") + 0.5 * odd[:-_HALF])


class Doubler:
    """Samples at 8 kHz become samples at 16."""

    def __init__(self) -> None:
        self._past: _Reals = np.zeros(len(_TAPS) - 1, np.float32)

    def take(self, samples: Samples) -> Samples:
        """The next ones, of any number."""
        if not len(samples):
            return samples
        known = np.concatenate((self._past, samples), dtype=np.float32)
        self._past = known[len(samples) :]
        both = np.empty(2 * len(samples), np.float32)
        both[0::2] = 2 * np.convolve(known, _TAPS, "valid")
        both[1::2] = known[_HALF : _HALF + len(samples)]
        return _rounded(both)


def _rounded(values: _Reals) -> Samples:
    return np.clip(np.rint(values), -32_768, 32_767).astype(np.int16)
