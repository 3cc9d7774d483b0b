"""The conversation: what each event leads to, and that it always ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent import dialogue, transcript, wording
from dialerd.agent.dialogue import step
from dialerd.agent.exchange import (
    Action,
    CalleeLeft,
    Event,
    HangUp,
    Hush,
    KeyPressed,
    LinePlayed,
    Listen,
    Report,
    Resumed,
    Say,
    Sentence,
    SilenceElapsed,
)
from dialerd.agent.script import parse_script
from dialerd.agent.standing import Phase, State
from dialerd.core.clock import Millis
from dialerd.core.errors import RequestError
from dialerd.core.model import AgentReport
from tests.agent.scripts import GOOD, good

CONTACT = {"name": "Priya", "amount": "50000", "phone": "+15550100100"}
OPENING = "Hello Priya. We offer 50,000 rupees. Press 1, 2 or 9."


def begin(**variables: Any) -> tuple[State, tuple[Action, ...]]:
    return dialogue.start(good(), "en-IN", {**CONTACT, **variables})


def played(state: State, at: int = 1000) -> tuple[State, tuple[Action, ...]]:
    return step(state, LinePlayed(state.number, Millis(at)))


def silent(state: State, at: int = 6000) -> tuple[State, tuple[Action, ...]]:
    return step(state, SilenceElapsed(state.number, Millis(at)))


def pressed(state: State, digit: str, at: int = 1500) -> tuple[State, tuple[Action, ...]]:
    return step(state, KeyPressed(digit, Millis(at)))


def said(actions: tuple[Action, ...]) -> str:
    (say,) = [action for action in actions if isinstance(action, Say)]
    return " ".join(sentence.text for sentence in say.sentences)


def test_the_opening_is_spoken_in_sentences() -> None:
    state, actions = begin()
    assert actions == (
        Say(
            1,
            (
                Sentence("Hello Priya.", personal=True),
                Sentence("We offer 50,000 rupees.", personal=True),
                Sentence("Press 1, 2 or 9.", personal=False),
            ),
        ),
    )
    assert state.report == AgentReport(
        transcript=({"speaker": "agent", "time": 0.0, "text": OPENING},),
    )


def test_after_the_opening_it_listens() -> None:
    state, _ = begin()
    state, actions = played(state)
    assert actions == (Listen(2, Millis(5000)),)
    assert state.phase is Phase.LISTENING


def test_a_key_decides_and_is_reported_before_the_closing_line() -> None:
    state, _ = begin()
    state, _ = played(state)
    state, actions = pressed(state, "1")
    report, say = actions
    assert isinstance(report, Report)
    assert (report.report.disposition, report.report.positive) == ("interested", True)
    assert report.report.transcript[-1] == {"speaker": "callee", "time": 1.5, "digits": "1"}
    assert said((say,)) == "Thank you."
    state, actions = played(state, 3000)
    assert actions == (HangUp(state.report),)
    assert [turn.get("text", turn.get("digits")) for turn in state.report.transcript] == [
        OPENING,
        "1",
        "Thank you.",
    ]


def test_a_key_interrupts_the_opening() -> None:
    state, _ = begin()
    state, actions = pressed(state, "9", 700)
    assert isinstance(actions[0], Hush)
    assert isinstance(actions[1], Report)
    assert said(actions) == "Never again."
    assert state.report.disposition == "dnc"
    assert state.report.transcript[0]["interrupted"] is True
    assert state.report.transcript[1] == {"speaker": "callee", "time": 0.7, "digits": "9"}


def test_who_hangs_up_during_the_closing_line_keeps_the_label() -> None:
    state, _ = begin()
    state, _ = pressed(state, "2")
    state, actions = step(state, CalleeLeft(Millis(2000)))
    assert actions == (HangUp(state.report),)
    assert state.report.disposition == "not_interested"
    assert state.report.transcript[-1] == {
        "speaker": "agent", "time": 1.5, "text": "Goodbye.", "interrupted": True,
    }  # fmt: skip


def test_a_second_key_changes_nothing() -> None:
    state, _ = begin()
    state, _ = pressed(state, "1")
    state, actions = pressed(state, "2", 1600)
    assert actions == ()
    assert state.report.disposition == "interested"
    assert state.report.transcript[-1]["digits"] == "2"


def test_silence_is_asked_again_and_then_closed_without_a_label() -> None:
    state, _ = begin()
    state, _ = played(state)
    state, actions = silent(state)
    assert said(actions) == "Please press a key."
    state, actions = played(state, 8000)
    assert isinstance(actions[0], Listen)
    state, actions = silent(state, 13000)
    assert said(actions) == "No answer. Goodbye."
    state, actions = played(state, 15000)
    assert actions == (HangUp(state.report),)
    assert state.report.disposition is None


def test_an_unknown_key_is_told_and_the_third_one_closes() -> None:
    state, _ = begin()
    state, actions = pressed(state, "5")
    assert isinstance(actions[0], Hush)
    assert said(actions) == "Not that one."
    state, actions = pressed(state, "#")
    assert said(actions) == "Not that one."
    state, _ = played(state)
    state, actions = pressed(state, "0")
    assert not any(isinstance(action, Hush) for action in actions)
    assert said(actions) == "No answer. Goodbye."
    assert state.phase is Phase.CLOSING


def test_what_was_silenced_is_said_again() -> None:
    state, _ = begin()
    state, actions = step(state, Resumed(Millis(4000)))
    assert said(actions) == OPENING
    assert [turn.get("interrupted") for turn in state.report.transcript] == [True, None]
    state, _ = played(state, 8000)
    state, actions = step(state, Resumed(Millis(9000)))
    assert said(actions) == OPENING, "what it waits for was not heard either"
    state, _ = pressed(state, "1")
    state, actions = step(state, Resumed(Millis(9500)))
    assert said(actions) == "Thank you."
    state, actions = played(state)
    assert isinstance(actions[0], HangUp)


def test_what_is_late_is_ignored() -> None:
    state, _ = begin()
    opened = state.number
    state, _ = pressed(state, "5")
    for event in (
        LinePlayed(opened, Millis(900)),
        SilenceElapsed(state.number, Millis(900)),
        SilenceElapsed(99, Millis(900)),
    ):
        assert step(state, event) == (state, ())


def test_after_the_end_nothing_happens() -> None:
    state, _ = begin()
    state, _ = step(state, CalleeLeft(Millis(100)))
    assert state.phase is Phase.DONE
    for event in (KeyPressed("1", Millis(200)), LinePlayed(1, Millis(200)), CalleeLeft(Millis(200))):
        assert step(state, event) == (state, ())


def test_a_transcript_does_not_grow_without_end() -> None:
    state, _ = begin()
    for _ in range(3 * transcript.MAX_TURNS):
        state, _ = pressed(state, "1")
    assert len(state.turns) == transcript.MAX_TURNS


@pytest.mark.parametrize("amount", [None, ""])
def test_a_value_that_is_missing_is_named(amount: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        begin(amount=amount)
    assert [fault.loc for fault in caught.value.faults] == ["variables.amount"]


def test_defaults_of_the_language_come_before_the_scripts() -> None:
    script = parse_script(GOOD.replace("    opening:", "    defaults: {name: friend}\n    opening:"))
    assert wording.resolve(script, "en-IN", {"amount": 1, "name": " "})["name"] == ""
    assert wording.resolve(script, "en-IN", {"amount": 1})["name"] == "friend"
    assert wording.resolve(script, "en-IN", {"amount": 1, "phone": "+1555"})["phone"] == "1 5 5 5"
    with pytest.raises(RequestError, match="fault"):
        dialogue.start(script, "hi-IN", CONTACT)


def test_what_can_be_rendered_before_any_call() -> None:
    assert [sentence.text for sentence in wording.static_sentences(good(), "en-IN")] == [
        "Press 1, 2 or 9.", "Thank you.", "Goodbye.", "Never again.", "Please press a key.",
        "No answer.", "Not that one.",
    ]  # fmt: skip


# --- whatever happens ----------------------------------------------------------------------------

_at = st.integers(0, 10**7).map(Millis)
_number = st.integers(0, 12)
_events = st.one_of(
    st.builds(KeyPressed, st.sampled_from("0123456789*#ABCD"), _at),
    st.builds(LinePlayed, _number, _at),
    st.builds(SilenceElapsed, _number, _at),
    st.builds(CalleeLeft, _at),
)


def drive_to_the_end(state: State) -> tuple[State, list[Action]]:
    """Nobody presses anything any more: everything is played, every wait passes."""
    done: list[Action] = []
    for _ in range(20):
        if state.phase is Phase.DONE:
            break
        event: Event = LinePlayed(state.number, Millis(0))
        if state.phase is Phase.LISTENING:
            event = SilenceElapsed(state.number, Millis(0))
        state, actions = step(state, event)
        done.extend(actions)
    return state, done


@given(st.lists(_events, max_size=40))
def test_whatever_comes_it_ends_once_and_decides_once(events: list[Event]) -> None:
    state, opening = begin()
    actions: list[Action] = list(opening)
    for event in events:
        state, more = step(state, event)
        actions.extend(more)
    state, more_at_last = drive_to_the_end(state)
    actions.extend(more_at_last)
    assert state.phase is Phase.DONE
    assert isinstance(actions[-1], HangUp)
    assert sum(isinstance(action, HangUp) for action in actions) == 1
    labels = [action.report.disposition for action in actions if isinstance(action, Report)]
    assert len(labels) <= 2
    assert labels[-1:] == ([state.disposition] if state.disposition else [])
    assert labels[1:] in ([], ["dnc"]), "only no more calls can be asked for after an answer"
    assert labels[:1] != ["dnc"] or len(labels) == 1, "and that is final"
    numbers = [action.number for action in actions if isinstance(action, Say | Listen)]
    assert numbers == sorted(set(numbers)), "each has a number of its own, later ones greater"
    assert len(numbers) <= 13, "silences and unknown keys are counted"
    times = [turn["time"] for turn in state.report.transcript if turn["speaker"] == "callee"]
    assert len(times) <= len(events)
