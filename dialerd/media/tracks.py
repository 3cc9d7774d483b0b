"""Both sides of a call on one timeline: each sound where it was heard, silence where nothing was.

Pure: positions are samples at 8 kHz since the beginning, audio is mu-law. The agent's audio is sent far ahead of its
time; what a flush has cut was never heard and is not here.
"""

from __future__ import annotations

from dialerd.core.mulaw import interleave

RATE = 8_000
"""Samples, and bytes of mu-law, in a second."""
SLACK = RATE * 60 // 1_000
"""A gap in what arrives that is no more than jitter."""
AHEAD = RATE * 100 // 1_000
"""What arrives so much before its time is too much: it is left out."""

_SILENT = b"\xff"


class Tracks:
    """The callee on the left, the agent on the right."""

    def __init__(self) -> None:
        self._taken = 0
        """Where what is still here begins."""
        self._callee = bytearray()
        self._agent = bytearray()

    def hear_callee(self, at: int, audio: bytes) -> None:
        """The callee's audio, which had arrived whole at `at`."""
        head = self._taken + len(self._callee)
        start = at - len(audio)
        if head > start + AHEAD:
            return
        if start > head + SLACK:
            self._callee += _SILENT * (start - head)
        self._callee += audio

    def hear_agent(self, at: int, audio: bytes) -> None:
        """Audio that was sent at `at`: heard then, or as soon as what was sent before has been."""
        head = self._taken + len(self._agent)
        if at > head:
            self._agent += _SILENT * (at - head)
        self._agent += audio

    def cut_agent(self, at: int) -> None:
        """What has not been heard by `at` never will be."""
        del self._agent[max(0, at - self._taken) :]

    def take(self, until: int) -> bytes:
        """Everything up to `until` that was not taken yet: 16-bit little-endian stereo."""
        size = until - self._taken
        if size <= 0:
            return b""
        self._taken = until
        return interleave(_taken(self._callee, size), _taken(self._agent, size))


def _taken(track: bytearray, size: int) -> bytes:
    taken = bytes(track[:size])
    del track[:size]
    return taken + _SILENT * (size - len(taken))
