"""Conversations over states: questions, confirmation, branches, a person, do not call, limits; and that all end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.agent import dialogue
from dialerd.agent.course import MAX_LINES
from dialerd.agent.exchange import (
    Action,
    CallbackUnmet,
    CalleeLeft,
    Escalate,
    Event,
    HangUp,
    Hush,
    KeyPressed,
    LinePlayed,
    Listen,
    Report,
    Say,
    SilenceElapsed,
    Spoken,
    TransferFailed,
)
from dialerd.agent.script import from_body, parse_script
from dialerd.agent.standing import Phase, State
from dialerd.core.clock import Instant, Millis
from dialerd.core.transfer import TransferTrigger
from tests.agent.scripts import VISIT, refusing, visit
from tests.agent.talk import MORNING, Talk


def talk(**variables: str) -> Talk:
    return Talk(visit(), variables={"phone": "+919876543210", **variables})


def test_a_value_is_captured_repeated_and_confirmed() -> None:
    call = talk(name="Asha").press("1").press("0901")
    assert call.said == "9 January 2026. Press 1 if right, 2 if wrong."
    assert call.report.captured == {}, "not yet said to be right"
    call.press("1").press("4#").hear()
    assert call.ended
    assert call.report.captured == {"day": "2026-01-09", "people": 4}
    assert (call.report.disposition, call.report.positive) == ("confirmed", True)
    assert call.turns == [
        "A: Hello Asha. Press 1 to book, 2 for later, 3 to rate us.", "C: 1", "A: Which day? Four digits.",
        "C: 0901", "A: 9 January 2026. Press 1 if right, 2 if wrong.", "C: 1",
        "A: How many people? Then press hash.", "C: 4#",
        "A: Booked for 9 January 2026. The fee is 1,50,000 rupees.",
    ]  # fmt: skip


def test_what_was_not_right_is_asked_again_and_not_for_ever() -> None:
    call = talk().press("1").press("0901").press("2")
    assert call.said == "Which day? Four digits."
    call.press("1001").press("1")
    assert call.report.captured == {"day": "2026-01-10"}
    call = talk().press("1").press("0901").press("2").press("1001").press("2")
    assert call.said == "Goodbye."
    assert call.report.captured == {}


@pytest.mark.parametrize(("entry", "why"), [("3102", "no such day"), ("0801", ""), ("0107", "too far off")])
def test_a_day_that_is_not_possible_is_asked_again(entry: str, why: str) -> None:
    call = talk().press("1").press(entry)
    if why:
        assert call.said == "That was not clear. Which day? Four digits."
    else:
        assert call.said.startswith("8 January 2026")


def test_fewer_digits_than_there_could_be_end_with_a_wait() -> None:
    call = talk().press("1").press("0901").press("1").press("4")
    assert call.actions[-1] == Listen(call.state.number, Millis(4_000))
    call.wait().hear()
    assert call.report.captured["people"] == 4


def test_a_hash_after_an_entry_that_was_complete_belongs_to_it() -> None:
    call = talk().press("1").press("0901#")
    assert call.said == "9 January 2026. Press 1 if right, 2 if wrong."
    call.press("1").press("20#").hear()
    assert call.report.captured == {"day": "2026-01-09", "people": 20}
    wrong = talk().press("1").press("3102#")
    assert wrong.said == "That was not clear. Which day? Four digits.", "counted once"
    ahead = talk().press("1").interrupt("0901#1").interrupt("5#").hear()
    assert ahead.report.captured == {"day": "2026-01-09", "people": 5}
    waited = talk().press("1").press("0901").press("1").press("5").wait().interrupt("#").hear()
    assert waited.report.captured["people"] == 5
    assert not any(isinstance(action, Hush) for action in waited.actions), "it interrupts nothing"


def test_a_hash_after_a_while_is_an_answer_of_its_own() -> None:
    call = talk().press("1").press("0901").hear().wait().hear().interrupt("#")
    assert call.said == "9 January 2026. Press 1 if right, 2 if wrong."
    assert call.state.mismatches == 1
    twice = talk().press("1").press("0901##")
    assert twice.state.mismatches == 1, "nor does a second one belong to it"


def test_keys_while_the_line_is_spoken_are_already_the_answer() -> None:
    call = talk().press("1").interrupt("0901")
    assert sum(isinstance(action, Hush) for action in call.actions) == 1
    assert call.said.startswith("9 January")
    assert call.report.transcript[2]["interrupted"] is True


def test_branches_follow_what_was_captured() -> None:
    alone = talk().press("1").press("0901").press("1").press("1#")
    assert "A: Just you." in alone.turns
    many = talk().press("1").press("0901").press("1").press("11").hear()
    assert many.wish.trigger is TransferTrigger.CONDITION


@pytest.mark.parametrize("answers", [("21",), ("0",), ("#",), ("*#",)])
def test_a_number_out_of_bounds_or_none_at_all_is_not_taken(answers: tuple[str, ...]) -> None:
    call = talk().press("1").press("0901").press("1")
    for answer in answers:
        call.press(answer)
        if answer == "0":
            call.wait()
    assert call.said == "That was not clear. How many people? Then press hash."


def test_a_callback_is_the_next_time_the_callees_clock_shows_it() -> None:
    call = talk().press("2").press("1830").hear()
    assert call.ended
    assert call.report.disposition == "callback_requested"
    assert call.report.captured == {"call_at": "18:30"}
    assert call.report.callback_at == Instant(MORNING.answered + 10 * 3_600_000), "18:30 in India, today"
    assert call.said == "We will call at 6:30 pm."
    tomorrow = Talk(visit(), clock=dialogue.Clock(Instant(MORNING.answered + 11 * 3_600_000), "Asia/Kolkata"))
    assert tomorrow.press("2").press("0900").report.callback_at == Instant(
        MORNING.answered + 86_400_000 + 1_800_000
    )


@pytest.mark.parametrize("entry", ["2400", "1299", "0859", "1901"])
def test_a_time_that_is_not_possible_is_asked_again(entry: str) -> None:
    assert talk().press("2").press(entry).said == "That was not clear. When may we call? Four digits."


def test_a_time_that_the_clocks_skip_is_the_next_days() -> None:
    night = dialogue.Clock(
        Instant(1_774_738_800_000), "Europe/Berlin"
    )  # 2026-03-29 00:00; 2:30 does not exist
    script = parse_script(VISIT.replace('from: "09:00", to: "19:00", ', ""))
    call = Talk(script, clock=night).press("2").press("0230")
    assert call.report.callback_at is not None
    assert call.report.callback_at - night.answered == (23 + 2.5) * 3_600_000


def test_choices_capture_values_and_may_lead_their_own_way() -> None:
    assert talk().press("3").press("5").said == "Thank you."
    low = talk().press("3").press("2")
    assert low.said == "Your number, please."
    assert low.report.captured == {"rating": 2}
    low.press("9876543210").hear()
    assert low.report.captured == {"rating": 2, "contact": "9876543210"}
    assert low.said == "We noted 9 8 7 6 5 4 3 2 1 0."
    assert low.report.disposition == "left_number"


def test_words_do_what_keys_do() -> None:
    call = talk().say("yes please").press("0901").say("correct")
    assert call.report.captured == {"day": "2026-01-09"}
    assert call.turns[1] == "C: yes please"
    assert talk().say("no").said == "When may we call? Four digits."
    assert talk().press("3").say("good").hear().report.captured == {"rating": 5}
    assert talk().press("1").press("0901").say("wrong").said == "Which day? Four digits."


def test_words_interrupt_and_other_speech_does_not_unless_it_is_to_count() -> None:
    call = talk()
    call.take(Spoken("yes", Millis(900)))
    assert isinstance(call.actions[1], Hush)
    assert call.said == "Which day? Four digits."
    quiet = talk().say(None).say("correct")
    assert quiet.said.startswith("Hello"), "neither is expected here"
    counting = parse_script(VISIT.replace("no_match: {repeats: 1}", "no_match: {repeats: 1, speech: true}"))
    asked = Talk(counting).say(None)
    assert asked.said == "That was not clear. Press 1 or 2 or 3."
    assert asked.report.transcript[-2] == {"speaker": "callee", "time": 3.7, "text": "", "understood": False}


def test_silence_and_keys_that_mean_nothing() -> None:
    assert talk().wait().said == "I did not hear you. Press 1 or 2 or 3."
    gone = talk().wait().wait().hear()
    assert gone.ended
    assert gone.said == "Goodbye."
    assert gone.report.disposition is None
    assert talk().press("7").said == "That was not clear. Press 1 or 2 or 3."
    assert talk().press("7").press("7").said == "Goodbye."
    assert talk().press("3").press("1").wait().said == "Thank you.", "a state's own patience"


def test_a_person_is_asked_for_after_the_line_and_the_talk_goes_on_if_nobody_comes() -> None:
    call = talk(name="Asha").press("0")
    assert call.said == "Please hold the line."
    assert not any(isinstance(action, Escalate) for action in call.actions), "it is said first"
    call.hear()
    assert call.state.phase is Phase.TRANSFERRING
    assert call.wish == Escalate("queue:desk", True, TransferTrigger.KEY, "Asha on", Millis(20_000))
    call.refuse().hear()
    assert "A: Nobody is free." in call.turns
    assert call.said == "When may we call? Four digits."
    call.press("1000").hear()
    assert call.report.disposition == "callback_requested"


@pytest.mark.parametrize(
    ("most", "at", "wished"),
    [(None, 100_000, False), (None, 121_000, True), (150_000, 113_000, True), (150_000, 70_000, False)],
)
def test_a_scripts_limit_comes_in_time_before_the_end_of_the_call(
    most: int | None, at: int, wished: bool
) -> None:
    script = parse_script(
        VISIT.replace("silence_seconds: 30, then: nobody", "silence_seconds: 90, then: escalate")
    )
    call = Talk(script, most=None if most is None else Millis(most))
    call.at = at
    call.press("7").hear()
    asked = [action.trigger for action in call.actions if isinstance(action, Escalate)]
    assert asked == ([TransferTrigger.MAX_DURATION] if wished else [])


def test_a_short_call_leaves_a_quarter_of_it_for_the_end() -> None:
    assert dialogue.in_time(Millis(40_000)) == 30_000
    assert dialogue.in_time(Millis(600_000)) == 540_000
    assert dialogue.in_time(None) is None


def test_wishes_for_a_person_by_word_by_choice_and_by_limit() -> None:
    assert talk().say("talk to an agent").hear().wish.trigger is TransferTrigger.KEYWORD
    assert talk().press("4").hear().wish.trigger is TransferTrigger.KEY
    script = parse_script(
        VISIT.replace("silence_seconds: 30, then: nobody", "silence_seconds: 5, then: escalate")
    )
    assert Talk(script).wait().hear().wish.trigger is TransferTrigger.MAX_DURATION


def test_a_transfer_that_nobody_reports_on_counts_as_failed() -> None:
    call = talk().press("0").hear()
    assert call.actions[-1] == Listen(call.state.number, Millis(300_000))
    assert call.wait().said == "Nobody is free."


def test_the_third_wish_for_a_person_leads_to_the_fallback_at_once() -> None:
    call = talk().press("0").refuse().press("*0").refuse().press("*0")
    assert call.said == "Nobody is free."


def test_a_transfer_that_somebody_else_asked_for_and_that_failed_leads_to_the_fallback() -> None:
    assert talk().refuse().said == "Nobody is free."
    assert (
        Talk(parse_script(VISIT))
        .press("1")
        .press("0901")
        .press("1")
        .press("4#")
        .refuse()
        .said.startswith("Booked")
    )


def test_do_not_call_while_a_person_is_being_called() -> None:
    call = talk().press("0").hear().interrupt("9")
    assert call.report.disposition == "dnc"
    assert call.state.phase is Phase.TRANSFERRING
    assert call.refuse().said == "Never again."


def test_do_not_call_overrules_a_label_even_while_goodbye_is_said() -> None:
    call = talk().press("1").press("0901").press("1").press("1#").interrupt("9")
    assert call.said == "Never again."
    assert call.hear().report.disposition == "dnc"
    assert not call.report.positive


def test_where_digits_are_entered_a_key_is_meant_as_such_after_the_star() -> None:
    call = talk().press("3").press("1").press("99")
    assert call.report.disposition is None
    assert call.interrupt("*9").report.disposition == "dnc"
    assert call.turns[-2] == "C: 99*9"
    assert talk().press("3").press("1").press("*0").said == "Please hold the line."


def test_it_lasts_as_long_as_it_may_and_no_longer() -> None:
    call = talk()
    call.at = 119_000
    call.press("1").hear()
    assert call.said == "Goodbye."
    quiet = parse_script(VISIT.replace("repeats: 1, then: nobody", "repeats: 5, then: opening"))
    lonely = Talk(quiet)
    for _ in range(5):
        assert not lonely.ended
        lonely.wait()
    assert lonely.said == "Goodbye.", "30 seconds without an answer"


def test_a_line_may_be_recorded_and_one_with_values_is_spoken_around_it() -> None:
    parts = 'booked: [{text: Booked., audio: booked.wav}, "The fee is {{fee}}."]'
    script = parse_script(VISIT.replace('booked: "Booked for {{day}}. The fee is {{fee}}."', parts))
    call = Talk(script).press("1").press("0901").press("1").press("2#")
    (say,) = [action for action in call.actions[-1:] if isinstance(action, Say)]
    assert [(part.text, part.audio, part.personal) for part in say.sentences] == [
        ("Booked.", "booked.wav", False), ("The fee is 1,50,000 rupees.", None, True),
    ]  # fmt: skip


def test_the_stored_body_gives_the_same_script() -> None:
    script = visit()
    stored = json.loads(json.dumps(script.body))
    assert from_body(stored) == script
    assert parse_script(json.dumps(stored)) == script


# --- whatever happens ----------------------------------------------------------------------------

_at = st.integers(0, 200_000).map(Millis)
_events = st.one_of(
    st.builds(KeyPressed, st.sampled_from("0123456789*#A"), _at),
    st.builds(
        Spoken,
        st.sampled_from([None, "yes", "no", "good", "correct", "stop calling", "talk to an agent"]),
        _at,
    ),
    st.builds(TransferFailed, st.just("busy"), _at),
    st.builds(CalleeLeft, _at),
    st.sampled_from(["played", "silence", "late", "unmet", "hopeless"]),
)


SOON = Instant(MORNING.answered + 3_600_000)
REFUSING = refusing()


def happen(state: State, event: Event | str) -> tuple[State, tuple[Action, ...]]:
    if not isinstance(event, str):
        return dialogue.step(state, event)
    made = {
        "played": LinePlayed(state.number, Millis(1)),
        "silence": SilenceElapsed(state.number, Millis(1)),
        "late": LinePlayed(state.number - 1, Millis(1)),
        "unmet": CallbackUnmet(state.callback_at or SOON, SOON, SOON, Millis(1)),
        "hopeless": CallbackUnmet(state.callback_at or SOON, None, None, Millis(1)),
    }
    return dialogue.step(state, made[event])


def begin() -> State:
    return dialogue.start(REFUSING, "en-IN", {"phone": "+919876543210"}, MORNING)[0]


@settings(max_examples=300)
@given(st.lists(_events, max_size=60))
def test_whatever_comes_it_ends_and_nothing_is_said_without_end(events: list[Event | str]) -> None:
    state, actions = begin(), list[Action]()
    for event in events:
        state, more = happen(state, event)
        actions.extend(more)
    for _ in range(3 * MAX_LINES):
        if state.phase is Phase.DONE:
            break
        state, more = happen(state, "played" if state.phase in (Phase.SPEAKING, Phase.CLOSING) else "silence")
        actions.extend(more)
    assert state.phase is Phase.DONE
    assert sum(isinstance(action, HangUp) for action in actions) == 1
    assert sum(isinstance(action, Say) for action in actions) <= MAX_LINES
    assert sum(isinstance(action, Escalate) for action in actions) <= 2
    numbers = [action.number for action in actions if isinstance(action, Say | Listen)]
    assert numbers == sorted(set(numbers))
    captured: dict[str, object] = {}
    for action in actions:
        if isinstance(action, Report):
            assert (
                captured.items() <= action.report.captured.items()
                or action.report.captured.keys() >= captured.keys()
            )
            captured = dict(action.report.captured)


@settings(max_examples=300)
@given(st.lists(_events, max_size=30), st.sampled_from(["*9", "stop calling", "do not call me"]))
def test_who_asks_not_to_be_called_is_labelled_so_wherever_the_talk_is(
    events: list[Event | str], asked: str
) -> None:
    state = begin()
    for event in events:
        state, _ = happen(state, event)
    if state.phase is Phase.DONE:
        return
    if asked == "*9" and state.commanded:
        state, _ = dialogue.step(state, KeyPressed("5", Millis(0)))
    for event in (
        [KeyPressed(key, Millis(1)) for key in asked] if asked == "*9" else [Spoken(asked, Millis(1))]
    ):
        state, _ = dialogue.step(state, event)
    if state.phase is not Phase.DONE:
        assert state.report.disposition == "dnc"


@settings(max_examples=300)
@given(st.lists(_events, max_size=30))
def test_who_asks_for_a_person_gets_one_or_the_fallback_wherever_the_talk_is(
    events: list[Event | str],
) -> None:
    state = begin()
    for event in events:
        state, _ = happen(state, event)
    if state.phase in (Phase.DONE, Phase.TRANSFERRING) or state.disposition == "dnc" or state.escalating:
        return
    transfers = state.transfers
    state, _ = dialogue.step(state, Spoken("talk to an agent", Millis(1)))
    if transfers >= 2 or state.lines >= MAX_LINES:
        assert state.scene == "sorry" or state.phase is Phase.DONE
        return
    state, actions = happen(state, "played")
    assert any(isinstance(action, Escalate) for action in actions)
