"""The formats in which a call's audio travels: what Asterisk calls them, and what 20 ms of each are.

The leg's format follows from what the carrier speaks and from what the engine takes: wideband where both are, A-law
where the carrier's is, else mu-law. It holds shapes and that one choice; how one becomes another is `transcoding`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FRAMES_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class Format:
    """One format. Two are the same if they have the same name."""

    name: str
    """Asterisk's."""
    rate: int = field(compare=False)
    """Samples in a second."""
    frame: int = field(compare=False)
    """Bytes of 20 ms."""
    silence: bytes = field(compare=False, repr=False)
    """One frame of it."""

    @property
    def bytes_per_second(self) -> int:
        """Bytes in a second."""
        return self.frame * FRAMES_PER_SECOND


ULAW = Format("ulaw", 8_000, 160, b"\xff" * 160)
ALAW = Format("alaw", 8_000, 160, b"\xd5" * 160)
SLIN = Format("slin", 8_000, 320, bytes(320))
"""16-bit little-endian samples."""
SLIN16 = Format("slin16", 16_000, 640, bytes(640))

WIDEBAND = frozenset({"g722", "opus"})
"""Codecs of a carrier by which more arrives than a telephone's 300 to 3,400 Hz."""


def is_wide(codec: str, wanted: str) -> bool:
    """Whether a call is carried wideband, given the carrier's codec and the format that its engine wants."""
    return wanted == SLIN16.name and codec in WIDEBAND


def of_leg(codec: str, wanted: str) -> Format:
    """The format of the leg of a call, given the same."""
    if is_wide(codec, wanted):
        return SLIN16
    return ALAW if codec == ALAW.name else ULAW
