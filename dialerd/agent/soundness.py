"""Whether a conversation can be held as it is written: every state is reached, and from each the end is.

Pure: a flow in, what is wrong with which of its scenes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dialerd.agent.flow import COMMAND, ESCALATE, Flow, Scene
from dialerd.agent.lines import Texts, names_in

Wrong = tuple[str, str]
"""A scene, and what is wrong with it."""


def check(flow: Flow) -> list[Wrong]:
    """What is wrong with the course; every name in it is known."""
    reached = _reached(flow)
    ending = _ending(flow)
    wrong = [(name, "is never reached: nothing leads here") for name in flow.scenes if name not in reached]
    wrong += [
        (name, "is a dead end: no state with `end` can be reached from here")
        for name in flow.scenes
        if name in reached and name not in ending
    ]
    wrong += [(name, _circle(flow, name)) for name in _circles(flow)]
    for name, scene in flow.scenes.items():
        wrong += [(name, what) for what in (*_key_conflicts(flow, scene), *_word_conflicts(flow, name))]
    return wrong


def uncaptured(flow: Flow, texts: Texts, captures: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Lines that speak a value which may not have been captured when they are said, as (line, value)."""
    there = _captured_before(flow, captures)
    for name, scene in flow.scenes.items():
        if name not in there:
            continue
        own = {scene.question.capture} if scene.question is not None else set()
        for line in (scene.say, scene.again, scene.mismatch, scene.confirming, scene.unmet):
            if line is None or line not in texts.lines:
                continue
            known = there[name] | (own if line in (scene.confirming, scene.unmet) else set())
            for value in sorted((names_in(texts.lines[line]) & captures) - known):
                yield line, value


def _anytime(flow: Flow) -> list[str]:
    """Where one may get from every scene."""
    places = [flow.do_not_call.goto] if flow.do_not_call is not None else []
    places += [flow.escalation.fallback] if flow.escalation is not None else []
    places += [flow.limits.then] if flow.limits is not None else []
    return [place for place in places if place != ESCALATE]


def _exits(flow: Flow, scene: Scene) -> set[str]:
    fallback = flow.escalation.fallback if flow.escalation is not None else ESCALATE
    return {fallback if place == ESCALATE else place for place in scene.exits()}


def _reached(flow: Flow) -> set[str]:
    reached: set[str] = set()
    waiting = [flow.start, *_anytime(flow)]
    while waiting:
        name = waiting.pop()
        if name not in reached and name in flow.scenes:
            reached.add(name)
            waiting.extend(_exits(flow, flow.scenes[name]))
    return reached


def _ending(flow: Flow) -> set[str]:
    """The scenes from which the end can be reached."""
    found = {name for name, scene in flow.scenes.items() if scene.end}
    while True:
        more = {
            name for name, scene in flow.scenes.items() if name not in found and _exits(flow, scene) & found
        }
        if not more:
            return found
        found |= more


def _circle(flow: Flow, name: str) -> str:
    if flow.scenes[name].say is None:
        return "goes in a circle without a word being said"
    return "goes in a circle without an answer being taken: nothing that is said leads out of it"


def _circles(flow: Flow) -> list[str]:
    """Scenes that come back to themselves while the callee can do nothing: what was captured stays as it is."""

    def following(name: str) -> set[str]:
        exits = _exits(flow, flow.scenes[name])
        return {place for place in exits if place in flow.scenes and not flow.scenes[place].listens}

    circles = []
    for name, scene in flow.scenes.items():
        if scene.listens:
            continue
        seen: set[str] = set()
        waiting = list(following(name))
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting.extend(following(place))
        if name in seen:
            circles.append(name)
    return circles


def _key_conflicts(flow: Flow, scene: Scene) -> Iterator[str]:
    taken = dict.fromkeys(flow.do_not_call.keys, "do_not_call") if flow.do_not_call is not None else {}
    if flow.escalation is not None:
        for key in flow.escalation.asked.keys:
            if key in taken and scene is flow.scenes.get(flow.start):
                yield f"shares the key {key} of do_not_call and of escalation"
            taken.setdefault(key, "escalation")
    confirm = scene.question.confirm if scene.question is not None else None
    own = dict.fromkeys(scene.choices, "keys") | (
        dict.fromkeys((confirm.yes, confirm.no), "confirm") if confirm is not None else {}
    )
    for key, what in own.items():
        if key in taken:
            yield f"takes the key {key} ({what}), which is that of {taken[key]} in every state"
    if scene.typed and scene.question is not None and scene.question.terminator == COMMAND:
        yield f"ends its digits with {COMMAND}, which begins what is meant as a key there ({COMMAND}9)"


def _word_conflicts(flow: Flow, name: str) -> Iterator[str]:
    for confirming in (False, True):
        heard = (*flow.heard_everywhere(), *flow.phrases(name, confirming=confirming))
        for phrase in sorted({phrase for phrase in heard if heard.count(phrase) > 1}):
            yield f"has two meanings for {phrase!r}, with what can be said in every state"


def _captured_before(flow: Flow, captures: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """What is certain to have been captured when a scene begins, of those that are reached."""
    there = dict.fromkeys(_reached(flow), captures)
    for name in (flow.start, *_anytime(flow)):
        there[name] = frozenset()
    changed = True
    while changed:
        changed = False
        for name in there:
            for place, known in _carried(flow, flow.scenes[name], there[name]):
                merged = there[place] & known
                if merged != there[place]:
                    there[place] = merged
                    changed = True
    return there


def _carried(flow: Flow, scene: Scene, known: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Where it leads, and what is captured on that way."""
    gained = known | {scene.question.capture} if scene.question is not None else known
    answered = [choice.goto for choice in scene.choices.values() if choice.goto]
    answered += [branch.goto for branch in scene.branches]
    if scene.question is not None and scene.question.unmet is not None:
        answered.append(scene.question.unmet)
    given_up = [patience.then for patience in (scene.no_input, scene.no_match) if patience is not None]
    for places, carried in ((answered, gained), (given_up, known)):
        yield from ((place, carried) for place in places if place != ESCALATE)
