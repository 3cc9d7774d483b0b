"""The full form of a script: states with lines, keys, words and questions, and what is possible in all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dialerd.agent.anytime import ASKED, ESCALATION, TRANSFERRING, read_asked, read_escalation
from dialerd.agent.asking import captured, is_key, read_phrases, read_question
from dialerd.agent.condition import Condition, ConditionError, parse_condition
from dialerd.agent.document import Node
from dialerd.agent.flow import (
    ESCALATE,
    Branch,
    Choice,
    Escalation,
    Everywhere,
    Flow,
    Limits,
    Patience,
    Scene,
)
from dialerd.agent.lines import RECORDING_NOTICE, VOICEMAIL
from dialerd.agent.vocabulary import MAX_LABEL, Vocabulary

FIELDS = (
    "script_id",
    "name",
    "variables",
    "dispositions",
    "announces_recording",
    "start",
    "no_input",
    "no_match",
    "limits",
    "do_not_call",
    "escalation",
    "states",
    "languages",
)
REQUIRED = ("name", "do_not_call", "states", "languages")
RESERVED = (ESCALATE, TRANSFERRING, VOICEMAIL, RECORDING_NOTICE)
DNC = "dnc"
MAX_STATES = 200

_STATE = ("disposition", "positive", "keys", "question", "goto", "next", "end", "no_input", "no_match")
_COURSES = ("keys", "question", "goto", "next", "end")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class StatesForm:
    """Reads the course of the conversation; `flow` is whole where no fault was noted."""

    def __init__(self, root: Node, words: Vocabulary) -> None:
        self._root = root
        self._words = words
        self._scenes: dict[str, Scene] = {}
        self._places: dict[str, Node] = {}
        self._targets: list[tuple[Node, str]] = []
        self._silence = Patience(1, "")
        self._mismatch = Patience(2, "")
        self._speech = False

    def read(self, top: Mapping[str, Node]) -> Flow:
        """The scenes and what is true of all of them."""
        if "states" in top:
            self._learn_captures(top["states"])
        self._read_defaults(top)
        if "states" in top:
            self._read_states(top["states"])
        stop = self._read_everywhere(top["do_not_call"], "9") if "do_not_call" in top else None
        escalation = self._read_escalation(top["escalation"]) if "escalation" in top else None
        limits = self._read_limits(top["limits"]) if "limits" in top else None
        start = top["start"].text(MAX_LABEL) if "start" in top else next(iter(self._scenes), None)
        if "start" in top and start is not None:
            self._targets.append((top["start"], start))
            if start == ESCALATE:
                top["start"].fault("must be a state: nobody has been told anything yet")
        flow = Flow(start or "", self._scenes, stop, escalation, limits, self._speech)
        self._check_targets(flow)
        return flow

    def place(self, scene: str) -> Node:
        """Where a state is written."""
        return self._places.get(scene, self._root)

    # --- what is true of all states ------------------------------------------------------------------

    def _read_defaults(self, top: Mapping[str, Node]) -> None:
        if "no_input" in top:
            fields = top["no_input"].fields(("seconds", "repeats", "then"))
            self._silence = self._patience(fields, self._silence)
        self._mismatch = replace(self._mismatch, then=self._silence.then)
        if "no_match" in top:
            fields = top["no_match"].fields(("repeats", "then", "speech"))
            self._mismatch = self._patience(fields, self._mismatch)
            self._speech = bool(fields["speech"].flag()) if "speech" in fields else False

    def _patience(self, fields: Mapping[str, Node], default: Patience) -> Patience:
        repeats = fields["repeats"].whole(0, 5) if "repeats" in fields else None
        seconds = fields["seconds"].number(1, 60) if "seconds" in fields else None
        then = self._target(fields["then"]) if "then" in fields else None
        return Patience(
            default.repeats if repeats is None else repeats,
            then or default.then,
            default.seconds if seconds is None else seconds,
        )

    def _read_everywhere(self, node: Node, key: str) -> Everywhere:
        fields = node.fields((*ASKED, "goto"), required=("goto",))
        goto = self._target(fields["goto"]) if "goto" in fields else None
        scene = self._scenes.get(goto) if goto is not None else None
        if goto == ESCALATE or (scene is not None and not (scene.end and scene.disposition == DNC)):
            fields["goto"].fault(f"must lead to a state with `end: {DNC}`")
        asked = read_asked(fields, self._words, key, goto or "")
        if "keys" in fields and not asked.keys:
            fields["keys"].fault("must have a key: words are heard in English only, and not from everybody")
        return asked

    def _read_escalation(self, node: Node) -> Escalation:
        fields = node.fields((*ESCALATION, "fallback"), required=("fallback",))
        fallback = self._target(fields["fallback"]) if "fallback" in fields else None
        if fallback == ESCALATE:
            fields["fallback"].fault("must be a state: it is where one goes when nobody can take over")
        return read_escalation(fields, self._words, fallback or "")

    def _read_limits(self, node: Node) -> Limits:
        fields = node.fields(("seconds", "silence_seconds", "then"), required=("then",))
        then = self._target(fields["then"]) if "then" in fields else None
        seconds = fields["seconds"].number(10, 7_200) if "seconds" in fields else None
        silence = fields["silence_seconds"].number(1, 600) if "silence_seconds" in fields else None
        return Limits(then or "", seconds or 600.0, silence or 60.0)

    # --- the states ----------------------------------------------------------------------------------

    def _learn_captures(self, node: Node) -> None:
        if not isinstance(node.value, Mapping):
            return
        for _, about in node.members():
            question = about.value.get("question") if isinstance(about.value, Mapping) else None
            found = captured(Node(question, "", None, []))
            if found is not None and found[0] not in self._words.known:
                self._words.captures.setdefault(*found)

    def _read_states(self, node: Node) -> None:
        found = list(node.members())
        if not found and isinstance(node.value, Mapping):
            node.fault("must have at least one state")
        if len(found) > MAX_STATES:
            node.fault(f"has {len(found)} states; at most {MAX_STATES}")
            return
        for name, about in found:
            if not _NAME.fullmatch(name) or name in RESERVED:
                about.fault(
                    f"is no name for a state: lower-case letters, digits and '_'; not {', '.join(RESERVED)}"
                )
            self._places[name] = about
            self._scenes[name] = self._read_state(name, about)

    def _read_state(self, name: str, node: Node) -> Scene:
        fields = node.fields(_STATE)
        given = [course for course in _COURSES if course in fields]
        if not given and isinstance(node.value, Mapping):
            node.fault("leads nowhere: give it `keys`, a `question`, `goto`, `next` or `end`")
        for course in given[1:]:
            if (given[0], course) not in (("question", "goto"), ("question", "next")):
                fields[course].fault(f"cannot stand beside `{given[0]}`")
        disposition, positive, end = self._ending(fields)
        question = read_question(fields["question"], self._words) if "question" in fields else None
        choices = self._read_choices(fields["keys"]) if "keys" in fields else {}
        if question is not None:
            choices = question[1]
            self._targets.extend((fields["question"], each.goto) for each in choices.values() if each.goto)
            if question[0].unmet is not None:
                self._targets.append((fields["question"], question[0].unmet))
        branches = self._read_branches(name, fields)
        if (
            question is not None
            and not branches
            and not all(each.goto for each in choices.values() or [Choice("")])
        ):
            node.fault("has a question and no `goto` for when it was answered")
        listens = "keys" in fields or "question" in fields
        return Scene(
            say=name,
            again=f"{name}.no_input" if listens else None,
            mismatch=f"{name}.no_match" if listens else None,
            confirming=f"{name}.confirm" if question is not None and question[0].confirm else None,
            unmet=f"{name}.unmet" if question is not None and question[0].unmet else None,
            choices=choices,
            question=question[0] if question is not None else None,
            branches=branches,
            end=end,
            disposition=disposition,
            positive=positive,
            no_input=self._waits(node, fields, "no_input", self._silence) if listens else None,
            no_match=self._waits(node, fields, "no_match", self._mismatch) if listens else None,
        )

    def _ending(self, fields: Mapping[str, Node]) -> tuple[str | None, bool, bool]:
        end = "end" in fields
        labelled = fields.get("disposition")
        if end and not isinstance(fields["end"].value, bool):
            if labelled is not None:
                labelled.fault("contradicts `end`, which gives the label")
            labelled = fields["end"]
        elif end and fields["end"].value is False:
            fields["end"].fault("is `end: true` or `end: LABEL`, or it is left out")
        given = self._words.label(labelled, fields.get("positive"))
        return (given[0], given[1], end) if given is not None else (None, False, end)

    def _waits(self, node: Node, fields: Mapping[str, Node], name: str, default: Patience) -> Patience:
        own = default
        if name in fields:
            known = ("seconds", "repeats", "then") if name == "no_input" else ("repeats", "then")
            own = self._patience(fields[name].fields(known), default)
        if not own.then and name == "no_input":
            node.fault(
                "does not say where nobody's answer leads: `no_input: {then: STATE}`, here or for all states"
            )
        return own

    def _read_choices(self, node: Node) -> dict[str, Choice]:
        found: dict[str, Choice] = {}
        members = list(node.members())
        if not members and isinstance(node.value, Mapping):
            node.fault("must have at least one key")
        for digit, about in members:
            if is_key(digit, about):
                found[digit] = self._read_choice(about)
        return found

    def _read_choice(self, node: Node) -> Choice:
        if not isinstance(node.value, Mapping):
            return Choice(self._target(node) or "")
        fields = node.fields(("goto", "words", "label"), required=("goto",))
        goto = self._target(fields["goto"]) if "goto" in fields else None
        heard = read_phrases(fields["words"], self._words) if "words" in fields else ()
        return Choice(goto or "", heard, fields["label"].text(MAX_LABEL) if "label" in fields else None)

    def _read_branches(self, name: str, fields: Mapping[str, Node]) -> tuple[Branch, ...]:
        if "goto" in fields:
            goto = self._target(fields["goto"])
            return (Branch(goto),) if goto is not None else ()
        if "next" not in fields:
            return ()
        found: list[Branch] = []
        items = list(fields["next"].items())
        for item in items:
            each = item.fields(("when", "goto"), required=("goto",))
            goto = self._target(each["goto"]) if "goto" in each else None
            when = self._condition(each["when"]) if "when" in each else None
            if "when" not in each and item is not items[-1]:
                item.fault("has no `when`, so that what follows it is never reached")
            if goto is not None:
                found.append(Branch(goto, when))
        if found and found[-1].when is not None:
            fields["next"].fault("must end with a `goto` without `when`: what happens if nothing else holds")
        return tuple(found)

    def _condition(self, node: Node) -> Condition | None:
        text = node.text(MAX_LABEL)
        if text is None:
            return None
        try:
            condition = parse_condition(text)
        except ConditionError as error:
            node.fault(str(error))
            return None
        for unknown in sorted(condition.names - self._words.known - set(self._words.captures)):
            node.fault(f"compares {unknown}, which is neither a variable nor captured by a question")
        return condition

    # --- where they lead -----------------------------------------------------------------------------

    def _target(self, node: Node) -> str | None:
        name = node.text(MAX_LABEL)
        if name is not None:
            self._targets.append((node, name))
        return name

    def _check_targets(self, flow: Flow) -> None:
        for node, name in self._targets:
            if name == ESCALATE and flow.escalation is None:
                node.fault("leads to a person, and the script has no `escalation` that says to whom")
            elif name != ESCALATE and name not in self._scenes:
                node.fault(f"leads to {name!r}, and there is no such state")


def silenced(flow: Flow, told: frozenset[str]) -> Flow:
    """The flow, with those of its branching states silent that are not `told` in any language."""
    scenes = {
        name: replace(scene, say=None)
        if name not in told and scene.branches and not scene.listens and not scene.end
        else scene
        for name, scene in flow.scenes.items()
    }
    return replace(flow, scenes=scenes)


def plain_body(root: Node, tags: Mapping[str, str]) -> dict[str, Any]:
    """What is stored of such a script: the document as it was written; `tags` tells each language's own spelling."""
    body: dict[str, Any] = root.plain()
    body["languages"] = {tags.get(tag, tag): texts for tag, texts in body["languages"].items()}
    return body
