"""What is done about a machine, and that a key takes it back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.media.answer_watch import (
    CERTAIN,
    ENDED,
    LATEST,
    PATIENCE,
    Act,
    AnswerWatch,
    GoOn,
    HangUp,
    Hush,
    Judged,
    Speak,
)
from dialerd.media.cadence import FRAME_MS, RATE
from tests.media.network_tones import BUSY, RINGING, lasting
from tests.media.sounds import Samples, at_level, frames, silence, speech, talk, tone, voice
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


def run(on_machine: OnMachine, sounds: list[bytes]) -> list[tuple[int, Act]]:
    """What a watch wants when that hears these frames."""
    watch = AnswerWatch(on_machine)
    return [
        (number * FRAME_MS, act)
        for number, frame in enumerate(sounds)
        for act in watch.hear(frame, number * FRAME_MS)
    ]


GREETING = speech(MACHINE[0])
LONG, LONGEST, HELLO = voice(4.4), voice(6.4), voice(0.4)
"""A greeting that might just be a person's, one that cannot be, and a word."""
_VOICES = frames(voice(6.0))
_LINE = {noise: frames(silence(1.5, noise=noise)) for noise in (8.0, 60.0)}
_BEEPS = {hertz: frames(tone(0.4, hertz)) for hertz in (440.0, 1_000.0, 1_400.0)}


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


def test_a_recording_that_speaks_slowly_is_known_where_the_agent_goes_on() -> None:
    _, acts = watched(OnMachine.CONTINUE, silence(1.5), *[voice(1.2), silence(0.8)] * 5)
    assert [act.answer for _, act in acts if isinstance(act, Judged)] == [AnsweredBy.MACHINE]


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


def ticked(watch: AnswerWatch, since: int, until: int) -> list[tuple[int, Act]]:
    """What it wants where no audio comes."""
    return [(at, act) for at in range(since, until, 500) if watch.waits for act in watch.tick(at)]


def test_where_a_carrier_sends_no_silence_the_message_is_left_by_the_clock() -> None:
    watch, acts = watched(OnMachine.MESSAGE, silence(0.3), LONGEST)
    assert kinds(acts) == [Judged, Hush]
    ended = 300 + len(LONGEST) // 8
    acts = ticked(watch, ended, PATIENCE)
    assert kinds(acts) == [Speak]
    assert ENDED <= acts[0][0] - ended <= ENDED + 600


