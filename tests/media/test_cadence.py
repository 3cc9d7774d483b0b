"""Who has answered: short greetings are people, long ones and tones are machines, silence is nobody's sign."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.model import AnsweredBy as Answer
from dialerd.media.cadence import FRAME_MS, RATE, Cadence, Heard
from tests.media.sounds import Samples, frames, silence, speech, tone

PERSON = ["Hello?", "Yes, hello.", "Good morning, this is Anna.", "Hello, who is this?"]
MACHINE = [
    "Hello, you have reached the voicemail of Anna Smith. I cannot take your call right now. Please leave a message.",
    "The person you are calling is not available. Please leave a message after the tone.",
    "Hi, this is Tom, I am not at home right now, but leave your name and number and I will call you back.",
]


def hear(*sounds: Samples, cadence: Cadence | None = None) -> list[tuple[int, Heard]]:
    """What is found, with the milliseconds after the first frame."""
    listener = cadence or Cadence()
    found = []
    for number, frame in enumerate(frames(*sounds)):
        heard = listener.hear(frame)
        if heard is not None:
            found.append(((number + 1) * FRAME_MS, heard))
    return found


@pytest.mark.parametrize("text", PERSON)
@pytest.mark.parametrize("noise", [4.0, 60.0])
def test_a_short_greeting_is_a_person(text: str, noise: float) -> None:
    found = hear(silence(0.4, noise=noise), speech(text), silence(1.5, noise=noise))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


@pytest.mark.parametrize("text", MACHINE)
def test_a_long_greeting_is_a_machine_before_it_has_ended(text: str) -> None:
    said = speech(text)
    found = hear(silence(0.4), said, silence(1.0))
    assert [heard.answer for _, heard in found] == [Answer.MACHINE]
    assert found[0][0] < 400 + len(said) / 8


@pytest.mark.parametrize("hertz", [440.0, 800.0, 1_000.0, 1_400.0, 2_000.0])
@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.5])
def test_a_tone_means_that_it_records_from_its_end_on(hertz: float, seconds: float) -> None:
    greeting = speech(MACHINE[0])
    found = hear(silence(0.3), greeting, silence(0.4), tone(seconds, hertz), silence(0.5))
    (at, beep) = found[-1]
    assert beep.beep
    assert beep.answer is Answer.MACHINE
    ended = 300 + len(greeting) / 8 + 400 + seconds * 1_000
    assert ended - 40 <= at <= ended + 80


@pytest.mark.parametrize("text", MACHINE)
@pytest.mark.parametrize("voice", ["en-us", "hi", "en-gb+f3"])
@pytest.mark.parametrize("wait", [0.9, 1.5, 3.0])
def test_a_greeting_is_no_person_however_long_its_tone_keeps_one_waiting(
    text: str, voice: str, wait: float
) -> None:
    found = hear(silence(0.4), speech(text, voice), silence(wait), tone(0.5, 1_000.0), silence(0.5))
    assert [(heard.answer, heard.beep) for _, heard in found] == [
        (Answer.MACHINE, False),
        (Answer.MACHINE, True),
    ]


def test_silence_alone_is_no_machine() -> None:
    assert hear(silence(20.0)) == []
    assert hear(silence(20.0, noise=150.0)) == []


@pytest.mark.parametrize("keys", [(697.0, 1_209.0), (770.0, 1_336.0), (941.0, 1_477.0)])
def test_the_tones_of_a_key_are_no_beep(keys: tuple[float, float]) -> None:
    assert not any(heard.beep for _, heard in hear(silence(0.5), tone(0.4, *keys), silence(1.0)))


def test_a_tone_that_does_not_end_is_no_beep() -> None:
    assert hear(silence(0.2), tone(8.0, 425.0), silence(1.0)) == []


@pytest.mark.parametrize("text", [*PERSON, *MACHINE])
@pytest.mark.parametrize("voice", ["en-us", "hi", "en-gb+f3"])
def test_speech_is_no_beep(text: str, voice: str) -> None:
    assert not any(heard.beep for _, heard in hear(silence(0.2), speech(text, voice), silence(0.5)))


def test_who_presses_a_key_is_a_person_whatever_was_said() -> None:
    cadence = Cadence()
    hear(silence(0.3), speech(MACHINE[0]), cadence=cadence)
    assert cadence.answer is Answer.MACHINE
    heard = cadence.pressed()
    assert heard is not None
    assert heard.answer is Answer.HUMAN
    assert cadence.pressed() is None


def test_a_beep_after_a_short_greeting_takes_the_verdict_back() -> None:
    found = hear(speech("Hello?"), silence(1.2), tone(0.5, 1_000.0), silence(0.3))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN, Answer.MACHINE]


def test_clicks_are_no_words() -> None:
    click = tone(0.04, 600.0, 900.0, 1_300.0)
    assert hear(*[part for _ in range(20) for part in (click, silence(0.3))]) == []


@given(st.lists(st.binary(min_size=160, max_size=160), max_size=60))
def test_whatever_comes_it_listens_on(given_frames: list[bytes]) -> None:
    cadence = Cadence()
    for frame in given_frames:
        heard = cadence.hear(frame)
        assert heard is None or heard.answer is cadence.answer


@pytest.mark.parametrize("noise", [300.0, 800.0])
def test_a_loud_line_says_nothing(noise: float) -> None:
    assert hear(silence(20.0, noise=noise)) == []


@pytest.mark.parametrize("text", [*PERSON, *MACHINE])
def test_a_loud_line_changes_no_verdict(text: str) -> None:
    line = np.concatenate((silence(0.4, noise=0.0), speech(text), silence(1.5, noise=0.0)))
    found = hear(line + silence(len(line) / RATE, noise=300.0))
    assert [heard.answer for _, heard in found] == [Answer.MACHINE if text in MACHINE else Answer.HUMAN]
