"""What the states of a script say in one language, and what is said when an answer does not come."""

from __future__ import annotations

from collections.abc import Mapping

from dialerd.agent.anytime import TRANSFERRING
from dialerd.agent.document import Node
from dialerd.agent.flow import Flow, Scene
from dialerd.agent.lines import (
    LATEST_CALLBACK,
    NEAREST_CALLBACK,
    RECORDING_NOTICE,
    VOICEMAIL,
    Line,
    Texts,
    names_in,
)
from dialerd.agent.vocabulary import MAX_LABEL, NONE, VOICES, Vocabulary

_LANGUAGE = (
    "voice",
    "defaults",
    "values",
    "say",
    "no_input",
    "no_match",
    TRANSFERRING,
    VOICEMAIL,
    RECORDING_NOTICE,
)
_SAID = ("text", "audio", "parts", "again", "confirm", "unmet", "no_input", "no_match")
_OFFERED = frozenset({NEAREST_CALLBACK, LATEST_CALLBACK})


class StateLines:
    """Reads one language of a script whose flow is `flow`. `silent`: the states that say nothing in any language."""

    def __init__(self, words: Vocabulary, flow: Flow, silent: frozenset[str]) -> None:
        self._words = words
        self._flow = flow
        self._silent = silent
        self.places: dict[str, Node] = {}
        """Where each line is written."""

    def read(self, node: Node) -> Texts | None:
        """The texts; what is missing is noted."""
        fields = node.fields(_LANGUAGE, required=("say",))
        voice = fields["voice"].choice(VOICES) if "voice" in fields else VOICES[0]
        defaults = self._words.read_defaults(fields["defaults"]) if "defaults" in fields else {}
        values = self._read_values(fields["values"]) if "values" in fields else {}
        common = {
            name: self._words.line(fields[name]) if name in fields else None
            for name in ("no_input", "no_match", TRANSFERRING, VOICEMAIL, RECORDING_NOTICE)
        }
        if self._flow.escalation is not None and TRANSFERRING not in fields:
            node.missing(TRANSFERRING, "is missing: what is said before a person takes over")
        lines: dict[str, Line] = {}
        if notice := common[RECORDING_NOTICE]:
            self._keep(RECORDING_NOTICE, fields[RECORDING_NOTICE], notice, lines)
        if "say" in fields:
            self._read_say(fields["say"], common, lines)
        for name in (TRANSFERRING, VOICEMAIL):
            if common[name]:
                self._keep(name, fields[name], common[name], lines)
        self._check_unasked(VOICEMAIL, "a machine was asked for nothing", lines)
        self._check_unasked(RECORDING_NOTICE, "nothing was asked before it is said", lines)
        return Texts(lines, voice or VOICES[0], defaults, values)

    def _check_unasked(self, name: str, why: str, lines: Mapping[str, Line]) -> None:
        for value in sorted(names_in(lines.get(name, ())) & set(self._words.captures)):
            self.places[name].fault(f"says {{{{{value}}}}}, and {why}")

    def _read_values(self, node: Node) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name, about in node.members():
            if name not in self._words.variables and name not in self._words.captures:
                about.fault("is neither a variable nor captured by a question")
            said = {value: text.text(MAX_LABEL) for value, text in about.members()}
            found[name] = {value: text for value, text in said.items() if text is not None}
        return found

    def _read_say(self, node: Node, common: Mapping[str, Line | None], lines: dict[str, Line]) -> None:
        given = dict(node.members())
        for name, about in given.items():
            if name not in self._flow.scenes:
                about.fault("is not one of the script's states")
        for name, scene in self._flow.scenes.items():
            if name in given:
                self._read_scene(name, scene, given[name], common, lines)
            elif name not in self._silent and isinstance(node.value, Mapping):
                node.missing(name, "the state has no text in this language")

    def _read_scene(
        self, name: str, scene: Scene, node: Node, common: Mapping[str, Line | None], lines: dict[str, Line]
    ) -> None:
        fields = self._fields(node)
        said = self._main(node, fields)
        again = self._words.line(fields["again"]) if "again" in fields else said
        self._keep(name, node, said, lines)
        self._read_asking(name, scene, node, fields, lines)
        for which, patience in (("no_input", scene.no_input), ("no_match", scene.no_match)):
            if which in fields:
                if patience is None:
                    fields[which].fault("is never said: the state takes no answer")
                self._keep(f"{name}.{which}", fields[which], self._words.line(fields[which]), lines)
            elif patience is not None and patience.repeats:
                intro = common[which]
                if intro is None:
                    node.missing(
                        which, "is missing, here and for the language: what is said before it asks again"
                    )
                self._keep(f"{name}.{which}", node, (*(intro or ()), *(again or ())), lines)

    def _read_asking(
        self, name: str, scene: Scene, node: Node, fields: Mapping[str, Node], lines: dict[str, Line]
    ) -> None:
        """The lines that only questions have."""
        for which, line, own, missing in (
            ("confirm", scene.confirming, NONE, "the line that asks whether what was understood is right"),
            ("unmet", scene.unmet, _OFFERED, "what is said where nobody can call back at the time asked for"),
        ):
            if which in fields:
                if line is None:
                    fields[which].fault(f"is never said: the state has no question with `{which}`")
                self._keep(f"{name}.{which}", fields[which], self._words.line(fields[which], own), lines)
            elif line is not None:
                node.missing(which, f"is missing: {missing}")

    def _fields(self, node: Node) -> Mapping[str, Node]:
        if not isinstance(node.value, Mapping):
            return {}
        fields = node.fields(_SAID)
        if "parts" in fields and "text" in fields:
            fields["parts"].fault("cannot stand beside `text`")
        if "parts" not in fields and "text" not in fields:
            node.missing("text", "is missing")
        if "audio" in fields and "text" not in fields:
            fields["audio"].fault("belongs to a `text`")
        return fields

    def _main(self, node: Node, fields: Mapping[str, Node]) -> Line | None:
        if not fields and not isinstance(node.value, Mapping):
            return self._words.line(node)
        if "parts" in fields:
            return self._words.line(fields["parts"])
        part = self._words.recorded(fields)
        return (part,) if part is not None else None

    def _keep(self, name: str, node: Node, line: Line | None, lines: dict[str, Line]) -> None:
        if line:
            lines[name] = line
            self.places[name] = node
