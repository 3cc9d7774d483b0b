"""Who has answered, by what is heard: the rhythm of the greeting, and the tone after which a machine records.

A person says a word or two and waits; a machine speaks on, or sounds a tone. Silence alone is no machine: lines are
slow, and people wait for the caller. The verdict may change as more is heard: who says a word after a pause, and
waits again, is a person whatever came before; only a tone is final. It hears one call's audio, frame by frame, keeps
no audio, and decides nothing about the call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dialerd.core.model import AnsweredBy
from dialerd.media.samples import to_linear

RATE = 8_000
FRAME_MS = 20
FRAME = RATE * FRAME_MS // 1_000
"""Bytes, and samples, of a frame of mu-law at 8 kHz."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What tells a greeting from a recording. Durations in milliseconds."""

    floor: float = 180.0
    """Root mean square (of 32,768) below which nobody speaks, however quiet the line is."""
    over_noise: float = 2.5
    """Voice is so many times as loud as the line's own noise."""
    memory: int = 1_200
    """The quietest moment of the last so many milliseconds is the line's noise: who speaks takes breath."""
    word: int = 100
    """A shorter sound is a click."""
    pause: int = 700
    """Silence after which what was said is over: a person waits now."""
    greeting: int = 1_900
    """Longer speech than this is no greeting of a person."""
    most_words: int = 5
    """More words than this before the first pause are none either."""
    breath: int = 500
    """Silence between two phrases of one who speaks on."""
    call: int = 900
    """A phrase no longer than this may be the "Hello?" of a person who was not answered."""
    answer: int = 1_500
    """A phrase no longer than this may be an answer."""
    wait: int = 1_200
    """Silence in which a person waits after such a phrase: machines go on sooner, or sound their tone."""
    undecided: int = 8_000
    """After so long the greeting is over, whatever it was; only tones are listened for."""


@dataclass(frozen=True, slots=True)
class Tone:
    """What a machine sounds before it records: one frequency, steady, and then nothing."""

    lowest: float = 350.0
    highest: float = 2_500.0
    """Hertz."""
    purity: float = 0.85
    """Part of the energy that is at this frequency. Voices and the two tones of a key (ITU-T Q.23) have less."""
    shortest: int = 120
    longest: int = 3_000
    """Milliseconds: a longer one is a dial or fax tone."""
    drift: float = 40.0
    """Hertz between two windows of one tone."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a frame has changed. `beep`: a machine's tone has just ended, and it records from here on."""

    answer: AnsweredBy
    why: str
    beep: bool = False


