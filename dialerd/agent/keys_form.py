"""The simple form of a script: an opening, keys with a label each, and a closing line for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialerd.agent.document import Node
from dialerd.agent.flow import Choice, Flow, Patience, Scene
from dialerd.agent.lines import RECORDING_NOTICE, VOICEMAIL, Line, Texts, written
from dialerd.agent.vocabulary import KEYS, MAX_LABEL, VOICES, Vocabulary, language_tag, without_none

FIELDS = (
    *("script_id", "name", "variables", "dispositions", "announces_recording", "keys", "no_input"),
    "languages",
)
REQUIRED = ("name", "keys", "languages")
UNKNOWN_KEYS = 3
"""Unknown keys after which the conversation closes."""

_LANGUAGE = (
    "voice",
    "opening",
    "closings",
    "no_input",
    "invalid_key",
    "defaults",
    VOICEMAIL,
    RECORDING_NOTICE,
)
_OPENING, _UNANSWERED = "opening", "no_input_closing"


@dataclass(frozen=True, slots=True)
class _Key:
    disposition: str
    positive: bool
    label: str | None = None


class KeysForm:
    """Reads what is this form's own, after variables and labels."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self._keys: dict[str, _Key] = {}
        self._known_keys: list[str] = []
        self._seconds = 5.0
        self._repeats = 1
        self._texts: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, Texts] = {}

    def read(self, top: Mapping[str, Node]) -> None:
        """The parts of the document."""
        for part, read in (
            ("keys", self._read_keys),
            ("no_input", self._read_no_input),
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
            choices={digit: Choice(_closing(digit), label=key.label) for digit, key in self._keys.items()},
            no_input=Patience(self._repeats, _UNANSWERED, self._seconds),
            no_match=Patience(UNKNOWN_KEYS - 1, _UNANSWERED),
        )
        closings = {
            _closing(digit): Scene(
                say=_closing(digit), end=True, disposition=key.disposition, positive=key.positive
            )
            for digit, key in self._keys.items()
        }
        unanswered = Scene(say=_UNANSWERED, end=True)
        return Flow(_OPENING, {_OPENING: opening, **closings, _UNANSWERED: unanswered})

    def body(self) -> dict[str, Any]:
        """What is stored of its own parts."""
        return {
            "keys": {
                digit: without_none(disposition=key.disposition, positive=key.positive, label=key.label)
                for digit, key in self._keys.items()
            },
            "no_input": {"seconds": self._seconds, "repeats": self._repeats},
            "languages": self._texts,
        }

    # --- the parts -----------------------------------------------------------------------------------

    def _read_keys(self, node: Node) -> None:
        found = list(node.members())
        if not found and isinstance(node.value, Mapping):
            node.fault("must have at least one key")
        for digit, about in found:
            self._known_keys.append(digit)
            if len(digit) != 1 or digit not in KEYS:
                about.fault(f"is not a key of a telephone; keys are {' '.join(KEYS)}")
                continue
            key = self._read_key(about)
            if key is not None:
                self._keys[digit] = key

    def _read_key(self, node: Node) -> _Key | None:
        fields = node.fields(("disposition", "positive", "label"), required=("disposition",))
        label = fields["label"].text(MAX_LABEL) if "label" in fields else None
        given = self._words.label(fields.get("disposition"), fields.get("positive"))
        return _Key(*given, label) if given is not None else None

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
        voicemail = self._words.line(fields[VOICEMAIL]) if VOICEMAIL in fields else None
        notice = self._words.line(fields[RECORDING_NOTICE]) if RECORDING_NOTICE in fields else None
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
            **({VOICEMAIL: voicemail} if voicemail is not None else {}),
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
                **({VOICEMAIL: written(voicemail)} if voicemail is not None else {}),
                **({RECORDING_NOTICE: written(notice)} if notice is not None else {}),
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
