"""A WebRTC engine's audio on its way to the callee: decoded frames in, whole frames for the call out, silence left out.

An engine sends all the time, silence too. Here begins a spurt with the first frame that can be heard, and ends once
nothing was to be heard for a while; between spurts nothing goes out, so that whoever plays may drain and the clocks of
both sides may differ. A spurt begins with a few frames held back, more of them where frames come unevenly, and what
Asterisk has waiting never grows beyond a fifth of a second: an engine that is interrupted simply falls silent, and the
callee must hear that at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from av import AudioFrame, AudioResampler

from dialerd.media.formats import FRAMES_PER_SECOND, ULAW, Format
from dialerd.media.samples import Samples, to_mu_law

RATE = 8_000
QUIET = 11
"""Samples of up to so much, of 32,767, cannot be heard; codecs leave such noise in silence."""
TRAIL = 15
"""Frames of silence after which a spurt is over: shorter pauses are within words."""
CUSHION = 3
"""Frames held back at the beginning of a spurt, at first."""
MOST_CUSHION = 7
"""The same, where they have come unevenly: each time that none was left to be played costs one more."""
MOST_WAITING = 10
"""Frames that may wait to be played; silence is dropped as soon as more of them wait than are held back."""


class EngineVoice:
    """Takes frames, hands audio of the format `form` to `play`: mu-law or samples. `clock` is monotonic, in seconds."""

    def __init__(
        self, play: Callable[[bytes], None], clock: Callable[[], float], form: Format = ULAW
    ) -> None:
        self.dropped = 0
        """Frames of the engine that came faster than they could be played."""
        self.received = 0
        """Frames of 20 ms that came."""
        self._play = play
        self._clock = clock
        self._form = form
        self._telephone = Telephone(form.rate)
        self._rest: Samples = np.zeros(0, np.int16)
        self._held: list[bytes] = []
        self._cushion = CUSHION
        self._speaking = False
        self._quiet = 0
        self._sent = 0
        self._since = 0.0

    def take(self, frame: AudioFrame) -> None:
        """The next frame, of whatever form."""
        for samples in self._telephone.take(frame):
            self._take_samples(samples)

    def finish(self) -> None:
        """Nothing more comes: what was held back is played."""
        self._end_spurt()

    def _take_samples(self, samples: Samples) -> None:
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        size = self._form.rate // FRAMES_PER_SECOND
        whole = len(samples) - len(samples) % size
        self._rest = samples[whole:]
        for start in range(0, whole, size):
            self._take_frame(samples[start : start + size])

    def _take_frame(self, samples: Samples) -> None:
        self.received += 1
        is_quiet = int(samples.max()) <= QUIET and int(samples.min()) >= -QUIET
        frame = to_mu_law(samples) if self._form == ULAW else samples.tobytes()
        self._quiet = self._quiet + 1 if is_quiet else 0
        if self._quiet > TRAIL:
            return self._end_spurt()
        if not self._speaking:
            if is_quiet:
                return
            self._speaking = True
        elif not self._held and self._waiting <= 0:
            self._cushion = min(self._cushion + 1, MOST_CUSHION)
        if self._held or self._waiting <= 0:
            self._held.append(frame)
            if len(self._held) >= self._cushion:
                self._release()
        elif self._waiting < (self._cushion if is_quiet else MOST_WAITING):
            self._send([frame])
        elif not is_quiet:
            self.dropped += 1

    def _end_spurt(self) -> None:
        if self._speaking:
            self._speaking = False
            self._cushion = max(self._cushion - 1, CUSHION)
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        self._send(held)

    def _send(self, frames: list[bytes]) -> None:
        if not frames:
            return
        if self._waiting <= 0:
            self._since, self._sent = self._clock(), 0
        audio = b"".join(frames)
        self._sent += len(audio)
        self._play(audio)

    @property
    def _waiting(self) -> float:
        """Frames that are not played yet, as far as the clock tells."""
        return (self._sent - (self._clock() - self._since) * self._form.bytes_per_second) / self._form.frame


class Telephone:
    """A stream of frames of any rate, format and layout, made into mono samples at `rate` bit by bit.

    swresample holds back 2 ms; streams of soxr, used elsewhere, come in blocks and hold back 75.
    """

    def __init__(self, rate: int = RATE) -> None:
        self._rate = rate
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None

    def take(self, frame: AudioFrame) -> list[Samples]:
        """What is ready after `frame`; it may be less or more than that is long."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form == ("s16", "mono", self._rate):
            return [_samples(frame)]
        if self._resampler is None or form != self._form:
            self._form = form
            self._resampler = AudioResampler("s16", "mono", self._rate)
        return [_samples(each) for each in self._resampler.resample(frame)]


def _samples(frame: AudioFrame) -> Samples:
    return np.frombuffer(bytes(frame.planes[0]), dtype=np.int16, count=frame.samples)
