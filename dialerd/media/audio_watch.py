"""Whether a call's audio runs: both ways, one way only, or so quietly that nobody is there any more.

Pure: it is told what was sent and what came, and says what is wrong. Asterisk's queue is watched elsewhere (`playout`),
who hears nobody at first too (`session`).
"""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.core.mulaw import decode_sample

RATE = 8_000
"""Bytes a second."""
_UNIT = 128
"""Steps in which loudness is counted, of 32,768."""
AUDIBLE = 2
"""On the mean of a frame, in those steps: 42 dB below the loudest. Lines hum below it, voices do not."""
_LEVELS = bytes(min(255, abs(decode_sample(code)) // _UNIT) for code in range(256))
_HUM = bytes(code for code in range(256) if _LEVELS[code] < AUDIBLE)
"""Codes that are not audible."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """Seconds; 0: not watched."""

    one_way: float = 20.0
    """For which no audio at all may come from the callee."""
    silence: float = 0.0
    """For which neither side may be audible."""


class AudioWatch:
    """The audio of a call that can be heard since `begun`; all instants are seconds of one clock."""

    def __init__(self, limits: AudioLimits, begun: float) -> None:
        self._limits = limits
        self._came = False
        """Whether audio has ever come from the callee."""
        self._heard = begun
        """When it did last."""
        self._spoken = begun
        """When the agent's last sound is, or will be, at its end."""
        self._audible = begun
        """When the callee was last audible."""

    @property
    def is_on(self) -> bool:
        """Whether there is anything to watch."""
        return self._limits.one_way > 0 or self._limits.silence > 0

    @property
    def listens(self) -> bool:
        """Whether the callee's audio is needed for it."""
        return self._limits.silence > 0

    def heard(self, audio: bytes, at: float) -> None:
        """20 ms have come from the callee."""
        self._came = True
        self._heard = at
        if self._limits.silence > 0 and is_audible(audio):
            self._audible = at

    def spoke(self, audio: bytes, at: float) -> None:
        """The agent's audio was queued."""
        # Of every frame of an engine: no look at single bytes.
        if audio.translate(None, _HUM):
            self._spoken = max(self._spoken, at) + len(audio) / RATE

    def fell_silent(self, at: float) -> None:
        """What was queued of the agent's audio is dropped."""
        self._spoken = min(self._spoken, at)

    def excused(self, at: float) -> None:
        """Nothing need be heard now, and nothing have been heard before."""
        self._heard = max(self._heard, at)
        self._audible = max(self._audible, at)

    def fault(self, at: float, *, hears: bool) -> str:
        """What is wrong; empty: nothing. `hears`: whether the callee's audio would come here."""
        if not hears:
            self.excused(at)
            return ""
        limits, unheard, unspoken = self._limits, at - self._heard, at - self._spoken
        if 0 < limits.one_way <= min(unheard, unspoken):
            return f"no audio either way for {limits.one_way:g} s"
        if 0 < limits.one_way <= unheard and not self._came:
            return f"one-way audio: none has come from the callee for {limits.one_way:g} s"
        if 0 < limits.silence <= min(at - self._audible, unspoken):
            return f"max silence: neither side was audible for {limits.silence:g} s"
        return ""


def is_audible(frame: bytes) -> bool:
    """Whether a frame is more than the noise of a line."""
    return sum(frame.translate(_LEVELS)) >= AUDIBLE * len(frame) > 0