class Cadence:
    """Listens to one call from its answer on: `hear` each frame of the callee's audio, in order."""

    def __init__(self, rhythm: Rhythm = Rhythm(), tone: Tone = Tone()) -> None:
        self._rhythm = rhythm
        self._tones = _Tones(tone)
        self.at = 0
        """Milliseconds heard."""
        self._levels: deque[float] = deque(maxlen=rhythm.memory // FRAME_MS)
        self._speech = 0
        """Of the greeting so far, its short gaps included."""
        self._words = 0
        self._word = 0
        self._silence = 0
        self._before = 0
        """Silence before the latest sound."""
        self._spoken = False
        self._phrase = 0
        """Of the latest phrase, its short gaps included."""
        self._phrase_words = 0
        self._apart = False
        """Whether a pause was before it."""
        self.answer: AnsweredBy | None = None
        """Who it is taken to be; None: it cannot be told yet."""
        self.final = False
        """Whether nothing that is said takes it back any more; a key does."""

    @property
    def quiet(self) -> int:
        """Milliseconds for which nothing was said, as of the last frame."""
        return self._silence

    @property
    def wavers(self) -> bool:
        """Whether more has to be heard before a machine is certain: what is heard now may be a person who waits."""
        # What has just begun may be a click still.
        pause = self._before if 0 < self._word < self._rhythm.word else self._silence
        if pause >= self._rhythm.breath:
            return True
        return self._apart and self._phrase <= self._rhythm.call

    @property
    def brief(self) -> bool:
        """Whether what was said last is short enough to be an answer."""
        return self._phrase_words > 0 and self._phrase <= self._rhythm.answer

    def hear(self, frame: bytes) -> Heard | None:
        """20 ms of mu-law; what has changed, or None."""
        samples = to_linear(frame).astype(np.float64)
        self.at += FRAME_MS
        beep = self._tones.hear(samples)
        if beep:
            self.final = True
            return self._found(AnsweredBy.MACHINE, "a tone, as before a recording", beep=True)
        if self._tones.sounding:
            return None
        return self._listen(float(np.sqrt(np.mean(samples * samples))))

    def pressed(self) -> Heard | None:
        """The callee pressed a key: no machine does."""
        return self._found(AnsweredBy.HUMAN, "a key was pressed")

    def understood(self) -> Heard | None:
        """What the callee has said was asked for: recordings say other things, and more at a time."""
        if self.final or not self.brief:
            return None
        return self._found(AnsweredBy.HUMAN, "says what was listened for")

    def _listen(self, level: float) -> Heard | None:
        self._levels.append(level)
        loud = max(self._rhythm.floor, self._rhythm.over_noise * min(self._levels))
        return self._voice() if level > loud else self._quiet()

    def _voice(self) -> Heard | None:
        rhythm = self._rhythm
        if self._word == 0:
            self._before = self._silence
        self._silence = 0
        self._word += FRAME_MS
        if self._word < rhythm.word:
            return None
        if self._word == rhythm.word:
            self._begin_word()
        else:
            self._speech += FRAME_MS
            self._phrase += FRAME_MS
        if self._speech > rhythm.greeting and self._undecided:
            return self._found(AnsweredBy.MACHINE, f"speaks for {self._speech} ms without a pause")
        if self._words > rhythm.most_words and self._undecided:
            return self._found(AnsweredBy.MACHINE, f"says {self._words} words without a pause")
        return None

    def _begin_word(self) -> None:
        """The sound is no click."""
        if self._spoken:
            self._speech += self._before
        self._spoken = True
        self._speech += self._word
        self._words += 1
        paused = self._before >= self._rhythm.breath
        if paused or not self._phrase_words:
            self._apart = paused
            self._phrase = self._phrase_words = 0
        else:
            self._phrase += self._before
        self._phrase += self._word
        self._phrase_words += 1

    def _quiet(self) -> Heard | None:
        if 0 < self._word < self._rhythm.word:
            # A click: the silence goes on.
            self._silence = self._before + self._word
        self._word = 0
        self._silence += FRAME_MS
        if self.answer is AnsweredBy.MACHINE:
            return self._taken_back()
        if not self._spoken or self._silence < self._rhythm.pause:
            return None
        said, self._speech, self._words, self._spoken = self._speech, 0, 0, False
        if self._undecided:
            return self._found(AnsweredBy.HUMAN, f"says {said} ms and waits")
        return None

    def _taken_back(self) -> Heard | None:
        """Who was taken for a machine has said little, after a pause, and waits."""
        called = self._apart and 0 < self._phrase <= self._rhythm.call
        if self.final or not called or self._silence < self._rhythm.wait:
            return None
        return self._found(AnsweredBy.HUMAN, f"says {self._phrase} ms after a pause and waits")

    @property
    def _undecided(self) -> bool:
        return self.answer is None and self.at <= self._rhythm.undecided

    def _found(self, answer: AnsweredBy, why: str, *, beep: bool = False) -> Heard | None:
        changed = answer is not self.answer
        self.answer = answer
        return Heard(answer, why, beep) if changed or beep else None


class _Tones:
    """Finds single steady tones. Windows of 40 ms, a new one each 20 ms."""

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self._window: deque[npt.NDArray[np.float64]] = deque(maxlen=2)
        self._frequency = 0.0
        self._length = 0

    @property
    def sounding(self) -> bool:
        """Whether it hears one now, long enough to be no voice."""
        return self._length >= self._tone.shortest

    def hear(self, samples: npt.NDArray[np.float64]) -> bool:
        """Whether a tone has just ended that was neither too short nor too long."""
        self._window.append(samples)
        frequency = self._pure() if len(self._window) == 2 else 0.0
        goes_on = frequency > 0 and (
            self._length == 0 or abs(frequency - self._frequency) <= self._tone.drift
        )
        if goes_on:
            self._frequency = frequency
            self._length += FRAME_MS
            return False
        ended = self._length
        self._frequency, self._length = frequency, FRAME_MS if frequency > 0 else 0
        return self._tone.shortest <= ended <= self._tone.longest

    def _pure(self) -> float:
        """The frequency of the window, in hertz, if there is but one; 0: there is none, or silence."""
        samples = np.concatenate(self._window)
        energy = float(np.dot(samples, samples))
        if energy < len(samples) * _QUIETEST_TONE**2:
            return 0.0
        spectrum = np.abs(np.fft.rfft(samples * _HANN)) ** 2
        peak = int(np.argmax(spectrum))
        frequency = peak * RATE / len(samples)
        if not self._tone.lowest <= frequency <= self._tone.highest:
            return 0.0
        around = float(spectrum[max(0, peak - 2) : peak + 3].sum())
        return frequency if around >= self._tone.purity * float(spectrum.sum()) else 0.0


_QUIETEST_TONE = 300.0
_HANN = np.hanning(2 * FRAME)
