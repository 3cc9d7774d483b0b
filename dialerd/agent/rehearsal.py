"""One line of a script, said as its callees hear it: for whoever writes it, before anybody is called.

It is slow (a process for each sentence) and keeps nothing; calls never wait for it. It runs where espeak-ng is, in a
process beside the daemon's own.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
import soxr

from dialerd.agent import dialogue
from dialerd.agent.script import Texts, from_body
from dialerd.agent.speech import DEADLINE, RATE, render, samples
from dialerd.agent.text import parse_template, sentences, spoken_form
from dialerd.agent.voices import find_voices
from dialerd.core.errors import Fault, invalid


def say(
    body: Mapping[str, Any], line: str, language: str, voice: str | None, variables: Mapping[str, Any]
) -> bytes:
    """A line as a WAV file (16 bit, mono, 8 kHz); `voice` None: the script's own.

    `line`: `opening`, `invalid_key`, `no_input_repeat`, `no_input_closing` or `closing.KEY`.
    Raises `RequestError` (422) naming the lines there are, or the variables that have no value; `PortError`.
    """
    script = from_body(body)
    dialogue.check_language(script, language)
    texts = script.texts[language]
    told = _lines(texts)
    if line not in told:
        raise invalid([Fault("line", f"there is no line {line!r}; there are: {', '.join(told)}")])
    values = dialogue.resolve(script, language, variables)
    speaker = find_voices().choose(language, voice or texts.voice)
    said = [parse_template(sentence).fill(values) for sentence in sentences(told[line])]
    clips = [samples(render(spoken_form(text, language), speaker.name, DEADLINE)) for text in said if text]
    return _file(clips)


def _lines(texts: Texts) -> dict[str, str]:
    """The lines of a language by their names."""
    told = {"opening": texts.opening, "invalid_key": texts.invalid_key}
    if texts.no_input_repeat is not None:
        told["no_input_repeat"] = texts.no_input_repeat
    told["no_input_closing"] = texts.no_input_closing
    return told | {f"closing.{key}": text for key, text in texts.closings.items()}


def _file(clips: list[tuple[Any, int]]) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for clip, rate in clips:
            file.writeframes(np.asarray(soxr.resample(clip, rate, RATE), dtype="<i2").tobytes())
    return written.getvalue()
