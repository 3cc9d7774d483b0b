"""The conversation as a pure machine: what happened in, what to do next out.

    opening ──played──► listening ──silence──► repeat ──played──► listening ─ … ─► closing ──played──► done
       │ key                │ key                 │ key                                ▲
       └────────────────────┴─────────────────────┴── known: report, its closing ──────┤
                                                   └─ unknown: its line, listening ─ … ┘

It speaks texts, not audio, and reads no clock: `at` is milliseconds since the callee answered. Whatever events
come, in whatever order, it ends: silences and unknown keys are counted, and what is late is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dialerd.agent.script import ScriptDocument, Texts, Variable
from dialerd.agent.text import format_value, parse_template, sentences
from dialerd.core.clock import Millis, seconds
from dialerd.core.errors import Fault, invalid
from dialerd.core.model import AgentReport

UNKNOWN_KEYS = 3
"""Unknown keys after which the conversation closes."""
MAX_TURNS = 200
"""Turns that a transcript keeps; a callee who leans on the keys must not grow it without end."""


# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The callee pressed a key."""

    digit: str
    at: Millis


@dataclass(frozen=True, slots=True)
class LinePlayed:
    """The line that `Say` numbered `number` was heard to its end."""

    number: int
    at: Millis


@dataclass(frozen=True, slots=True)
class SilenceElapsed:
    """The wait that `Listen` numbered `number` is over."""

    number: int
    at: Millis


@dataclass(frozen=True, slots=True)
class CalleeLeft:
    """The callee hung up."""

    at: Millis


Event = KeyPressed | LinePlayed | SilenceElapsed | CalleeLeft

# --- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a line. `personal`: it holds a contact's values, and is kept nowhere."""

    text: str
    personal: bool


@dataclass(frozen=True, slots=True)
class Say:
    """Speak the sentences; tell with `LinePlayed` when the last was heard."""

    number: int
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop speaking at once: the line's end will not be told."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait; tell with `SilenceElapsed` when `duration` has passed. A newer `Say` or `Listen` replaces it."""

    number: int
    duration: Millis


@dataclass(frozen=True, slots=True)
class Report:
    """The callee has decided: keep this whatever happens next."""

    report: AgentReport


@dataclass(frozen=True, slots=True)
class HangUp:
    """The conversation is over; the last word."""

    report: AgentReport


Action = Say | Hush | Listen | Report | HangUp

# --- state ---------------------------------------------------------------------------------------


class Phase(StrEnum):
    """Where the conversation stands."""

    SPEAKING = "speaking"
    """A line is spoken that a key may interrupt."""
    LISTENING = "listening"
    CLOSING = "closing"
    """The last line is spoken."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class State:
    """A conversation between two events."""

    script: ScriptDocument
    language: str
    values: Mapping[str, str]
    phase: Phase = Phase.SPEAKING
    number: int = 0
    """Number of the latest `Say` or `Listen`; what answers an older one is late."""
    silences: int = 0
    unknown_keys: int = 0
    disposition: str | None = None
    positive: bool = False
    turns: tuple[Mapping[str, Any], ...] = ()

    @property
    def texts(self) -> Texts:
        """The texts of this conversation's language."""
        return self.script.texts[self.language]

    @property
    def report(self) -> AgentReport:
        """What is to be said of the conversation so far."""
        return AgentReport(self.disposition, self.positive, {}, self.turns)


Stepped = tuple[State, tuple[Action, ...]]


def start(script: ScriptDocument, language: str, variables: Mapping[str, Any]) -> Stepped:
    """Begin: the opening is spoken. Raises `RequestError` for a language or a value that is missing."""
    check_language(script, language)
    state = State(script, language, resolve(script, language, variables))
    return _say(state, state.texts.opening, Phase.SPEAKING, Millis(0))


def step(state: State, event: Event) -> Stepped:
    """What follows from `event`."""
    if state.phase is Phase.DONE:
        return state, ()
    match event:
        case CalleeLeft():
            state = replace(_interrupted(state, event.at), phase=Phase.DONE)
            return state, (HangUp(state.report),)
        case KeyPressed():
            return _key(state, event)
        case LinePlayed() if event.number == state.number:
            return _played(state)
        case SilenceElapsed() if event.number == state.number and state.phase is Phase.LISTENING:
            return _silence(state, event.at)
    return state, ()


def check_language(script: ScriptDocument, language: str) -> None:
    """Raises `RequestError` (422) if the script has no texts for `language`."""
    if language not in script.texts:
        known = ", ".join(script.languages)
        raise invalid([Fault("language", f"the script has no texts for {language}; it has: {known}")])


