"""Sounds as a callee's line carries them: frames of mu-law at 8 kHz."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dialerd.agent.speech import encode, render
from dialerd.core.mulaw import codes, decode_sample
from dialerd.media.cadence import FRAME, RATE

Samples = npt.NDArray[np.float64]


def silence(seconds: float, *, noise: float = 8.0, seed: int = 1) -> Samples:
    """A quiet line: `noise` is its root mean square."""
    return np.random.default_rng(seed).normal(0.0, noise, round(seconds * RATE))


def tone(seconds: float, *hertz: float, level: float = 6_000.0) -> Samples:
    """One frequency, or several at a time."""
    at = np.arange(round(seconds * RATE)) / RATE
    return sum((level * np.sin(2 * np.pi * one * at) for one in hertz), start=np.zeros(len(at)))


@cache
def speech(text: str, voice: str = "en-us") -> Samples:
    """espeak-ng, as a telephone carries it."""
    return decoded(encode(render(text, voice, 10.0)))


def voice(seconds: float, *, level: float = 2_500.0, seed: int = 1) -> Samples:
    """Somebody who speaks in words of a quarter of a second with no pause: their rhythm, nothing that is said."""
    at = np.arange(round(seconds * RATE))
    between = (at % round(0.28 * RATE)) >= round(0.24 * RATE)
    return np.random.default_rng(seed).normal(0.0, level, len(at)) * np.where(between, 0.02, 1.0)


def at_level(samples: Samples, level: float) -> Samples:
    """As loud as that, as root mean square."""
    return samples * (level / np.sqrt(np.mean(samples * samples)))


def talk(seconds: float, *, level: float, voices: int = 6) -> Samples:
    """People who talk in the background, all at once."""
    spoken = [speech(_CHATTER, _VOICES[one % len(_VOICES)]) for one in range(voices)]
    length = round(seconds * RATE)
    mixed = sum((np.roll(np.resize(one, length), 3_000 * at) for at, one in enumerate(spoken)))
    return at_level(mixed, level)


_CHATTER = (
    "Well I was thinking about the market yesterday and the price of onions went up again so we did not buy any "
    "and then she said that it is cheaper across the road but who has the time to go there every day"
)
_VOICES = ("en-gb", "en-us", "hi", "en-gb+f3", "de", "en-us+f2")


def decoded(ulaw: bytes) -> Samples:
    """Samples of mu-law."""
    return np.array([decode_sample(code) for code in ulaw], dtype=np.float64)


def encoded(samples: Samples) -> bytes:
    """Mu-law of samples."""
    linear = np.clip(samples, -32_768, 32_767).astype(np.int16)
    return _CODES[linear.view(np.uint16)].tobytes()


def frames(*sounds: Samples) -> list[bytes]:
    """One after the other, in whole frames."""
    ulaw = encoded(np.concatenate(sounds))
    return [ulaw[at : at + FRAME] for at in range(0, len(ulaw) - FRAME + 1, FRAME)]


_CODES = np.frombuffer(codes(), dtype=np.uint8)
