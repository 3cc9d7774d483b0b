"""The simple form of a script: an opening, keys with a label each, and a closing line for each of them.

The keys labelled `dnc` mean the same while anything is said, and so does asking for a person where that is possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dialerd.agent.anytime import ESCALATION, TRANSFERRING, read_escalation
from dialerd.agent.asking import is_key, read_phrases
from dialerd.agent.document import Node
from dialerd.agent.flow import Choice, Escalation, Everywhere, Flow, Patience, Scene
from dialerd.agent.lines import RECORDING_NOTICE, VOICEMAIL, Line, Texts, written
from dialerd.agent.vocabulary import MAX_LABEL, VOICES, Vocabulary, language_tag, without_none

FIELDS = (
    *("script_id", "name", "variables", "dispositions", "announces_recording", "keys", "no_input"),
    *("escalation", "languages"),
)
REQUIRED = ("name", "keys", "languages")
UNKNOWN_KEYS = 3
"""Unknown keys after which the conversation closes."""

DNC = "dnc"

_OPENING, _UNANSWERED, _UNAVAILABLE = "opening", "no_input_closing", "unavailable"
_TO_A_PERSON = (TRANSFERRING, _UNAVAILABLE)
"""Lines around a transfer: before it, and where nobody took over, when it is asked again."""
_OTHERS = (*_TO_A_PERSON, VOICEMAIL, RECORDING_NOTICE)
_LANGUAGE = ("voice", "opening", "closings", "no_input", "invalid_key", "defaults", *_OTHERS)

_WHY_NEEDED = {
    TRANSFERRING: "is missing: what is said before a person takes over",
    _UNAVAILABLE: "is missing: what is said when nobody takes over; its keys are those of the opening",
}


@dataclass(frozen=True, slots=True)
class _Key:
    disposition: str
    positive: bool
    label: str | None = None
    words: tuple[str, ...] = ()


class KeysForm:
    """Reads what is this form's own, after variables and labels."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self._keys: dict[str, _Key] = {}
        self._known_keys: list[str] = []
        self._seconds = 5.0
        self._repeats = 1
        self._heard: set[str] = set()
        self._escalation: Escalation | None = None
        self._escalation_body: Any = None
        self._texts: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, Texts] = {}

    def read(self, top: Mapping[str, Node]) -> None:
        """The parts of the document."""
        for part, read in (
            ("keys", self._read_keys),
            ("no_input", self._read_no_input),
            ("escalation", self._read_escalation),
            ("languages", self._read_languages),
        ):
            if part in top:
                read(top[part])

    def flow(self) -> Flow:
        """Its scenes: the opening, a closing for each key, and one for nobody's answer."""
        opening = Scene(
            say=_OPENING,
            again="no_input_repeat",
            mismatch="invalid_key",
            choices={digit: self._choice(digit, key) for digit, key in self._keys.items()},
            no_input=Patience(self._repeats, _UNANSWERED, self._seconds),
            no_match=Patience(UNKNOWN_KEYS - 1, _UNANSWERED),
        )
        closings = {
            _closing(digit): Scene(
                say=_closing(digit), end=True, disposition=key.disposition, positive=key.positive
            )
            for digit, key in self._keys.items()
        }
        scenes = {_OPENING: opening, **closings, _UNANSWERED: Scene(say=_UNANSWERED, end=True)}
        if self._escalation is not None:
            scenes[_UNAVAILABLE] = replace(opening, say=_UNAVAILABLE)
        return Flow(_OPENING, scenes, self._do_not_call(), self._escalation)

    def _choice(self, digit: str, key: _Key) -> Choice:
        # What is understood everywhere is no word of one scene.
        return Choice(_closing(digit), () if key.disposition == DNC else key.words, key.label)

    def _do_not_call(self) -> Everywhere | None:
        """By which keys and words the callee asks for no more calls, at any time."""
        asking = {digit: key for digit, key in self._keys.items() if key.disposition == DNC}
        if not asking:
            return None
        words = tuple(word for key in asking.values() for word in key.words)
        return Everywhere(_closing(next(iter(asking))), tuple(asking), words)

    def body(self) -> dict[str, Any]:
        """What is stored of its own parts."""
        return {
            "keys": {
                digit: without_none(
                    disposition=key.disposition,
                    positive=key.positive,
                    label=key.label,
                    words=list(key.words) or None,
                )
                for digit, key in self._keys.items()
            },
            "no_input": {"seconds": self._seconds, "repeats": self._repeats},
            **({} if self._escalation is None else {"escalation": self._escalation_body}),
            "languages": self._texts,
        }

    # --- the parts -----------------------------------------------------------------------------------

    def _read_keys(self, node: Node) -> None:
        found = list(node.members())
        if not found and isinstance(node.value, Mapping):
            node.fault("must have at least one key")
        for digit, about in found:
            self._known_keys.append(digit)
            key = self._read_key(about) if is_key(digit, about) else None
            if key is not None:
                self._keys[digit] = key

    def _read_key(self, node: Node) -> _Key | None:
        fields = node.fields(("disposition", "positive", "label", "words"), required=("disposition",))
        label = fields["label"].text(MAX_LABEL) if "label" in fields else None
        heard = self._read_words(fields["words"]) if "words" in fields else ()
        given = self._words.label(fields.get("disposition"), fields.get("positive"))
        return _Key(*given, label, heard) if given is not None else None

    def _read_words(self, node: Node) -> tuple[str, ...]:
        heard = read_phrases(node, self._words)
        self._claim(node, heard)
        return heard

    def _claim(self, node: Node, heard: tuple[str, ...]) -> None:
        """Words have one meaning each: all are understood in the same scene."""
        for phrase in heard:
            if phrase in self._heard:
                node.fault(f"has {phrase!r}, which means something else already")
            self._heard.add(phrase)

    def _read_escalation(self, node: Node) -> None:
        fields = node.fields(ESCALATION)
        self._escalation = read_escalation(fields, self._words, _UNAVAILABLE)
        self._escalation_body = node.plain()
        asked = self._escalation.asked
        for digit in asked.keys:
            if digit in self._known_keys:
                fields.get("keys", node).fault(f"takes the key {digit}, which is one of the script's keys")
        self._claim(fields.get("words", node), asked.words)

    def _read_no_input(self, node: Node) -> None:
        fields = node.fields(("seconds", "repeats"))
        if "seconds" in fields:
            self._seconds = fields["seconds"].number(1, 60) or self._seconds
        if "repeats" in fields:
            repeats = fields["repeats"].whole(0, 5)
            self._repeats = self._repeats if repeats is None else repeats

    def _read_languages(self, node: Node) -> None:
        for language, about in read_tags(node):
            self._read_texts(language, about)

    def _read_texts(self, language: str | None, node: Node) -> None:
        fields = node.fields(_LANGUAGE, required=("opening", "closings", "no_input", "invalid_key"))
        closings = self._read_closings(fields["closings"]) if "closings" in fields else {}
        silence: dict[str, Line | None] = {}
        if "no_input" in fields:
            needed = ("repeat", "closing") if self._repeats else ("closing",)
            lines = fields["no_input"].fields(("repeat", "closing"), required=needed)
            silence = {name: self._words.line(line) for name, line in lines.items()}
        opening = self._words.line(fields["opening"]) if "opening" in fields else None
        invalid_key = self._words.line(fields["invalid_key"]) if "invalid_key" in fields else None
        others = {name: self._words.line(fields[name]) for name in _OTHERS if name in fields}
        if self._escalation is not None:
            for name in _TO_A_PERSON:
                if name not in fields:
                    node.missing(name, _WHY_NEEDED[name])
        notice = others.get(RECORDING_NOTICE)
        voice = fields["voice"].choice(VOICES) if "voice" in fields else VOICES[0]
        defaults = self._words.read_defaults(fields["defaults"]) if "defaults" in fields else {}
        repeat, closing = silence.get("repeat"), silence.get("closing")
        if opening is None or invalid_key is None or closing is None or voice is None or language is None:
            return
        said: dict[str, Line] = {
            **({RECORDING_NOTICE: notice} if notice is not None else {}),
            _OPENING: opening,
            **{_closing(digit): text for digit, text in closings.items()},
            **({"no_input_repeat": repeat} if repeat is not None else {}),
            _UNANSWERED: closing,
            "invalid_key": invalid_key,
            **{name: line for name, line in others.items() if line is not None},
        }
        self.texts.setdefault(language, Texts(said, voice, defaults))
        self._texts.setdefault(
            language,
            {
                "voice": voice,
                "opening": written(opening),
                "closings": {digit: written(line) for digit, line in closings.items()},
                "no_input": {name: written(line) for name, line in silence.items() if line is not None},
                "invalid_key": written(invalid_key),
                **({"defaults": defaults} if defaults else {}),
                **{name: written(line) for name, line in others.items() if line is not None},
            },
        )

    def _read_closings(self, node: Node) -> dict[str, Line]:
        found: dict[str, Line] = {}
        spoken = dict(node.members())
        for digit, about in spoken.items():
            if digit not in self._known_keys:
                about.fault("is not one of the script's keys")
            line = self._words.line(about)
            if line is not None:
                found[digit] = line
        if isinstance(node.value, Mapping):
            for digit in self._known_keys:
                if digit not in spoken:
                    node.missing(digit, "the key has no closing line")
        # In the order of the keys, whatever the order here.
        return {digit: found[digit] for digit in self._known_keys if digit in found}


def read_tags(node: Node) -> list[tuple[str | None, Node]]:
    """The languages of a script, in their standard spelling; None for what is no language, with the fault noted."""
    found = list(node.members())
    if not found and isinstance(node.value, Mapping):
        node.fault("must have at least one language")
    told: set[str] = set()
    read: list[tuple[str | None, Node]] = []
    for tag, about in found:
        language = language_tag(tag)
        if language is None:
            about.fault("is not a language tag (BCP-47), such as en-IN or hi-IN")
        elif language in told:
            about.fault(f"is {language} once more")
        else:
            told.add(language)
        read.append((language, about))
    return read


def _closing(digit: str) -> str:
    return f"closing.{digit}"
