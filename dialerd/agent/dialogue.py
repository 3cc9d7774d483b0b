"""The conversation as a pure machine: what happened in, what to do next out.

    scene: line ──played──► listening ──answer──► next scene ─ … ─► scene that ends ──played──► done
             │ key, words       │ silence, nothing understood
             │                  └──► the line again ─ … ─► where nobody's answer leads
             └──► as when listening

At any time: do not call ─► its label, its closing. A person ─► line ──played──► transferring ──failed──► fallback.

It speaks texts, not audio, and reads no clock: `at` is milliseconds since the callee answered. Whatever events
come, in whatever order, it ends: silences and answers that were not understood are counted, so are lines, and what
is late is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dialerd.agent import transcript
from dialerd.agent.answer import Clock, Value, complete, understand
from dialerd.agent.course import (
    DNC,
    Stepped,
    after,
    ask_for_person,
    branch,
    enter,
    hushed,
    interrupted,
    labelled,
    listen,
    not_transferred,
    notice,
    patient,
    played,
    said_again,
    say,
)
from dialerd.agent.exchange import (
    CallbackUnmet,
    CalleeLeft,
    Event,
    HangUp,
    KeyPressed,
    LinePlayed,
    Listen,
    Report,
    Resumed,
    SilenceElapsed,
    Spoken,
    TransferFailed,
)
from dialerd.agent.flow import COMMAND, Everywhere, Question
from dialerd.agent.lines import LATEST_CALLBACK, NEAREST_CALLBACK, RECORDING_NOTICE
from dialerd.agent.script import ScriptDocument
from dialerd.agent.standing import Phase, State
from dialerd.agent.wording import check_language, given, moment, spoken
from dialerd.core.clock import Instant, Millis, seconds
from dialerd.core.errors import InvariantError
from dialerd.core.transfer import TransferTrigger

TYPING = seconds(4)
"""Wait for the next digit of an entry."""
CHECKED = Millis(300)
"""After which a time for a callback that nobody has refused is taken to be possible."""
CALLBACK = "callback_requested"
ORDERLY = seconds(60)
"""Before the end of a call: the line that is being said, an answer to it, and the last words."""
NO_CLOCK = Clock(Instant(0))


def start(
    script: ScriptDocument,
    language: str,
    variables: Mapping[str, Any],
    clock: Clock = NO_CLOCK,
    *,
    recorded: bool = False,
    most: Millis | None = None,
) -> Stepped:
    """Begin: the opening is spoken; on a call that is `recorded`, after the notice that says so, if there is one.

    `most` is how long the call may last: a script's own limit is reached in time for what it then says and does.

    Raises `RequestError` for a language or a value that is missing.
    """
    check_language(script, language)
    known = given(script, language, variables)
    values = {name: spoken(script, language, name, value) for name, value in known.items()}
    state = State(script, language, known, values, clock, script.flow.start, longest=in_time(most))
    if recorded and RECORDING_NOTICE in state.texts.lines:
        return notice(state, Millis(0))
    return enter(state, script.flow.start, Millis(0))


def in_time(most: Millis | None) -> Millis | None:
    """How long a conversation may go on in a call of `most` that is to end in good order."""
    return None if most is None else Millis(most - min(ORDERLY, most // 4))


def step(state: State, event: Event) -> Stepped:
    """What follows from `event`."""
    if state.phase is Phase.DONE:
        return state, ()
    match event:
        case CalleeLeft():
            state = replace(interrupted(state), phase=Phase.DONE)
            return state, (HangUp(state.report),)
        case KeyPressed():
            return _key(state, event)
        case Spoken():
            return _speech(state, event)
        case LinePlayed() if event.number == state.number:
            return played(state, event.at)
        case SilenceElapsed() if event.number == state.number:
            return _silence(state, event.at)
        case TransferFailed():
            return not_transferred(state, event.at)
        case CallbackUnmet() if event.asked == state.callback_at:
            return _unmet(state, event)
        case Resumed():
            return said_again(state, event.at)
    return state, ()


# --- keys ----------------------------------------------------------------------------------------


def _key(state: State, event: KeyPressed) -> Stepped:
    digit, at = event.digit, event.at
    joined = bool(state.entry) and state.confirming is None
    turns = transcript.pressed(state.turns, digit, at, joined=joined)
    late = digit == state.terminator and state.ended is not None and at - state.ended <= TYPING
    state = replace(state, turns=turns, unanswered=Millis(0), ended=None)
    if late:
        return state, ()
    meant = state.commanded or not _typing(state)
    if digit == COMMAND and not state.commanded and _commands(state):
        return replace(state, commanded=True), ()
    state = replace(state, commanded=False)
    # A scene's own choice of that key says more: it is the same, with a closing of its own.
    meant = meant and not (state.answerable and digit in state.now_in.choices)
    if meant and _asks(state.flow.do_not_call, digit):
        return _do_not_call(state, at)
    if meant and state.flow.escalation is not None and _asks(state.flow.escalation.asked, digit):
        return _escalate(state, TransferTrigger.KEY, at)
    if not state.answerable:
        return state, ()
    state, hush = hushed(state)
    return after(hush, _answered(state, digit, at))


def _commands(state: State) -> bool:
    """Whether the key before a key is one here."""
    there = state.flow.do_not_call is not None or state.flow.escalation is not None
    there = there and not _asks(state.flow.do_not_call, COMMAND)
    return there and (_typing(state) or COMMAND not in state.now_in.choices)


def _asks(everywhere: Everywhere | None, digit: str) -> bool:
    return everywhere is not None and digit in everywhere.keys


def _typing(state: State) -> bool:
    """Whether a digit is part of a number now."""
    return state.answerable and state.now_in.typed and state.confirming is None


def _answered(state: State, digit: str, at: Millis) -> Stepped:
    scene = state.now_in
    confirm = scene.question.confirm if scene.question is not None else None
    if state.confirming is not None and confirm is not None:
        if digit == confirm.yes:
            return _capture(state, state.confirming, at)
        return _deny(state, at) if digit == confirm.no else _mismatch(state, at)
    if _typing(state):
        return _typed(state, digit, at)
    return _choose(state, digit, at, TransferTrigger.KEY) if digit in scene.choices else _mismatch(state, at)


def _typed(state: State, digit: str, at: Millis) -> Stepped:
    question = _question(state)
    if not digit.isdigit():
        return _evaluate(state, at) if digit == question.terminator else _mismatch(state, at)
    state = replace(state, entry=state.entry + digit)
    return _ended(state, at) if complete(question, state.entry) else listen(state, TYPING)


def _ended(state: State, at: Millis) -> Stepped:
    """An entry that no key has ended: who was told to press one may do so yet."""
    return _evaluate(replace(state, ended=at, terminator=_question(state).terminator), at)


def _evaluate(state: State, at: Millis) -> Stepped:
    now = state.clock.at(Instant(state.clock.answered + at))
    value = understand(_question(state), state.entry, now, state.known)
    return _mismatch(state, at) if value is None else _understood(replace(state, entry=""), value, at)


def _choose(state: State, digit: str, at: Millis, trigger: TransferTrigger) -> Stepped:
    choice = state.now_in.choices[digit]
    if state.now_in.question is None:
        return enter(state, choice.goto, at, trigger)
    return _understood(state, Value(digit if choice.value is None else choice.value), at)


# --- words ---------------------------------------------------------------------------------------


def _speech(state: State, event: Spoken) -> Stepped:
    phrase, at, flow = event.phrase, event.at, state.flow
    if phrase is None or phrase not in state.phrases:
        if not (flow.speech_is_answer and state.answerable and state.phase is Phase.LISTENING):
            return state, ()
        return _mismatch(replace(state, turns=transcript.said_something(state.turns, at)), at)
    turns = transcript.said(state.turns, phrase, at)
    state = replace(state, turns=turns, unanswered=Millis(0), commanded=False)
    if flow.do_not_call is not None and phrase in flow.do_not_call.words:
        return _do_not_call(state, at)
    if flow.escalation is not None and phrase in flow.escalation.asked.words:
        return _escalate(state, TransferTrigger.KEYWORD, at)
    state, hush = hushed(state)
    return after(hush, _agreed(state, phrase, at))


def _agreed(state: State, phrase: str, at: Millis) -> Stepped:
    """An answer in words that is one of this scene's."""
    scene = state.now_in
    confirm = scene.question.confirm if scene.question is not None else None
    if state.confirming is not None and confirm is not None:
        return _capture(state, state.confirming, at) if phrase in confirm.yes_words else _deny(state, at)
    digit = next(digit for digit, choice in scene.choices.items() if phrase in choice.words)
    return _choose(state, digit, at, TransferTrigger.KEYWORD)


