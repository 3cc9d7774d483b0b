"""Utterances in a callee's audio: where somebody begins to speak and has ended.

Cheap enough for the loop that carries the calls: some ten microseconds a frame. It knows nothing of words.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
import webrtcvad

from dialerd.agent.clips import FRAME
from dialerd.core import mulaw

STRICTNESS = 2
"""Of the voice detector, 0 to 3."""
QUIET = 150.0
"""Loudness (RMS of 16 bits) under which nobody speaks, whatever the detector says: line noise."""
BEGINS, WITHIN = 3, 6
"""So many frames of speech within so many make a beginning."""
ENDS = 20
"""Frames of silence (20 ms each) that end it."""
BEFORE = 12
"""Frames kept from before it began."""
SHORTEST, LONGEST = 8, 250
"""Frames; whoever talks on for five seconds says no keyword, and music is none."""
_RATE = 8_000
_LINEAR = np.array(mulaw.LINEAR, dtype=np.int16)


class Utterances:
    """The utterances of one call."""

    def __init__(self) -> None:
        self._detector = webrtcvad.Vad(STRICTNESS)
        self._rest = b""
        self._before: deque[bytes] = deque(maxlen=BEFORE)
        self._latest: deque[bool] = deque(maxlen=WITHIN)
        self._sound: list[bytes] = []
        self._spoken = 0
        self._silent = 0
        self._babbling = False
        """It was too long: nothing of it is kept, and it is waited out."""

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks now."""
        return bool(self._sound)

    def feed(self, audio: bytes) -> list[bytes]:
        """More audio (mu-law, 8 kHz); the utterances that it ended, as 16-bit samples. An empty one is too long."""
        self._rest += audio
        ended = []
        while len(self._rest) >= FRAME:
            frame, self._rest = self._rest[:FRAME], self._rest[FRAME:]
            utterance = self._take(_LINEAR[np.frombuffer(frame, np.uint8)])
            if utterance is not None:
                ended.append(utterance)
        return ended

    def _take(self, samples: npt.NDArray[np.int16]) -> bytes | None:
        frame = samples.tobytes()
        loud = float(np.sqrt(np.mean(np.square(samples, dtype=np.float32)))) > QUIET
        speech = loud and self._detector.is_speech(frame, _RATE)
        self._latest.append(speech)
        if not self._sound and not self._babbling:
            self._before.append(frame)
            if sum(self._latest) >= BEGINS:
                self._sound, self._spoken, self._silent = list(self._before), BEGINS, 0
            return None
        self._spoken += speech
        self._silent = 0 if speech else self._silent + 1
        if self._babbling:
            return self._end() if self._silent >= ENDS else None
        self._sound.append(frame)
        if len(self._sound) > LONGEST:
            self._sound, self._babbling = [], True
            return b""
        return self._end() if self._silent >= ENDS else None

    def _end(self) -> bytes | None:
        sound, self._sound, self._babbling = self._sound, [], False
        self._latest.clear()
        self._before.clear()
        return b"".join(sound) if sound and self._spoken >= SHORTEST else None
