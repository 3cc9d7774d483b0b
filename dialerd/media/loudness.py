"""Whether a frame of a call's audio is a voice, by its loudness alone.

A voice is louder than the line, and than what goes on behind it: talk, a television, traffic. What is behind a voice
is known by never pausing, and by being well below it; a call that is quiet as a whole has its own measure. It keeps
levels, no audio.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dialerd.media.tones import FRAME_MS


@dataclass(frozen=True, slots=True)
class Scale:
    """What a voice is measured against. Durations in milliseconds."""

    floor: float = 180.0
    """Root mean square (of 32,768) below which nobody speaks, however quiet the line is."""
    over_noise: float = 3.0
    """Voice is so many times as loud as the line's noise."""
    memory: int = 2_000
    """What the line's noise is found in: who speaks takes breath."""
    pauses: float = 0.1
    """Part of that time in which not even one who speaks on is heard."""
    below_voice: float = 4.0
    """What is so many times less loud than the voice heard last is none: it is behind it."""
    steady: int = 60
    """For so long is a voice as loud; what is shorter is a click."""
    recent: int = 6_000
    """A louder voice is forgotten after this time."""


class Loudness:
    """One call's."""

    def __init__(self, scale: Scale = Scale()) -> None:
        self._scale = scale
        self._levels: deque[float] = deque(maxlen=scale.memory // FRAME_MS)
        self._steady: deque[float] = deque(maxlen=scale.steady // FRAME_MS)
        self._loudest: deque[tuple[int, float]] = deque()
        """Frame and level; each is louder than all that come later."""
        self._frame = 0

    def is_voice(self, level: float) -> bool:
        """Of the next frame, by its root mean square."""
        scale = self._scale
        self._levels.append(level)
        noise = sorted(self._levels)[int(len(self._levels) * scale.pauses)]
        voice = self._voice(level)
        return level > max(scale.floor, scale.over_noise * noise, voice / scale.below_voice)

    def _voice(self, level: float) -> float:
        """How loud the loudest voice was of late."""
        self._frame += 1
        self._steady.append(level)
        now = min(self._steady) if len(self._steady) == self._steady.maxlen else 0.0
        while self._loudest and self._loudest[-1][1] <= now:
            self._loudest.pop()
        self._loudest.append((self._frame, now))
        if self._loudest[0][0] <= self._frame - self._scale.recent // FRAME_MS:
            self._loudest.popleft()
        return self._loudest[0][1]
