"""Tones on a callee's line: the one that a machine sounds before it records, and the network's own.

A machine's is one frequency, as loud at its end as at its beginning. What the network sounds (ringing, busy: ITU-T
E.180) is low, and in many countries two frequencies or one that trembles. It hears one call's audio, frame by frame;
what a tone means for the call is not known here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 8_000
FRAME_MS = 20
FRAME = RATE * FRAME_MS // 1_000
"""Bytes, and samples, of a frame of mu-law at 8 kHz."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is a tone, and which may be a machine's."""

    lowest: float = 320.0
    highest: float = 2_500.0
    """Hertz."""
    purity: float = 0.9
    """Part of the energy that is at one frequency, or in its sidebands. Voices have less."""
    purity_of_two: float = 0.93
    """Part of the energy that is at two frequencies."""
    highest_of_two: float = 700.0
    """Hertz; above are the tones of keys (ITU-T Q.23)."""
    shortest: int = 180
    longest: int = 3_000
    """Milliseconds: a longer one is a dial or fax tone."""
    drift: float = 40.0
    """Hertz between two windows of one tone."""
    tremor: float = 0.2
    """How much its power changes within 10 ms, as a part of it, if it is steady."""
    network: float = 500.0
    """Hertz up to which the network's own tones are."""


@dataclass(frozen=True, slots=True)
class Tone:
    """One that has ended."""

    hertz: float
    lasted: int
    """Milliseconds."""
    plain: bool
    """Whether it was one frequency, steady, neither too short nor too long: a machine's may be so."""
    of_network: bool
    """Whether it is as low as ringing and busy tones are."""


class Tones:
    """Finds them. Windows of 40 ms, a new one each 20 ms."""

    def __init__(self, shape: Shape = Shape()) -> None:
        self._shape = shape
        self._window: deque[npt.NDArray[np.float64]] = deque(maxlen=2)
        self._hertz, self._lines, self._length = 0.0, 0, 0
        self._powers: list[float] = []
        """Of each 5 ms of the tone."""

    @property
    def begins(self) -> bool:
        """Whether what is heard now may be a tone, too short yet to be told from a voice."""
        return self._length > 0 and not self.sounding

    @property
    def sounding(self) -> bool:
        """Whether it hears one now, long enough to be no voice."""
        return self._length >= self._shape.shortest

    def hear(self, samples: npt.NDArray[np.float64]) -> Tone | None:
        """The tone that has just ended."""
        self._window.append(samples)
        hertz, lines = self._purest() if len(self._window) == 2 else (0.0, 0)
        if hertz > 0 and self._goes_on(hertz, lines):
            self._hertz = hertz
            self._length += FRAME_MS
            self._powers.extend(_powers(samples))
            return None
        ended = self._ended() if self.sounding else None
        self._begin(hertz, lines)
        if hertz > 0:
            self._length = FRAME_MS
            self._powers.extend(_powers(samples))
        return ended

    def _begin(self, hertz: float, lines: int) -> None:
        self._hertz, self._lines, self._length = hertz, lines, 0
        self._powers.clear()

    def _goes_on(self, hertz: float, lines: int) -> bool:
        alike = lines == self._lines and abs(hertz - self._hertz) <= self._shape.drift
        return self._length > 0 and alike

    def _ended(self) -> Tone:
        fits = self._shape.shortest <= self._length <= self._shape.longest
        plain = fits and self._lines == 1 and not self._trembles
        return Tone(self._hertz, self._length, plain, self._hertz <= self._shape.network)

    @property
    def _trembles(self) -> bool:
        """Whether its loudness goes up and down, as where two frequencies are near each other, or one is modulated."""
        inner = np.array(self._powers[_EDGE:-_EDGE])
        now, later = inner[:-2], inner[2:]
        return bool(np.mean(np.abs(later - now) / (later + now + 1.0)) > self._shape.tremor)

    def _purest(self) -> tuple[float, int]:
        """The lower of the frequencies that the window consists of, in hertz, and how many they are: two at most."""
        samples = np.concatenate(self._window)
        energy = float(np.dot(samples, samples))
        if energy < len(samples) * _QUIETEST**2:
            return 0.0, 0
        shape = self._shape
        spectrum = np.abs(np.fft.rfft(samples * _HANN)) ** 2
        whole = float(spectrum.sum())
        first, strong = _taken(spectrum)
        if not shape.lowest <= first <= shape.highest:
            return 0.0, 0
        if strong >= shape.purity * whole:
            return first, 1
        second, weak = _taken(spectrum)
        two = shape.lowest <= second <= shape.highest_of_two and first <= shape.highest_of_two
        return (min(first, second), 2) if two and strong + weak >= shape.purity_of_two * whole else (0.0, 0)


def _taken(spectrum: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The strongest frequency, in hertz, and its energy with its sidebands', which are taken out of the spectrum."""
    peak = int(np.argmax(spectrum))
    low, high = max(0, peak - 3), peak + 4
    part = spectrum[low:high]
    energy = float(part.sum())
    hertz = float(np.dot(part, np.arange(low, low + len(part)))) / (energy or 1.0) * RATE / (2 * FRAME)
    spectrum[low:high] = 0.0
    return hertz, energy


def _powers(samples: npt.NDArray[np.float64]) -> list[float]:
    """Of each 5 ms of a frame."""
    parts = samples.reshape(4, -1)
    return [float(power) for power in np.einsum("ij,ij->i", parts, parts)]


_EDGE = 4
_QUIETEST = 300.0
_HANN = np.hanning(2 * FRAME)
