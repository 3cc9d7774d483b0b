"""Who has answered, by what is heard: the rhythm of the greeting, and the tone after which a machine records.

A person says a word or two and waits; a machine speaks on, or sounds a tone after its greeting. Silence alone is no
machine: lines are slow, and people wait for the caller. Nor is what is heard behind a voice, nor what the network
sounds. The verdict may change as more is heard: who falls silent and listens is a person, unless the greeting was
longer than any person's; only a machine's tone is final. It hears one call's audio, frame by frame, keeps no audio,
and decides nothing about the call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dialerd.core.model import AnsweredBy
from dialerd.media.loudness import Loudness
from dialerd.media.samples import to_linear
from dialerd.media.tones import FRAME, FRAME_MS, RATE, Tone, Tones

__all__ = ["FRAME", "FRAME_MS", "RATE", "Cadence", "Heard", "Rhythm"]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What tells a greeting from a recording. Milliseconds."""

    word: int = 100
    """A shorter sound is a click."""
    gap: int = 240
    """Silence inside of what is said; a longer one is no part of it."""
    pause: int = 1_000
    """Silence after which what was said is over: a person waits now."""
    greeting: int = 4_000
    """Longer speech than this is hardly a person's greeting."""
    longest: int = 5_500
    """Longer speech than this is none: who listens after it may be a machine that records."""
    start: int = 4_000
    """A greeting begins so soon after the answer; what is said later is an answer."""
    start_after_ringing: int = 6_000
    """So soon after ringing that is heard after the answer: it pauses for up to 4 s."""
    breath: int = 500
    """Silence between two phrases of one who speaks on."""
    call: int = 900
    """A phrase no longer than this may be the "Hello?" of a person who was not answered."""
    answer: int = 1_500
    """A phrase no longer than this may be an answer."""
    wait: int = 1_200
    """Silence in which a person waits after such a phrase: machines go on sooner, or sound their tone."""
    listens: int = 1_500
    """Silence in which a person listens after a greeting of any length."""
    prompt: int = 1_200
    """Speech, after which a tone as low as the network's may be a machine's."""
    signal: int = 900
    """A low tone that is longer than this is the network's, unless a machine has spoken."""
    repeats: int = 1_000
    """Silence after a tone, in which the network's tones, and those of things that beep, come again."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a frame has changed. `beep`: a machine's tone has just ended, and it records from here on."""

    answer: AnsweredBy
    why: str
    beep: bool = False