def test_where_a_carrier_sends_no_silence_who_listens_is_a_person() -> None:
    for on_machine in (OnMachine.HANG_UP, OnMachine.MESSAGE):
        watch, _ = watched(on_machine, silence(0.3), LONG)
        acts = ticked(watch, 300 + len(LONG) // 8, PATIENCE)
        assert [act.answer for _, act in acts if isinstance(act, Judged)] == [AnsweredBy.HUMAN]
        assert not {HangUp, Speak} & set(kinds(acts))


def test_gaps_that_a_carrier_does_not_send_are_pauses() -> None:
    watch, at, acts = AnswerWatch(OnMachine.HANG_UP), 0, list[Act]()
    for _ in range(9):
        for frame in frames(HELLO):
            acts += watch.hear(frame, at)
            at += FRAME_MS
        at += 800
    assert acts == []
    assert [type(act) for act in watch.tick(at + 1_000)] == [Judged]
    assert not watch.tick(PATIENCE + 1)


def test_audio_that_is_late_is_no_pause() -> None:
    watch, acts = AnswerWatch(OnMachine.CONTINUE), list[Act]()
    for number, frame in enumerate(frames(silence(0.3), LONG)):
        acts += watch.hear(frame, number * FRAME_MS + (180 if number % 7 else 0))
    assert [type(act) for act in acts] == [Judged]


def test_where_no_audio_ever_comes_time_alone_ends_it() -> None:
    watch = AnswerWatch(OnMachine.MESSAGE)
    assert [type(act) for act in watch.judged(AnsweredBy.MACHINE, "AMD", 2_000)] == [Judged, Hush]
    assert watch.waits
    assert watch.tick(PATIENCE + 1) == (HangUp(),)


def test_another_listener_makes_no_machine_of_who_is_heard() -> None:
    watch, _ = watched(OnMachine.HANG_UP, silence(0.3), voice(1.8))
    assert watch.judged(AnsweredBy.MACHINE, "AMD", 2_100) == ()


def test_another_listener_counts_only_where_nothing_was_heard() -> None:
    watch = AnswerWatch(OnMachine.HANG_UP)
    assert watch.judged(AnsweredBy.MACHINE, "AMD", 2_000) == (Judged(AnsweredBy.MACHINE, "AMD"),)
    assert watch.judged(AnsweredBy.MACHINE, "AMD", 2_500) == ()
    assert watch.tick(2_000 + CERTAIN) == (HangUp(),)


@pytest.mark.parametrize("on_machine", [OnMachine.CONTINUE, OnMachine.HANG_UP, OnMachine.MESSAGE])
def test_another_listener_takes_a_machine_back_until_it_is_certain(on_machine: OnMachine) -> None:
    human = Judged(AnsweredBy.HUMAN, "AMD")
    for later, expected in ((CERTAIN - 1, True), (CERTAIN, False)):
        watch, acts = watched(on_machine, LONG)
        assert kinds(acts)[0] is Judged
        told = watch.judged(AnsweredBy.HUMAN, "AMD", acts[0][0] + later)
        assert told == (() if not expected else (human, GoOn()) if Hush in kinds(acts) else (human,))
        assert watch.judged(AnsweredBy.MACHINE, "AMD", acts[0][0] + later) == (), "human first"


def test_a_tone_is_final_for_all_but_a_key() -> None:
    watch, acts = watched(OnMachine.CONTINUE, LONG, silence(0.3), tone(0.4, 1_000.0), silence(0.2))
    assert kinds(acts) == [Judged]
    assert watch.judged(AnsweredBy.HUMAN, "AMD", acts[0][0] + 100) == ()
    assert watch.understood(5_000) == ()
    assert watch.pressed(5_000) == (Judged(AnsweredBy.HUMAN, "a key was pressed"),)


def test_what_was_listened_for_is_said_by_a_person_if_it_is_short() -> None:
    for said, expected in ((HELLO, True), (LONG, False)):
        watch, acts = watched(OnMachine.MESSAGE, LONG, silence(0.6), said, silence(0.4))
        assert kinds(acts) == [Judged, Hush]
        told = watch.understood(4_000)
        assert [type(act) for act in told] == ([Judged, GoOn] if expected else [])


def test_a_message_that_has_begun_is_taken_back_by_a_key_alone() -> None:
    watch, acts = watched(OnMachine.MESSAGE, LONGEST, silence(2.2), HELLO, silence(2.0))
    assert kinds(acts) == [Judged, Hush, Speak]
    assert watch.judged(AnsweredBy.HUMAN, "AMD", 3_000) == watch.understood(8_000) == ()
    assert [type(act) for act in watch.pressed(8_100)] == [Judged, GoOn]


def test_a_greeting_that_ended_like_a_person_is_a_machine_by_its_tone() -> None:
    sounds = (LONG, silence(0.6), HELLO, silence(1.8), tone(0.5, 1_000.0), silence(1.2))
    _, acts = watched(OnMachine.MESSAGE, *sounds)
    assert kinds(acts) == [Judged, Hush, Judged, GoOn, Judged, Hush, Speak]
    _, acts = watched(OnMachine.HANG_UP, *sounds)
    assert kinds(acts) == [Judged, Judged, Judged, HangUp]


def test_one_that_says_a_little_now_and_then_is_hung_up_on_at_last() -> None:
    _, acts = watched(OnMachine.HANG_UP, LONG, *[silence(0.6), HELLO] * 9)
    assert kinds(acts) == [Judged, HangUp]
    assert acts[1][0] - acts[0][0] == pytest.approx(LATEST, abs=40)


def span(low: float, high: float) -> st.SearchStrategy[int]:
    """Frames for so many seconds."""
    return st.integers(round(low * 50), round(high * 50))


@given(
    on_machine=st.sampled_from([OnMachine.CONTINUE, OnMachine.HANG_UP, OnMachine.MESSAGE]),
    noise=st.sampled_from([8.0, 60.0]),
    greeting=span(4.2, 5.0),
    calls=st.lists(st.tuples(span(0.6, 1.1), span(0.2, 0.8)), min_size=1, max_size=2),
)
@settings(max_examples=100)
def test_a_person_who_greets_at_length_and_then_waits_keeps_the_agent(
    on_machine: OnMachine, noise: float, greeting: int, calls: list[tuple[int, int]]
) -> None:
    sounds = [*_LINE[noise][:15], *_VOICES[:greeting]]
    for pause, said in calls:
        sounds = [*sounds, *_LINE[noise][:pause], *_VOICES[:said]]
    acts = run(on_machine, [*sounds, *_LINE[noise][:70]])
    assert kinds(acts) in ([Judged, Judged], [Judged, Hush, Judged, GoOn])
    assert [act.answer for _, act in acts if isinstance(act, Judged)] == [
        AnsweredBy.MACHINE,
        AnsweredBy.HUMAN,
    ]


@given(
    on_machine=st.sampled_from([OnMachine.CONTINUE, OnMachine.HANG_UP, OnMachine.MESSAGE]),
    noise=st.sampled_from([8.0, 60.0]),
    greeting=span(4.2, 6.0),
    more=st.lists(st.tuples(span(0.1, 0.95), span(0.2, 4.0)), max_size=4),
    last=span(0.1, 0.95),
    hertz=st.sampled_from([440.0, 1_000.0, 1_400.0]),
)
@settings(max_examples=100)
def test_a_greeting_whose_pauses_are_short_is_a_machine_to_its_tone(
    on_machine: OnMachine,
    noise: float,
    greeting: int,
    more: list[tuple[int, int]],
    last: int,
    hertz: float,
) -> None:
    sounds = [*_LINE[noise][:15], *_VOICES[:greeting]]
    for pause, said in more:
        sounds = [*sounds, *_LINE[noise][:pause], *_VOICES[:said]]
    acts = run(on_machine, [*sounds, *_LINE[noise][:last], *_BEEPS[hertz], *_LINE[noise][:60]])
    assert (
        kinds(acts)
        == {
            OnMachine.CONTINUE: [Judged],
            OnMachine.HANG_UP: [Judged, HangUp],
            OnMachine.MESSAGE: [Judged, Hush, Speak],
        }[on_machine]
    )


@given(
    noise=st.sampled_from([8.0, 60.0]),
    greeting=span(0.2, 2.2),
    calls=st.lists(st.tuples(span(0.3, 1.4), span(0.2, 0.8)), max_size=2),
)
@settings(max_examples=100)
def test_who_greets_and_listens_is_never_taken_for_a_machine(
    noise: float, greeting: int, calls: list[tuple[int, int]]
) -> None:
    for on_machine in (OnMachine.CONTINUE, OnMachine.HANG_UP, OnMachine.MESSAGE):
        sounds = [*_LINE[noise][:15], *_VOICES[:greeting]]
        for pause, said in calls:
            sounds = [*sounds, *_LINE[noise][:pause], *_VOICES[:said]]
        acts = run(on_machine, [*sounds, *(_LINE[noise] * 4)])
        assert [type(act) for _, act in acts] == [Judged]
        assert [act.answer for _, act in acts if isinstance(act, Judged)] == [AnsweredBy.HUMAN]


@given(noise=st.sampled_from([8.0, 60.0]), greeting=span(4.2, 5.2))
def test_who_greets_at_great_length_and_then_listens_is_not_hung_up_on(noise: float, greeting: int) -> None:
    for on_machine in (OnMachine.HANG_UP, OnMachine.MESSAGE):
        acts = run(on_machine, [*_LINE[noise][:15], *_VOICES[:greeting], *(_LINE[noise] * 6)])
        assert [act.answer for _, act in acts if isinstance(act, Judged)] == [
            AnsweredBy.MACHINE,
            AnsweredBy.HUMAN,
        ]
        assert not {HangUp, Speak} & set(kinds(acts))


@given(
    noise=st.sampled_from([8.0, 60.0]),
    greeting=span(1.6, 4.0),
    last=span(0.1, 2.5),
    hertz=st.sampled_from([440.0, 1_000.0, 1_400.0]),
)
@settings(max_examples=100)
def test_a_short_greeting_with_a_tone_gets_its_message(
    noise: float, greeting: int, last: int, hertz: float
) -> None:
    line = _LINE[noise] * 2
    acts = run(OnMachine.MESSAGE, [*line[:15], *_VOICES[:greeting], *line[:last], *_BEEPS[hertz], *line[:60]])
    assert kinds(acts)[-2:] == [Hush, Speak] or kinds(acts) == [Judged, Hush, Speak]


@pytest.mark.parametrize("country", [*RINGING])
@pytest.mark.parametrize("on_machine", list(OnMachine))
def test_nothing_is_done_while_it_rings(on_machine: OnMachine, country: str) -> None:
    _, acts = watched(on_machine, silence(0.1), lasting(RINGING[country], 20.0))
    assert acts == []


@pytest.mark.parametrize("country", [*BUSY])
def test_no_message_is_spoken_into_a_busy_line(country: str) -> None:
    _, acts = watched(OnMachine.MESSAGE, silence(0.3), LONGEST, silence(0.3), lasting(BUSY[country], 20.0))
    assert Speak not in kinds(acts)


@pytest.mark.parametrize("on_machine", [OnMachine.HANG_UP, OnMachine.MESSAGE])
@pytest.mark.parametrize("level", [200.0, 400.0, 800.0])
def test_a_person_with_talk_in_the_background_keeps_the_agent(on_machine: OnMachine, level: float) -> None:
    line = np.concatenate((silence(1.0), at_level(speech("Hello?"), 3_000.0), silence(32.0)))
    _, acts = watched(on_machine, line + talk(len(line) / RATE, level=level))
    assert [act.answer for _, act in acts if isinstance(act, Judged)] == [AnsweredBy.HUMAN]
    assert kinds(acts) == [Judged]


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