def static_sentences(script: ScriptDocument, language: str) -> list[str]:
    """The sentences every call in `language` may need, spoken the same to all; the opening's first."""
    found: dict[str, None] = {}
    for text in script.texts[language].lines:
        for sentence in sentences(text):
            template = parse_template(sentence)
            if not template.names:
                found[template.fill({})] = None
    return list(found)


def resolve(script: ScriptDocument, language: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """Every variable as it is spoken: the contact's value, the language's default, the script's.

    Raises `RequestError` naming each variable that has neither.
    """
    defaults = script.texts[language].defaults
    values: dict[str, str] = {}
    faults = []
    for name, variable in {**script.declared, "phone": Variable("digits", "")}.items():
        value = variables.get(name)
        if value is None or value == "":
            value = defaults.get(name, variable.default)
        if value is None:
            faults.append(Fault(f"variables.{name}", "the contact brings no value, and there is no default"))
        else:
            values[name] = format_value(value, variable.kind, language, variable.currency)
    if faults:
        raise invalid(faults)
    return values


# --- transitions ---------------------------------------------------------------------------------


def _key(state: State, event: KeyPressed) -> Stepped:
    heard = _turn(state, {"speaker": "callee", "time": _time(event.at), "digits": event.digit})
    if state.phase is Phase.CLOSING:
        # The decision is made; a second key changes nothing.
        return heard, ()
    hush: tuple[Action, ...] = (Hush(),) if state.phase is Phase.SPEAKING else ()
    if hush:
        heard = replace(heard, turns=_cut_short(state.turns) + heard.turns[len(state.turns) :])
    key = state.script.keys.get(event.digit)
    if key is None:
        return _unknown_key(heard, hush, event.at)
    decided = replace(heard, disposition=key.disposition, positive=key.positive)
    said, closing = _say(decided, state.texts.closings[event.digit], Phase.CLOSING, event.at)
    return said, (*hush, Report(decided.report), *closing)


def _unknown_key(state: State, hush: tuple[Action, ...], at: Millis) -> Stepped:
    state = replace(state, unknown_keys=state.unknown_keys + 1)
    if state.unknown_keys >= UNKNOWN_KEYS:
        said, actions = _say(state, state.texts.no_input_closing, Phase.CLOSING, at)
    else:
        said, actions = _say(state, state.texts.invalid_key, Phase.SPEAKING, at)
    return said, (*hush, *actions)


def _played(state: State) -> Stepped:
    if state.phase is Phase.CLOSING:
        state = replace(state, phase=Phase.DONE)
        return state, (HangUp(state.report),)
    if state.phase is not Phase.SPEAKING:
        return state, ()
    state = replace(state, phase=Phase.LISTENING, number=state.number + 1)
    return state, (Listen(state.number, seconds(state.script.silence_seconds)),)


def _silence(state: State, at: Millis) -> Stepped:
    repeat = state.texts.no_input_repeat
    if state.silences >= state.script.repeats or repeat is None:
        return _say(state, state.texts.no_input_closing, Phase.CLOSING, at)
    return _say(replace(state, silences=state.silences + 1), repeat, Phase.SPEAKING, at)


def _say(state: State, text: str, phase: Phase, at: Millis) -> Stepped:
    line = _line(text, state.values)
    written = " ".join(sentence.text for sentence in line)
    state = replace(state, phase=phase, number=state.number + 1)
    state = _turn(state, {"speaker": "agent", "time": _time(at), "text": written})
    return state, (Say(state.number, line),)


def _line(text: str, values: Mapping[str, str]) -> tuple[Sentence, ...]:
    spoken = []
    for sentence in sentences(text):
        template = parse_template(sentence)
        filled = template.fill(values)
        if filled:
            spoken.append(Sentence(filled, bool(template.names)))
    return tuple(spoken)


def _turn(state: State, turn: Mapping[str, Any]) -> State:
    return replace(state, turns=(*state.turns, turn)[:MAX_TURNS])


def _interrupted(state: State, at: Millis) -> State:
    speaking = state.phase in (Phase.SPEAKING, Phase.CLOSING)
    return replace(state, turns=_cut_short(state.turns)) if speaking else state


def _cut_short(turns: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    """The last line of the agent was not heard to its end."""
    last = max((index for index, turn in enumerate(turns) if turn["speaker"] == "agent"), default=None)
    if last is None:
        return turns
    return (*turns[:last], {**turns[last], "interrupted": True}, *turns[last + 1 :])


def _time(at: Millis) -> float:
    return round(at / 1_000, 3)