# --- what was captured ---------------------------------------------------------------------------


def _understood(state: State, value: Value, at: Millis) -> Stepped:
    question, line = _question(state), state.now_in.confirming
    if question.confirm is None or line is None:
        return _capture(state, value, at)
    told = spoken(state.script, state.language, question.capture, value.value)
    values = {**state.values, question.capture: told}
    return say(replace(state, confirming=value, values=values, silences=0), line, Phase.SPEAKING, at)


def _deny(state: State, at: Millis) -> Stepped:
    return _again(replace(state, confirming=None), state.now_in.say, at)


def _capture(state: State, value: Value, at: Millis) -> Stepped:
    question = _question(state)
    name = question.capture
    state = replace(
        state,
        confirming=None,
        captured={**state.captured, name: value.value},
        known={**state.known, name: value.value},
        values={**state.values, name: spoken(state.script, state.language, name, value.value)},
    )
    if question.callback:
        asked = replace(state, callback_at=value.instant, callback_scene=state.scene)
        state = labelled(asked, CALLBACK, positive=False)
    if question.unmet is not None:
        # No line must promise a call before it is known whether it can be.
        state = replace(state, phase=Phase.CHECKING, number=state.number + 1)
        told = (Report(state.report), Listen(state.number, CHECKED))
        if state.refusal is not None and state.refusal.asked == value.instant:
            # It is known already, and nobody will say it again.
            return after(told[:1], _unmet(state, replace(state.refusal, at=at)))
        return state, told
    options = state.now_in.choices.values()
    goto = next((option.goto for option in options if option.value == value.value), "") or branch(state)
    return after((Report(state.report),), enter(state, goto, at))


