"""The ringing that a callee hears while a person is being called for it, as mu-law audio.

Two tones of 400 and 450 Hz, as telephone networks in India and elsewhere ring: twice for 0.4 s, then a pause. It is
made once; it depends on nothing.
"""

from __future__ import annotations

import math

from dialerd.core.mulaw import encode_sample
from dialerd.media.playout import SILENCE

_RATE = 8_000
_LEVEL = 4_000
"""Of each tone, of 32,767: as loud as a quiet voice."""


def _tone(millis: int) -> bytes:
    samples = range(_RATE * millis // 1_000)
    return bytes(
        encode_sample(
            round(
                _LEVEL * (math.sin(2 * math.pi * 400 * at / _RATE) + math.sin(2 * math.pi * 450 * at / _RATE))
            )
        )
        for at in samples
    )


RINGING = _tone(400) + SILENCE * 10 + _tone(400) + SILENCE * 100
"""Three seconds, in whole frames."""