class Cadence:
    """Listens to one call from its answer on: `hear` each frame of the callee's audio, in order."""

    def __init__(self, rhythm: Rhythm = Rhythm()) -> None:
        self._rhythm = rhythm
        self._tones = Tones()
        self._loudness = Loudness()
        self._held: list[float] = []
        """Levels of what may be a tone, or a voice that hums."""
        self.at = 0
        """Milliseconds heard, what was missing included."""
        self._rang = 0
        """When the network's last tone was heard, as `at`."""
        self._began = 0
        """When the greeting began, as `at`."""
        self._speech = 0
        """Of the greeting so far, its short gaps included."""
        self._said = 0
        """Speech since the last tone, so that a tone that comes again with none in between is known."""
        self._word = 0
        self._silence = 0
        self._still = 0
        """Since anything was heard, a tone or a voice."""
        self._before = 0
        """Silence before the latest sound."""
        self._spoken = False
        self._phrase = 0
        """Of the latest phrase, its short gaps included."""
        self._phrase_words = 0
        self._apart = False
        """Whether a pause was before it."""
        self._tone: Tone | None = None
        """A tone that is a machine's if nothing follows it."""
        self._last_tone = 0.0
        """Hertz."""
        self.answer: AnsweredBy | None = None
        """Who it is taken to be; None: it cannot be told yet."""
        self.final = False
        """Whether nothing that is said takes it back any more; a key does."""

    @property
    def quiet(self) -> int:
        """Milliseconds for which nothing was heard, as of the last frame."""
        return min(self._silence, self._still)

    @property
    def has_spoken(self) -> bool:
        """Whether anybody has said anything."""
        return self._phrase_words > 0

    @property
    def wavers(self) -> bool:
        """Whether more has to be heard before a machine is certain: what is heard now may be a person who waits."""
        # What has just begun may be a click still.
        pause = self._before if 0 < self._word < self._rhythm.word else self._silence
        if pause > self._rhythm.gap:
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
        ended = self._tones.hear(samples)
        level = float(np.sqrt(np.mean(samples * samples)))
        if ended is not None:
            self._held.clear()
            return self._after(ended) or self._listen(level)
        if self._tones.sounding:
            self._sounds()
            return None
        if self._tones.begins:
            self._held.append(level)
            return None
        levels, self._held = [*self._held, level], []
        return self._last_of([self._listen(one) for one in levels])

    def miss(self, milliseconds: int) -> Heard | None:
        """No audio came for so long: carriers send none where nothing is said."""
        return self._last_of([self.hear(_NOTHING) for _ in range(milliseconds // FRAME_MS)])

    def pressed(self) -> Heard | None:
        """The callee pressed a key: no machine does."""
        self._tone = None
        return self._found(AnsweredBy.HUMAN, "a key was pressed")

    def understood(self) -> Heard | None:
        """What the callee has said was asked for: recordings say other things, and more at a time."""
        if self.final or not self.brief:
            return None
        return self._found(AnsweredBy.HUMAN, "says what was listened for")

    @staticmethod
    def _last_of(found: list[Heard | None]) -> Heard | None:
        return next((heard for heard in reversed(found) if heard is not None), None)

    # --- tones ---------------------------------------------------------------------------------------

    def _sounds(self) -> None:
        """A tone is heard: it is neither said nor silence."""
        self._tone = None
        self._word = self._still = 0

    def _after(self, tone: Tone) -> Heard | None:
        """It has ended."""
        again = abs(tone.hertz - self._last_tone) <= _ALIKE and self._said < self._rhythm.prompt
        possible = not again and self._may_be_machine(tone)
        self._last_tone, self._said = tone.hertz, 0
        if not possible:
            self._rang = self.at if tone.of_network else self._rang
            return None
        if self.answer is AnsweredBy.MACHINE and not tone.of_network:
            return self._beeped()
        self._tone = tone
        return None

    def _may_be_machine(self, tone: Tone) -> bool:
        """Whether it may be what a machine sounds after its greeting."""
        if not tone.plain or not self._said:
            return False
        if not tone.of_network or self.answer is AnsweredBy.MACHINE:
            return True
        return self._said >= self._rhythm.prompt and tone.lasted <= self._rhythm.signal

    def _beeped(self) -> Heard | None:
        self._tone = None
        self.final = True
        return self._found(AnsweredBy.MACHINE, "a tone, as before a recording", beep=True)

    # --- voices --------------------------------------------------------------------------------------

    def _listen(self, level: float) -> Heard | None:
        return self._voice() if self._loudness.is_voice(level) else self._quiet()

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
            self._said += FRAME_MS
        if self.answer is None and self._greets and self._speech > rhythm.greeting:
            return self._found(AnsweredBy.MACHINE, f"speaks for {self._speech} ms without a pause")
        return None

    @property
    def _greets(self) -> bool:
        """Whether what is being said may be a greeting, by when it began."""
        latest = self._rhythm.start_after_ringing if self._rang else self._rhythm.start
        return self._began - self._rang <= latest

    def _begin_word(self) -> None:
        """The sound is no click."""
        self._tone = None
        inside = self._before if self._before <= self._rhythm.gap else 0
        if not self._spoken:
            self._spoken, self._began, self._speech = True, self.at, 0
        else:
            self._speech += inside
        self._speech += self._word
        self._said += self._word
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
        self._still += FRAME_MS
        if self._tone is not None:
            return self._beeped() if self._still >= self._rhythm.repeats else None
        if self.answer is AnsweredBy.MACHINE:
            return self._taken_back()
        if not self._spoken or self._silence < self._rhythm.pause:
            return None
        self._spoken = False
        if self.answer is None:
            return self._found(AnsweredBy.HUMAN, f"says {self._speech} ms and waits")
        return None

    def _taken_back(self) -> Heard | None:
        """Who was taken for a machine waits, after saying little, or listens after a greeting that a person may say."""
        if self.final or not self._phrase_words:
            return None
        called = self._apart and self._phrase <= self._rhythm.call
        if called and self._silence >= self._rhythm.wait:
            return self._found(AnsweredBy.HUMAN, f"says {self._phrase} ms after a pause and waits")
        if self._speech <= self._rhythm.longest and self._silence >= self._rhythm.listens:
            return self._found(AnsweredBy.HUMAN, f"says {self._speech} ms and listens")
        return None

    def _found(self, answer: AnsweredBy, why: str, *, beep: bool = False) -> Heard | None:
        changed = answer is not self.answer
        self.answer = answer
        return Heard(answer, why, beep) if changed or beep else None


_ALIKE = 40.0
"""Hertz between two tones that are one which repeats."""
_NOTHING = b"\xff" * FRAME
"""A frame of silence."""
