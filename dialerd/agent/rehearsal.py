"""One line of a script, said as its callees hear it: for whoever writes it, before anybody is called.

It is slow (a process for each sentence) and keeps nothing; calls never wait for it. It runs where espeak-ng is, in a
process beside the daemon's own.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from dialerd.agent.exchange import Sentence
from dialerd.agent.prompts import Prompts
from dialerd.agent.pronunciation import spoken_form
from dialerd.agent.script import from_body
from dialerd.agent.speech import DEADLINE, RATE, render, samples
from dialerd.agent.voices import Voice, find_voices
from dialerd.agent.wording import check_language, in_sentences, resolve
from dialerd.core.errors import Fault, invalid


def say(
    body: Mapping[str, Any],
    line: str,
    language: str,
    voice: str | None,
    variables: Mapping[str, Any],
    prompts_dir: Path | None = None,
) -> bytes:
    """A line as a WAV file (16 bit, mono, 8 kHz); `voice` None: the script's own.

    `line`: `opening`, `invalid_key`, `no_input_repeat`, `no_input_closing` or `closing.KEY`; in a script of states the
    name of one, `STATE.no_input`, `STATE.no_match`, `STATE.confirm`, `STATE.unmet` or `transferring`. What is captured
    by a question and not among `variables` is left out.
    Raises `RequestError` (422) naming the lines there are, or the variables that have no value; `PortError`.
    """
    script = from_body(body)
    check_language(script, language)
    texts = script.texts[language]
    if line not in texts.lines:
        told = ", ".join(texts.lines)
        raise invalid([Fault("line", f"there is no line {line!r}; there are: {told}")])
    values = resolve(script, language, variables)
    speaker = find_voices().choose(language, voice or texts.voice)
    said = in_sentences(texts.lines[line], values)
    return _file([_heard(sentence, speaker, Prompts(prompts_dir)) for sentence in said])


def _heard(sentence: Sentence, speaker: Voice, prompts: Prompts) -> tuple[Any, int]:
    if sentence.audio is not None:
        return prompts.read(sentence.audio)
    return samples(render(spoken_form(sentence.text, speaker.language), speaker.name, DEADLINE))


def _file(clips: list[tuple[Any, int]]) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for clip, rate in clips:
            file.writeframes(np.asarray(soxr.resample(clip, rate, RATE), dtype="<i2").tobytes())
    return written.getvalue()
