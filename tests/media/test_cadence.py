"""Who has answered: who greets and waits is a person, who speaks on and on or sounds a tone a machine.

Silence is nobody's sign, nor is what is heard behind a voice, nor what the network sounds.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.model import AnsweredBy as Answer
from dialerd.media.cadence import FRAME_MS, RATE, Cadence, Heard
from tests.media.network_tones import BUSY, RINGING, lasting
from tests.media.sounds import Samples, at_level, frames, silence, speech, talk, tone, voice

PERSON = [
    "Hello?",
    "Yes, hello.",
    "Good morning, this is Anna.",
    "Hello, who is this?",
    "Hello? Hello? Who is there?",
    "Good morning, Sharma Traders, Ravi speaking, how can I help you?",
]
MACHINE = [
    "Hello, you have reached the voicemail of Anna Smith and her family, we are sorry that we cannot take your call "
    "right now but if you leave your name and your number after the tone we will surely call you back soon.",
    "The person that you are calling is not available at the moment because the telephone is switched off or out of "
    "the coverage area so please leave a message after the tone or try again later. Thank you for calling.",
    "Hi, this is Tom, I am not at home right now and I do not know when I will be back again but leave your name and "
    "number and the time at which you have called and I will call you back when I am at home.",
]
"""No person greets like that."""
SHORT = [
    "Hi, this is Tom, I cannot take your call, please leave me a message.",
    "The person you are calling is not available. Please leave a message after the tone.",
    "Hi, this is Tom, I am not at home right now, but leave your name and number and I will call you back.",
]
"""Recordings that a person's greeting may be as long as."""
VOICES = ["en-us", "hi", "en-gb+f3"]


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
    found = hear(silence(0.3), greeting, silence(0.4), tone(seconds, hertz), silence(1.5))
    (at, beep) = found[-1]
    assert beep.beep
    assert beep.answer is Answer.MACHINE
    ended = 300 + len(greeting) / 8 + 400 + seconds * 1_000
    # At the frequencies of ringing it must not come again.
    wait = 1_000 if hertz <= 500 else 0
    assert ended + wait - 40 <= at <= ended + wait + 80


@pytest.mark.parametrize("text", MACHINE)
@pytest.mark.parametrize("spoken", VOICES)
@pytest.mark.parametrize("wait", [0.9, 1.5, 3.0])
def test_a_greeting_is_no_person_however_long_its_tone_keeps_one_waiting(
    text: str, spoken: str, wait: float
) -> None:
    found = hear(silence(0.4), speech(text, spoken), silence(wait), tone(0.5, 1_000.0), silence(0.5))
    assert [(heard.answer, heard.beep) for _, heard in found] == [
        (Answer.MACHINE, False),
        (Answer.MACHINE, True),
    ]


@pytest.mark.parametrize("text", SHORT)
@pytest.mark.parametrize("spoken", VOICES)
@pytest.mark.parametrize("hertz", [440.0, 700.0, 850.0, 1_000.0, 1_400.0])
@pytest.mark.parametrize("wait", [0.3, 1.2, 2.5])
def test_a_short_recording_is_a_machine_by_its_tone(
    text: str, spoken: str, hertz: float, wait: float
) -> None:
    found = hear(silence(0.4), speech(text, spoken), silence(wait), tone(0.5, hertz), silence(1.2))
    assert (found[-1][1].answer, found[-1][1].beep) == (Answer.MACHINE, True)
    assert sum(heard.beep for _, heard in found) == 1


@given(
    said=st.lists(st.tuples(st.integers(10, 45), st.integers(8, 60)), min_size=1, max_size=9),
    level=st.sampled_from([400.0, 1_200.0, 4_000.0]),
    noise=st.sampled_from([8.0, 60.0]),
)
def test_who_says_little_at_a_time_and_then_listens_is_a_person(
    said: list[tuple[int, int]], level: float, noise: float
) -> None:
    sounds, spoken = [silence(0.4, noise=noise)], 0
    for word, gap in said:
        spoken += word + (gap if gap <= 12 else 0)
        if spoken > 190:
            break
        sounds += [voice(word / 50, level=level), silence(gap / 50, noise=noise)]
    found = hear(*sounds, silence(2.0, noise=noise))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


@pytest.mark.parametrize("pause", [0.3, 0.45])
@pytest.mark.parametrize("times", [3, 5, 8])
def test_who_calls_again_and_again_is_a_person(pause: float, times: int) -> None:
    hello = np.trim_zeros(speech("Hello?"))[: round(0.5 * RATE)]
    found = hear(
        silence(0.4), *[part for _ in range(times) for part in (hello, silence(pause))], silence(2.0)
    )
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


@pytest.mark.parametrize("text", ["Hello?", "Good morning, this is Anna."])
@pytest.mark.parametrize("spoken", VOICES)
@pytest.mark.parametrize("level", [200.0, 400.0, 800.0])
def test_talk_behind_a_person_is_no_machine(text: str, spoken: str, level: float) -> None:
    line = np.concatenate((silence(1.0), at_level(speech(text, spoken), 3_000.0), silence(12.0)))
    found = hear(line + talk(len(line) / RATE, level=level))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


