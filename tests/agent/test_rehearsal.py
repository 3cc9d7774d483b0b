"""A line of a script, heard before anybody is called: by the espeak-ng of this machine."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from dialerd.agent import rehearsal
from dialerd.core.errors import RequestError
from tests.agent.scripts import good

BODY = good().body


def heard(file: bytes) -> tuple[wave.Wave_read, np.ndarray]:  # type: ignore[type-arg]
    with wave.open(io.BytesIO(file)) as opened:
        return opened, np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2")


def test_a_line_is_a_telephone_s_wav_with_a_voice_in_it() -> None:
    file, samples = heard(rehearsal.say(BODY, "opening", "en-IN", None, {"amount": "50000"}))
    assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8_000, 1, 2)
    assert len(samples) > 2 * 8_000, "four sentences take more than two seconds"
    assert np.abs(samples.astype(int)).max() > 3_000


def test_values_are_spoken_and_voices_differ() -> None:
    said = {
        rehearsal.say(BODY, "opening", "en-IN", voice, {"amount": amount})
        for voice in ("female", "male")
        for amount in ("5", "50000")
    }
    assert len(said) == 4


@pytest.mark.parametrize("line", ["closing.1", "invalid_key", "no_input_repeat", "no_input_closing"])
def test_every_line_can_be_heard(line: str) -> None:
    assert len(heard(rehearsal.say(BODY, line, "en-IN", None, {"amount": 1}))[1]) > 1_000


def test_a_line_that_is_not_there_and_a_value_that_is_missing_are_named() -> None:
    with pytest.raises(RequestError) as refused:
        rehearsal.say(BODY, "farewell", "en-IN", None, {"amount": 1})
    assert "opening" in refused.value.faults[0].msg
    with pytest.raises(RequestError) as refused:
        rehearsal.say(BODY, "opening", "en-IN", None, {})
    assert [fault.loc for fault in refused.value.faults] == ["variables.amount"]
    with pytest.raises(RequestError):
        rehearsal.say(BODY, "opening", "ta", None, {"amount": 1})
