"""How a conversation moves: into a scene, through its line, to a person, to its end.

What an answer means is decided in `dialerd.agent.dialogue`; here, what happens once that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dialerd.agent import transcript
from dialerd.agent.exchange import Action, Escalate, HangUp, Hush, Listen, Report, Say
from dialerd.agent.flow import ESCALATE, Escalation, Limits, Patience
from dialerd.agent.lines import RECORDING_NOTICE
from dialerd.agent.standing import Phase, State
from dialerd.agent.text import parse_template
from dialerd.agent.wording import in_sentences
from dialerd.core.clock import Millis, seconds
from dialerd.core.errors import InvariantError
from dialerd.core.transfer import LONGEST_SUMMARY, TransferTrigger

MAX_LINES = 100
"""Lines after which a conversation that goes in circles is ended."""
MAX_TRANSFERS = 2
"""Attempts to have a person take over; a further wish leads to the fallback at once."""
TRANSFER_LIMIT = seconds(300)
"""After which a transfer counts as failed though nobody has said so."""
DNC = "dnc"

Stepped = tuple[State, tuple[Action, ...]]


def notice(state: State, at: Millis) -> Stepped:
    """Tell of the recording, before all else."""
    return say(replace(state, noticing=True), RECORDING_NOTICE, Phase.SPEAKING, at)


def enter(
    state: State, goto: str, at: Millis, trigger: TransferTrigger = TransferTrigger.CONDITION
) -> Stepped:
    """Go on in another scene; those that say nothing lead on at once. `trigger`: why, if it leads to a person."""
    told: tuple[Action, ...] = ()
    for _ in range(len(state.flow.scenes) + 1):
        if goto == ESCALATE:
            return after(told, ask_for_person(state, trigger, at))
        fresh = replace(state, silences=0, mismatches=0, entry="", confirming=None, commanded=False)
        state = replace(fresh, scene=goto, noticing=False)
        scene = state.now_in
        if scene.disposition is not None and state.disposition != DNC:
            state = labelled(state, scene.disposition, positive=scene.positive)
            told = (Report(state.report),)
        if scene.say is not None:
            return after(told, say(state, scene.say, Phase.CLOSING if scene.end else Phase.SPEAKING, at))
        goto = branch(state)
    return after(told, over(state))


def branch(state: State) -> str:
    """Where the scene leads, by what is known."""
    return next(
        branch.goto
        for branch in state.now_in.branches
        if branch.when is None or branch.when.holds(state.known)
    )


def say(
    state: State, line: str, phase: Phase, at: Millis, offered: Mapping[str, str] | None = None
) -> Stepped:
    """Say a line of the script; in `phase` while it is heard. `offered`: values that are this line's alone."""
    if state.lines >= MAX_LINES:
        return over(state)
    said = in_sentences(state.texts.lines[line], {**state.values, **(offered or {})})
    state = replace(
        state,
        phase=phase,
        number=state.number + 1,
        lines=state.lines + 1,
        turns=transcript.spoke(state.turns, " ".join(sentence.text for sentence in said), at),
    )
    return state, (Say(state.number, said),)


def listen(state: State, duration: Millis) -> Stepped:
    """Wait for an answer."""
    state = replace(state, phase=Phase.LISTENING, number=state.number + 1)
    return state, (Listen(state.number, duration),)


def played(state: State, at: Millis) -> Stepped:
    """The line was heard to its end."""
    if state.phase is Phase.CLOSING:
        return over(state)
    if state.phase is not Phase.SPEAKING:
        return state, ()
    if state.escalating is not None:
        return _transfer(state)
    if state.noticing:
        return enter(state, state.scene, at)
    limits = state.flow.limits
    if limits is not None and not state.limited and at >= _longest(state, limits):
        return enter(replace(state, limited=True), limits.then, at, TransferTrigger.MAX_DURATION)
    if not state.now_in.listens:
        return enter(state, branch(state), at)
    return listen(state, seconds(patient(state.now_in.no_input).seconds))


def _longest(state: State, limits: Limits) -> Millis:
    longest = seconds(limits.seconds)
    return longest if state.longest is None else min(longest, state.longest)


