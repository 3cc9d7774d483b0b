"""What is done about a machine, and that a key takes it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.media.answer_watch import (
    CERTAIN,
    ENDED,
    PATIENCE,
    Act,
    AnswerWatch,
    GoOn,
    HangUp,
    Hush,
    Judged,
    Speak,
)
from dialerd.media.cadence import FRAME_MS
from tests.media.sounds import Samples, frames, silence, speech, tone
from tests.media.test_cadence import MACHINE, PERSON


def watched(on_machine: OnMachine, *sounds: Samples) -> tuple[AnswerWatch, list[tuple[int, Act]]]:
    """A watch that has heard the sounds, and what it wanted when."""
    watch = AnswerWatch(on_machine)
    acts = [
        (number * FRAME_MS, act)
        for number, frame in enumerate(frames(*sounds))
        for act in watch.hear(frame, number * FRAME_MS)
    ]
    return watch, acts


def kinds(acts: list[tuple[int, Act]]) -> list[type]:
    return [type(act) for _, act in acts]


GREETING = speech(MACHINE[0])


def test_a_machine_gets_its_message_after_the_tone() -> None:
    watch, acts = watched(
        OnMachine.MESSAGE, silence(0.3), GREETING, silence(0.5), tone(0.5, 1_000.0), silence(3.0)
    )
    assert kinds(acts) == [Judged, Hush, Speak]
    ended = 300 + len(GREETING) / 8 + 500 + 500
    assert ended - 60 <= acts[-1][0] <= ended + 100
    assert watch.spoken() == (HangUp(message_left=True),)
    assert not watch.listens


def test_a_machine_without_tone_gets_it_when_its_greeting_has_ended() -> None:
    _, acts = watched(OnMachine.MESSAGE, silence(0.3), GREETING, silence(5.0))
    assert kinds(acts) == [Judged, Hush, Speak]
    ended = 300 + len(GREETING) / 8
    # espeak-ng itself ends with some silence.
    assert ENDED - 600 <= acts[-1][0] - ended <= ENDED + 300


def test_a_machine_that_never_ends_gets_no_message() -> None:
    _, acts = watched(OnMachine.MESSAGE, *[GREETING] * 6)
    assert kinds(acts) == [Judged, Hush, HangUp]
    assert acts[-1] == (pytest.approx(PATIENCE, abs=100), HangUp(message_left=False))


def test_a_machine_is_hung_up_on_once_it_is_certain() -> None:
    _, acts = watched(OnMachine.HANG_UP, silence(0.3), GREETING, silence(1.0))
    assert kinds(acts) == [Judged, HangUp]
    assert acts[1][0] - acts[0][0] == pytest.approx(CERTAIN, abs=40)


@pytest.mark.parametrize("on_machine", list(OnMachine))
@pytest.mark.parametrize("text", PERSON)
def test_a_person_is_left_alone(on_machine: OnMachine, text: str) -> None:
    _, acts = watched(on_machine, silence(0.4), speech(text), silence(10.0), speech(text), silence(3.0))
    expected = [] if on_machine is OnMachine.IGNORE else [Judged]
    assert kinds(acts) == expected


def test_an_agent_that_goes_on_is_not_disturbed() -> None:
    _, acts = watched(
        OnMachine.CONTINUE, silence(0.3), GREETING, silence(0.5), tone(0.5, 800.0), silence(3.0)
    )
    assert kinds(acts) == [Judged]


@pytest.mark.parametrize("when", ["waiting", "speaking"])
def test_a_key_takes_the_message_back(when: str) -> None:
    after = [silence(0.5), tone(0.5, 1_000.0), silence(0.5)] if when == "speaking" else []
    watch, acts = watched(OnMachine.MESSAGE, silence(0.3), GREETING, *after)
    assert (Speak in kinds(acts)) is (when == "speaking")
    told = watch.pressed(9_000)
    assert [type(act) for act in told] == [Judged, GoOn]
    assert watch.spoken() == ()
    assert watch.tick(PATIENCE + 1) == ()


def test_silence_is_left_to_the_agent() -> None:
    watch, acts = watched(OnMachine.HANG_UP, silence(32.0))
    assert acts == []
    assert not watch.listens


def test_where_no_audio_comes_time_alone_ends_it() -> None:
    watch, acts = watched(OnMachine.MESSAGE, silence(0.3), GREETING)
    assert watch.waits
    assert kinds(acts) == [Judged, Hush]
    assert watch.tick(PATIENCE + 1) == (HangUp(),)


def test_another_listener_counts_only_where_nothing_was_heard() -> None:
    watch = AnswerWatch(OnMachine.HANG_UP)
    assert watch.judged(AnsweredBy.MACHINE, "AMD", 2_000) == (Judged(AnsweredBy.MACHINE, "AMD"),)
    assert watch.judged(AnsweredBy.HUMAN, "AMD", 2_500) == ()
    assert watch.tick(2_000 + CERTAIN) == (HangUp(),)


@given(
    st.sampled_from(list(OnMachine)),
    st.lists(st.sampled_from(["voice", "silence", "tone", "key", "spoken", "tick"]), max_size=60),
)
def test_whatever_happens_it_hangs_up_once_at_most_and_speaks_only_to_machines(
    on_machine: OnMachine, events: list[str]
) -> None:
    watch, at, acts = AnswerWatch(on_machine), 0, list[Act]()
    sounds = {"voice": _VOICE, "silence": _SILENCE, "tone": _TONE}
    for event in events:
        if event in sounds:
            for frame in sounds[event]:
                acts += watch.hear(frame, at)
                at += FRAME_MS
        elif event == "key":
            acts += watch.pressed(at)
        elif event == "spoken":
            acts += watch.spoken()
        else:
            at += 5_000
            acts += watch.tick(at)
    assert sum(isinstance(act, HangUp) for act in acts) <= 1
    judged = [act for act in acts if isinstance(act, Judged)]
    if not any(act.answer is AnsweredBy.MACHINE for act in judged):
        assert not any(isinstance(act, (Speak, HangUp, Hush)) for act in acts)
    if on_machine in (OnMachine.CONTINUE, OnMachine.IGNORE):
        assert all(isinstance(act, Judged) for act in acts)


_VOICE = frames(GREETING[:4_000])
_SILENCE = frames(silence(0.5))
_TONE = frames(tone(0.5, 1_000.0))
