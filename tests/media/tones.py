"""What is in a recording: how loud a tone is, at which frequency, and where it is missing."""

from __future__ import annotations

import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 8_000
FRAME = 160


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone between its first and its last frame."""

    begins: float
    """Seconds from the start of the recording."""
    lasts: float
    hertz: float
    level: float
    """Root mean square, of 32,768."""
    gaps: tuple[tuple[float, float], ...]
    """Where it is missing, and for how many seconds."""


def samples(path: Path, seconds: float = 10.0, rate: int = RATE) -> np.ndarray:
    """A recording of 16 bit, once it is written: that takes a moment longer than the call."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with wave.open(str(path)) as file:
                assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (rate, 2, 1)
                count = file.getnframes()
                if count * 2 + 44 >= path.stat().st_size:
                    return np.frombuffer(file.readframes(count), dtype="<i2").astype(float)
        except (wave.Error, EOFError, FileNotFoundError):
            pass
        assert time.monotonic() < deadline, f"{path.name} is not written"
        time.sleep(0.02)


def tone(sound: np.ndarray, hertz: float = 1_000.0) -> Tone | None:
    """The tone of about this frequency in a recording; None: there is none."""
    frames = sound[: len(sound) - len(sound) % FRAME].reshape(-1, FRAME)
    turns = np.exp(-2j * np.pi * hertz * np.arange(FRAME) / RATE)
    strength = np.abs(frames @ turns) * np.sqrt(2) / FRAME
    there = strength > 500
    if not there.any():
        return None
    first, last = int(np.argmax(there)), len(there) - 1 - int(np.argmax(there[::-1]))
    within = sound[first * FRAME : (last + 1) * FRAME]
    spectrum = np.abs(np.fft.rfft(within * np.hanning(len(within))))
    return Tone(
        first * FRAME / RATE,
        (last + 1 - first) * FRAME / RATE,
        float(np.argmax(spectrum) * RATE / len(within)),
        float(np.median(strength[first : last + 1])),
        tuple(_gaps(there[first : last + 1])),
    )


def clean(sound: np.ndarray, hertz: float, rate: int = RATE) -> float:
    """By how many decibels a tone is above all else, in the cleanest quarter of a second; `-inf`: there is none."""
    step = rate // 4
    numbers = np.arange(step) / rate
    best = float("-inf")
    for at in range(0, len(sound) - step + 1, step):
        part = sound[at : at + step]
        base = np.stack((np.cos(2 * np.pi * hertz * numbers), np.sin(2 * np.pi * hertz * numbers)), axis=1)
        found, *_ = np.linalg.lstsq(base, part, rcond=None)
        pure = base @ found
        rest = float(np.sum((part - pure) ** 2))
        if float(np.sum(pure**2)) > step * 500**2 and rest > 0:
            best = max(best, float(10 * np.log10(np.sum(pure**2) / rest)))
    return best


def _gaps(there: np.ndarray) -> list[tuple[float, float]]:
    found, since = [], None
    for at, present in enumerate(there):
        if not present and since is None:
            since = at
        elif present and since is not None:
            found.append((since * FRAME / RATE, (at - since) * FRAME / RATE))
            since = None
    return found
