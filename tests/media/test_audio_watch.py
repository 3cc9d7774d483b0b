"""Calls whose audio does not run are told from those in which somebody is silent for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.media.audio_watch import AudioLimits, AudioWatch, is_audible
from dialerd.media.playout import FRAME, SILENCE
from tests.media.sounds import frames, silence, speech, tone

VOICE = frames(tone(0.1, 200.0, 400.0, level=1_500.0))[0]
SECOND = VOICE * 50
BOTH = AudioLimits(one_way=20, silence=30)


def test_a_voice_is_audible_and_a_line_is_not() -> None:
    assert is_audible(VOICE)
    assert not is_audible(SILENCE)
    assert not is_audible(bytes([0xFE, 0x7E]) * (FRAME // 2)), "the smallest steps of mu-law"
    assert not is_audible(b"")
    assert not any(is_audible(frame) for frame in frames(silence(5.0, noise=40.0)))
    spoken = frames(speech("Please call me again tomorrow morning."))
    assert sum(map(is_audible, spoken)) > len(spoken) / 2


def test_a_callee_of_whom_nothing_comes_is_one_way() -> None:
    watch = AudioWatch(BOTH, 0)
    watch.spoke(SECOND * 15, 1)
    assert watch.fault(19.9, hears=True) == ""
    assert watch.fault(20, hears=True) == "one-way audio: none has come from the callee for 20 s"


def test_nothing_either_way() -> None:
    watch = AudioWatch(BOTH, 0)
    assert watch.fault(20, hears=True) == "no audio either way for 20 s"
    watch = AudioWatch(BOTH, 0)
    watch.heard(VOICE, 5)
    watch.spoke(SECOND, 6)
    assert watch.fault(26.9, hears=True) == ""
    assert watch.fault(27, hears=True) == "no audio either way for 20 s"


def test_a_phone_that_sends_nothing_while_its_owner_is_silent_is_in_order() -> None:
    watch = AudioWatch(BOTH, 0)
    watch.heard(VOICE, 1)
    for at in range(0, 60, 5):
        watch.spoke(SECOND, at)
        assert watch.fault(at, hears=True) == ""


def test_where_the_callee_is_not_heard_nothing_is_wrong() -> None:
    watch = AudioWatch(BOTH, 0)
    assert watch.fault(100, hears=False) == ""
    assert watch.fault(110, hears=True) == "", "counted from when it could be heard"


def test_silence_on_both_sides_that_lasts_too_long() -> None:
    watch = AudioWatch(BOTH, 0)
    watch.heard(VOICE, 1)
    watch.spoke(SECOND, 1)
    for at in range(2, 32):
        assert watch.fault(at - 0.1, hears=True) == ""
        watch.heard(SILENCE, at)
        watch.spoke(SILENCE * 50, at)
    assert watch.fault(32, hears=True) == "max silence: neither side was audible for 30 s"


def test_who_waits_for_a_person_is_excused() -> None:
    watch = AudioWatch(BOTH, 0)
    watch.excused(100)
    watch.spoke(SECOND, 100)
    assert watch.fault(119, hears=True) == ""


def test_what_was_queued_and_dropped_was_not_said() -> None:
    watch = AudioWatch(AudioLimits(one_way=0, silence=10), 0)
    watch.spoke(SECOND * 60, 0)
    watch.heard(SILENCE, 30)
    assert watch.fault(30, hears=True) == ""
    watch.fell_silent(30)
    assert watch.fault(39, hears=True) == ""
    assert "max silence" in watch.fault(40, hears=True)


@given(
    st.lists(st.tuples(st.floats(0.02, 4), st.sampled_from(["callee", "agent"])), max_size=60),
    st.floats(5, 60),
)
def test_a_call_in_which_somebody_speaks_every_few_seconds_is_never_ended(
    turns: list[tuple[float, str]], limit: float
) -> None:
    watch, at = AudioWatch(AudioLimits(limit, limit), 0), 0.0
    watch.heard(VOICE, 0)
    for pause, who in turns:
        at += pause
        assert watch.fault(at, hears=True) == ""
        if who == "callee":
            watch.heard(VOICE, at)
        else:
            watch.spoke(SECOND, at)


@pytest.mark.parametrize("limits", [AudioLimits(0, 0)])
def test_what_is_off_ends_nothing(limits: AudioLimits) -> None:
    watch = AudioWatch(limits, 0)
    assert not watch.is_on
    assert watch.fault(10_000, hears=True) == ""