@pytest.mark.parametrize("spoken", VOICES)
@pytest.mark.parametrize("level", [500.0, 1_000.0, 8_000.0])
def test_a_machine_is_one_however_quiet_it_is(spoken: str, level: float) -> None:
    found = hear(silence(0.4), at_level(speech(MACHINE[0], spoken), level), silence(1.0))
    assert [heard.answer for _, heard in found] == [Answer.MACHINE]


def test_who_listens_first_and_then_says_much_is_a_person() -> None:
    assert [heard.answer for _, heard in hear(silence(5.0), voice(6.0), silence(2.0))] == [Answer.HUMAN]


@pytest.mark.parametrize("country", [*RINGING])
def test_ringing_is_nobody(country: str) -> None:
    assert hear(silence(0.1), lasting(RINGING[country], 20.0)) == []


@pytest.mark.parametrize("country", [*RINGING])
def test_who_answers_after_ringing_is_who_it_is(country: str) -> None:
    rings = (silence(0.06), lasting(RINGING[country], 12.0), silence(0.3))
    found = hear(*rings, speech("Hello?"), silence(2.0))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]
    found = hear(*rings, speech(MACHINE[0]), silence(0.4), tone(0.5, 440.0), silence(1.2))
    assert [(heard.answer, heard.beep) for _, heard in found] == [
        (Answer.MACHINE, False),
        (Answer.MACHINE, True),
    ]


@pytest.mark.parametrize("country", [*BUSY])
@pytest.mark.parametrize("greeting", ["", "Hello?", SHORT[1], MACHINE[0]])
def test_a_busy_tone_is_no_beep(country: str, greeting: str) -> None:
    said = [speech(greeting), silence(0.3)] if greeting else []
    found = hear(silence(0.1), *said, lasting(BUSY[country], 12.0))
    assert not any(heard.beep for _, heard in found)
    if not greeting:
        assert found == []


@pytest.mark.parametrize("country", [*RINGING])
@pytest.mark.parametrize("greeting", ["Hello?", SHORT[0]])
def test_ringing_after_a_few_words_is_no_beep(country: str, greeting: str) -> None:
    found = hear(silence(0.3), speech(greeting), silence(0.3), lasting(RINGING[country], 16.0))
    assert not any(heard.beep for _, heard in found)


@pytest.mark.parametrize("hertz", [420.0, 900.0, 1_200.0])
def test_a_tone_before_anybody_has_spoken_is_no_beep(hertz: float) -> None:
    found = hear(silence(0.5), tone(0.4, hertz), silence(3.0), speech("Hello?"), silence(2.0))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


@pytest.mark.parametrize("greeting", ["Hello?", PERSON[-1]])
@pytest.mark.parametrize("hertz", [425.0, 1_200.0])
def test_what_beeps_on_behind_a_person_is_no_machine(greeting: str, hertz: float) -> None:
    beeping = lasting(np.concatenate((tone(0.5, hertz), silence(0.5))), 5.0)
    found = hear(silence(0.3), speech(greeting), silence(0.3), beeping, silence(3.0))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


def test_who_speaks_after_a_tone_is_a_person() -> None:
    found = hear(speech("Hello?"), silence(0.6), tone(0.4, 1_000.0), silence(0.6), voice(0.5), silence(2.0))
    assert [heard.answer for _, heard in found] == [Answer.HUMAN]


def test_where_no_audio_comes_somebody_waits() -> None:
    cadence = Cadence()
    assert hear(silence(0.3), voice(0.6), cadence=cadence) == []
    heard = cadence.miss(1_000)
    assert heard is not None
    assert heard.answer is Answer.HUMAN


def test_silence_alone_is_no_machine() -> None:
    assert hear(silence(20.0)) == []
    assert hear(silence(20.0, noise=150.0)) == []


@pytest.mark.parametrize("keys", [(697.0, 1_209.0), (770.0, 1_336.0), (941.0, 1_477.0)])
def test_the_tones_of_a_key_are_no_beep(keys: tuple[float, float]) -> None:
    assert not any(heard.beep for _, heard in hear(silence(0.5), tone(0.4, *keys), silence(1.0)))


def test_a_tone_that_does_not_end_is_no_beep() -> None:
    assert hear(silence(0.2), tone(8.0, 425.0), silence(1.0)) == []


@pytest.mark.parametrize("text", [*PERSON, *MACHINE, *SHORT])
@pytest.mark.parametrize("spoken", VOICES)
def test_speech_is_no_beep(text: str, spoken: str) -> None:
    assert not any(heard.beep for _, heard in hear(silence(0.2), speech(text, spoken), silence(0.5)))


def test_who_presses_a_key_is_a_person_whatever_was_said() -> None:
    cadence = Cadence()
    hear(silence(0.3), speech(MACHINE[0]), cadence=cadence)
    assert cadence.answer is Answer.MACHINE
    heard = cadence.pressed()
    assert heard is not None
    assert heard.answer is Answer.HUMAN
    assert cadence.pressed() is None


def test_a_beep_after_a_short_greeting_takes_the_verdict_back() -> None:
    found = hear(speech("Hello?"), silence(1.2), tone(0.5, 1_000.0), silence(1.2))
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
