"""English keywords: which words there are, and which of the expected phrases a short utterance is.

PocketSphinx with a grammar of just those phrases and of common words beside them, and its acoustic model, which the
package brings. Blocking: for a process beside the media worker (`dialerd.agent.listener`).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from pocketsphinx import Decoder, get_model_path

RATE = 8_000
"""Samples a second of an utterance, as telephones carry it."""
GRAMMARS = 64
"""Sets of phrases that are kept; a script has one for each of its states."""
_MODEL_RATE = 16_000
_NOISE, _MIRROR = 30.0, 0.2
_DICTIONARY = Path("en-us", "cmudict-en-us.dict")
_MODEL = Path("en-us", "en-us")

DECOYS = (
    *("hello", "hi", "who is it", "what is it", "what", "why", "okay", "wait", "hold on", "please", "sorry"),
    *(
        "thanks",
        "thank you",
        "good morning",
        "one moment",
        "say that again",
        "i do not know",
        "maybe",
        "really",
    ),
    *(
        "listen",
        "who are you",
        "where are you",
        "how much",
        "when",
        "which one",
        "and then",
        "it is",
        "you are",
    ),
    *(
        "this is",
        "can you",
        "i am",
        "i have",
        "the",
        "my",
        "he",
        "she",
        "they",
        "we will",
        "go",
        "tell",
        "give",
    ),
    *(
        "speak",
        "number",
        "time",
        "money",
        "house",
        "mother",
        "today",
        "monday",
        "seven",
        "five",
        "ten",
        "water",
    ),
    *("here", "there", "about", "with", "for", "from", "to the", "of", "in the", "a", "on"),
)
"""What else people say. A grammar takes every sound for the nearest of its phrases: without these, half of what is
said beside the point would be heard as one of those expected."""


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    text = Path(get_model_path(), _DICTIONARY).read_text(encoding="utf-8")
    return frozenset(line.partition(" ")[0] for line in text.splitlines())


def is_word(text: str) -> bool:
    """Whether the recogniser knows how `text` is pronounced."""
    return text in _words()


class Recogniser:
    """Hears phrases. Loading it takes a third of a second and some 40 MB."""

    def __init__(self) -> None:
        folder = Path(get_model_path())
        self._decoder = Decoder(
            hmm=str(folder / _MODEL),
            dict=str(folder / _DICTIONARY),
            lm=None,
            samprate=float(_MODEL_RATE),
            logfn=os.devnull,
        )
        self._grammars: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._made = 0

    def recognise(self, utterance: bytes, phrases: tuple[str, ...]) -> str | None:
        """Which of `phrases` was said in `utterance` (16 bit, 8 kHz); None: none of them."""
        if not phrases or len(utterance) < 2:
            return None
        self._decoder.activate_search(self._grammar(phrases))
        said = np.frombuffer(utterance[: len(utterance) & ~1], dtype="<i2")
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(_widened(said), full_utt=True)
        finally:
            self._decoder.end_utt()
        heard = self._decoder.hyp()
        return heard.hypstr if heard is not None and heard.hypstr in phrases else None

    def _grammar(self, phrases: tuple[str, ...]) -> str:
        known = self._grammars.get(phrases)
        if known is not None:
            self._grammars.move_to_end(phrases)
            return known
        self._made += 1
        name = f"phrases{self._made}"
        said = " | ".join(dict.fromkeys((*phrases, *DECOYS)))
        self._decoder.add_jsgf_string(name, f"#JSGF V1.0;\ngrammar {name};\npublic <said> = {said} ;\n")
        self._grammars[phrases] = name
        if len(self._grammars) > GRAMMARS:
            _, dropped = self._grammars.popitem(last=False)
            self._decoder.remove_search(dropped)
        return name


def _widened(said: npt.NDArray[np.int16]) -> bytes:
    """A telephone's sound as the model expects it.

    What lies above 4 kHz is made up, as a faint mirror of what lies below: hissing sounds live there. A little noise
    takes the place of perfect silence, whose logarithm the model cannot bear.
    """
    sound = said.astype(np.float32) + np.random.default_rng(0).normal(0, _NOISE, len(said)).astype(np.float32)
    mirrored = np.zeros(2 * len(sound), np.float32)
    mirrored[::2] = 2 * sound
    low = soxr.resample(sound, RATE, _MODEL_RATE)
    size = min(len(low), len(mirrored))
    wide = low[:size] + _MIRROR * (mirrored[:size] - low[:size])
    return bytes(np.clip(wide, -32_768, 32_767).astype("<i2").tobytes())