def said_again(state: State, at: Millis) -> Stepped:
    """The line was not heard by whoever is there now."""
    state = interrupted(state)
    if state.phase is Phase.TRANSFERRING:
        return state, ()
    if state.escalating is not None:
        return say(state, _escalation(state).line, Phase.SPEAKING, at)
    if state.noticing:
        return notice(state, at)
    scene = state.now_in
    line = scene.say if state.confirming is None else scene.confirming
    if line is None:
        raise InvariantError(f"a conversation waits in {state.scene}, where nothing is said")
    return say(replace(state, entry=""), line, Phase.CLOSING if scene.end else Phase.SPEAKING, at)


def over(state: State) -> Stepped:
    """The conversation has ended."""
    state = replace(state, phase=Phase.DONE)
    return state, (HangUp(state.report),)


# --- to a person ---------------------------------------------------------------------------------


def ask_for_person(state: State, trigger: TransferTrigger, at: Millis) -> Stepped:
    """Say that a person will take over; once too often, or for who is not to be called, the fallback instead."""
    wish = _escalation(state)
    if state.transfers >= MAX_TRANSFERS or state.disposition == DNC:
        return enter(replace(state, escalating=None), wish.fallback, at)
    state = replace(state, escalating=trigger, transfers=state.transfers + 1, confirming=None, entry="")
    return say(state, wish.line, Phase.SPEAKING, at)


def _transfer(state: State) -> Stepped:
    wish = _escalation(state)
    timeout = None if wish.timeout_seconds is None else seconds(wish.timeout_seconds)
    trigger = state.escalating or TransferTrigger.REQUEST
    asked = Escalate(wish.target, wish.warm, trigger, _summary(state)[:LONGEST_SUMMARY], timeout)
    state = replace(state, phase=Phase.TRANSFERRING, number=state.number + 1)
    return state, (asked, Listen(state.number, TRANSFER_LIMIT))


def _summary(state: State) -> str:
    """What the person is told who takes over."""
    wish = _escalation(state)
    if wish.summary is not None:
        template = parse_template(wish.summary)
        return template.fill(dict.fromkeys(template.names, "") | dict(state.values))
    told = (f"{name}: {state.values.get(name, value)}" for name, value in state.captured.items())
    return "; ".join((state.script.name, *told))


def not_transferred(state: State, at: Millis) -> Stepped:
    """Nobody took over: the fallback, or the closing for who meanwhile asked for no more calls.

    Somebody else than this conversation may have asked for the transfer; a script that knows of none says its line
    again, and any script what tells of the recording.
    """
    others = state.escalating is None
    flow, state = state.flow, replace(state, escalating=None)
    if state.disposition == DNC and flow.do_not_call is not None:
        return enter(state, flow.do_not_call.goto, at)
    if state.noticing and others:
        return notice(state, at)
    if flow.escalation is None or state.now_in.end:
        return enter(state, state.scene, at)
    return enter(state, flow.escalation.fallback, at)


def _escalation(state: State) -> Escalation:
    if state.flow.escalation is None:
        raise InvariantError("a script without escalation leads to a person")
    return state.flow.escalation


# --- pieces of a step ----------------------------------------------------------------------------


def patient(patience: Patience | None) -> Patience:
    """How long and how often an answer is awaited, in a scene that takes one."""
    if patience is None:
        raise InvariantError("a scene that takes no answer was given one")
    return patience


def labelled(state: State, disposition: str, *, positive: bool) -> State:
    """With a label."""
    return replace(state, disposition=disposition, positive=positive)


def hushed(state: State) -> Stepped:
    """Silent, if it was speaking."""
    if state.phase not in (Phase.SPEAKING, Phase.CLOSING):
        return state, ()
    return replace(interrupted(state), phase=Phase.LISTENING), (Hush(),)


def interrupted(state: State) -> State:
    """What is being said was not heard to its end."""
    speaking = state.phase in (Phase.SPEAKING, Phase.CLOSING)
    return replace(state, turns=transcript.cut_short(state.turns)) if speaking else state


def after(before: tuple[Action, ...], stepped: Stepped) -> Stepped:
    """A step whose actions come after others."""
    state, actions = stepped
    return state, (*before, *actions)
