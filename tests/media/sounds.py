"""Sounds as a callee's line carries them: frames of mu-law at 8 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dialerd.agent.speech import encode, render
from dialerd.media.cadence import FRAME, RATE

Samples = npt.NDArray[np.float64]


def silence(seconds: float, *, noise: float = 8.0, seed: int = 1) -> Samples:
    """A quiet line: `noise` is its root mean square."""
    return np.random.default_rng(seed).normal(0.0, noise, round(seconds * RATE))


def tone(seconds: float, *hertz: float, level: float = 6_000.0) -> Samples:
    """One frequency, or several at a time."""
    at = np.arange(round(seconds * RATE)) / RATE
    return sum((level * np.sin(2 * np.pi * one * at) for one in hertz), start=np.zeros(len(at)))


def speech(text: str, voice: str = "en-us") -> Samples:
    """espeak-ng, as a telephone carries it."""
    return decoded(encode(render(text, voice, 10.0)))


def decoded(ulaw: bytes) -> Samples:
    """Samples of mu-law (ITU-T G.711)."""
    codes = ~np.frombuffer(ulaw, dtype=np.uint8).astype(np.int32) & 0xFF
    magnitude = ((((codes & 0x0F) << 3) + 132) << ((codes >> 4) & 0x07)) - 132
    found: Samples = np.where(codes & 0x80, -magnitude, magnitude).astype(np.float64)
    return found


def encoded(samples: Samples) -> bytes:
    """Mu-law of samples, the slow and plain way."""
    out = bytearray()
    for sample in np.clip(samples, -32_635, 32_635).astype(int).tolist():
        sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
        magnitude += 132
        exponent = magnitude.bit_length() - 8
        out.append(~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF)
    return bytes(out)


def frames(*sounds: Samples) -> list[bytes]:
    """One after the other, in whole frames."""
    ulaw = encoded(np.concatenate(sounds))
    return [ulaw[at : at + FRAME] for at in range(0, len(ulaw) - FRAME + 1, FRAME)]