def _unmet(state: State, event: CallbackUnmet) -> Stepped:
    """Nobody can call then: another time is asked for, as often as an answer may be wrong.

    A script that has nothing to say of it goes on; so does who wants no call any more, or a person.
    """
    scene = state.flow.scenes.get(state.callback_scene)
    question = scene.question if scene is not None else None
    busy = state.escalating is not None or state.phase is Phase.TRANSFERRING
    if scene is None or question is None or question.unmet is None or busy or state.disposition != CALLBACK:
        return state, ()
    state, hush = hushed(state)
    following, latest = event.following or event.latest, event.latest or event.following
    state = replace(state, refused=state.refused + 1, refusal=event)
    often = state.refused > patient(scene.no_match).repeats
    if often or following is None or latest is None or scene.unmet is None:
        return after(hush, enter(state, question.unmet, event.at))
    state = replace(
        state,
        scene=state.callback_scene,
        silences=0,
        mismatches=0,
        entry="",
        confirming=None,
        commanded=False,
    )
    offered = {
        NEAREST_CALLBACK: moment(state.clock, following, state.language),
        LATEST_CALLBACK: moment(state.clock, latest, state.language),
    }
    return after(hush, say(state, scene.unmet, Phase.SPEAKING, event.at, offered))


# --- no answer -----------------------------------------------------------------------------------


def _mismatch(state: State, at: Millis) -> Stepped:
    """An answer that means nothing here."""
    scene = state.now_in
    line = scene.confirming if state.confirming is not None else scene.mismatch
    return _again(replace(state, entry=""), line, at)


def _again(state: State, line: str | None, at: Millis) -> Stepped:
    """Ask once more after an answer, unless that was in vain often enough."""
    patience = patient(state.now_in.no_match)
    state = replace(state, mismatches=state.mismatches + 1)
    if state.mismatches > patience.repeats or line is None or line not in state.texts.lines:
        return enter(state, patience.then, at)
    return say(state, line, Phase.SPEAKING, at)


def _silence(state: State, at: Millis) -> Stepped:
    if state.phase is Phase.TRANSFERRING:
        return not_transferred(state, at)
    if state.phase is Phase.CHECKING:
        return enter(state, branch(state), at)
    if state.phase is not Phase.LISTENING:
        return state, ()
    if state.entry:
        return _ended(state, at)
    scene, limits = state.now_in, state.flow.limits
    patience = patient(scene.no_input)
    state = replace(state, unanswered=Millis(state.unanswered + seconds(patience.seconds)))
    if limits is not None and not state.limited and state.unanswered >= seconds(limits.silence_seconds):
        return enter(replace(state, limited=True), limits.then, at, TransferTrigger.MAX_DURATION)
    line = scene.confirming if state.confirming is not None else scene.again
    if state.silences >= patience.repeats or line is None or line not in state.texts.lines:
        return enter(state, patience.then, at)
    return say(replace(state, silences=state.silences + 1), line, Phase.SPEAKING, at)


# --- at any time ---------------------------------------------------------------------------------


def _do_not_call(state: State, at: Millis) -> Stepped:
    wish = state.flow.do_not_call
    if wish is None or state.disposition == DNC:
        return state, ()
    if state.phase is Phase.TRANSFERRING:
        # The line is somebody else's for now; the closing is said if they do not take it.
        state = labelled(state, DNC, positive=False)
        return state, (Report(state.report),)
    state, hush = hushed(state)
    return after(hush, enter(replace(state, escalating=None), wish.goto, at))


def _escalate(state: State, trigger: TransferTrigger, at: Millis) -> Stepped:
    if state.disposition == DNC or state.escalating is not None:
        return state, ()
    state, hush = hushed(state)
    return after(hush, ask_for_person(state, trigger, at))


def _question(state: State) -> Question:
    question = state.now_in.question
    if question is None:
        raise InvariantError(f"the scene {state.scene} asks for no value")
    return question
