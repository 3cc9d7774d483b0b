"""Callees are told of a recording before anything else, in both forms of scripts, and only where there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent import dialogue, wording
from dialerd.agent.exchange import (
    CalleeLeft,
    Escalate,
    Event,
    HangUp,
    KeyPressed,
    LinePlayed,
    Resumed,
    SilenceElapsed,
    TransferFailed,
)
from dialerd.agent.script import ScriptDocument, from_body, parse_script
from dialerd.agent.standing import Phase
from dialerd.core.clock import Millis
from dialerd.core.errors import RequestError
from tests.agent.scripts import GOOD, VISIT
from tests.agent.talk import MORNING, Talk

NOTICE = "This call is recorded."
LINE = f"    recording_notice: {NOTICE}\n"
SIMPLE = GOOD + LINE
FULL = VISIT.replace("  en-IN:\n", f"  en-IN:\n{LINE}", 1)
CONTACT = {"phone": "+919876543210", "amount": 5}


def talk(text: str, *, recorded: bool = True) -> Talk:
    found = Talk(parse_script(text), variables=CONTACT)
    found.state, opening = dialogue.start(found.state.script, "en-IN", CONTACT, MORNING, recorded=recorded)
    found.actions[:] = opening
    return found


@pytest.mark.parametrize("text", [SIMPLE, FULL])
def test_it_is_said_first_on_a_recorded_call_and_not_on_another(text: str) -> None:
    told = talk(text).hear().turns
    untold = talk(text, recorded=False).hear().turns
    assert told == [f"A: {NOTICE}", *untold]
    assert not [turn for turn in untold if NOTICE in turn]


@pytest.mark.parametrize("text", [GOOD, VISIT])
def test_a_script_without_one_begins_as_ever(text: str) -> None:
    assert talk(text).hear().turns == talk(text, recorded=False).hear().turns


def test_no_answer_takes_its_place() -> None:
    found = talk(SIMPLE).interrupt("1")
    assert found.state.disposition is None, "nothing was asked yet"
    assert found.hear().turns[:2] == [f"A: {NOTICE}", "C: 1"]
    assert found.said.startswith("Hello there. We offer 5 rupees.")
    assert found.press("1").state.disposition == "interested"


def test_a_person_and_no_more_calls_can_be_asked_for_meanwhile() -> None:
    asked = talk(FULL).interrupt("0").hear()
    assert any(isinstance(action, Escalate) for action in asked.actions)
    stopped = talk(FULL).interrupt("9").hear()
    assert (stopped.state.disposition, stopped.ended) == ("dnc", True)


@pytest.mark.parametrize("text", [SIMPLE, FULL])
@pytest.mark.parametrize("event", [Resumed(Millis(4000)), TransferFailed("no_answer", Millis(4000))])
def test_who_has_not_heard_it_is_told_again_and_then_all_the_rest(text: str, event: Event) -> None:
    found = talk(text).take(event)
    assert (found.said, found.state.disposition) == (NOTICE, None)
    rest = talk(text).hear().turns[1:]
    assert rest
    assert found.hear().turns[-len(rest) - 1 :] == [f"A: {NOTICE}", *rest]


def test_who_asked_for_a_person_meanwhile_goes_on_where_nobody_came() -> None:
    found = talk(FULL).interrupt("0").hear().take(TransferFailed("no_answer", Millis(9000)))
    assert NOTICE not in found.said


def test_it_is_kept_with_the_script_and_rendered_before_any_call() -> None:
    for text in (SIMPLE, FULL):
        script = parse_script(f"announces_recording: true\n{text}")
        assert from_body(script.body).texts == script.texts
        assert script.body["announces_recording"] is True
        assert wording.static_sentences(script, "en-IN")[0].text == NOTICE


@pytest.mark.parametrize(
    ("text", "loc", "words"),
    [
        (SIMPLE.replace(NOTICE, "Hello {{nobody}}."), "languages.en-IN.recording_notice", "nobody"),
        (FULL.replace(NOTICE, "Until {{day}}."), "languages.en-IN.recording_notice", "nothing was asked"),
        (f"announces_recording: maybe\n{GOOD}", "announces_recording", "true or false"),
        (f"announces_recording: maybe\n{VISIT}", "announces_recording", "true or false"),
    ],
)
def test_what_is_wrong_with_it_is_told(text: str, loc: str, words: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_script(text)
    assert [(fault.loc, words in fault.msg) for fault in refused.value.faults] == [(loc, True)]


_at = st.integers(0, 10**6).map(Millis)
_events = st.one_of(
    st.builds(KeyPressed, st.sampled_from("0123456789*#"), _at),
    st.builds(LinePlayed, st.integers(0, 12), _at),
    st.builds(SilenceElapsed, st.integers(0, 12), _at),
    st.builds(CalleeLeft, _at),
    st.builds(Resumed, _at),
    st.builds(TransferFailed, st.just("no_answer"), _at),
)


@given(st.sampled_from([SIMPLE, FULL]).map(parse_script), st.lists(_events, max_size=30))
def test_whatever_comes_it_ends_once(script: ScriptDocument, events: list[Event]) -> None:
    state, actions = dialogue.start(script, "en-IN", CONTACT, MORNING, recorded=True)
    done = list(actions)
    for event in events:
        state, more = dialogue.step(state, event)
        done += more
    for _ in range(100):
        if state.phase is Phase.DONE:
            break
        speaking = state.phase in (Phase.SPEAKING, Phase.CLOSING)
        event = (LinePlayed if speaking else SilenceElapsed)(state.number, Millis(0))
        state, more = dialogue.step(state, event)
        done += more
    assert [isinstance(action, HangUp) for action in done].count(True) == 1
