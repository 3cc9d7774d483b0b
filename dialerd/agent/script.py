"""The script: what the embedded agent says, which keys it takes and what they mean.

A script is a YAML 1.2 document. It is read with every fault at once, and kept as a plain JSON-able body from
which the same script can be read again. Later forms (states, questions) come beside `keys`; a document of this
form stays valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import langcodes
from babel.numbers import list_currencies

from dialerd.agent.document import Node, Scalar, read_yaml
from dialerd.agent.text import KINDS, Template, TemplateError, is_name, parse_template
from dialerd.core.errors import InvariantError, invalid

MAX_TEXT = 2_000
MAX_LABEL = 255
KEYS = "0123456789*#"
VOICES = ("female", "male")

POSITIVE = frozenset({"interested", "paid"})
"""Labels that count as a conversion unless the script says otherwise."""
NOT_THE_AGENTS = frozenset({"not_reachable", "escalated"})
"""Labels that the dialer sets itself."""
ALWAYS_THERE = frozenset({"phone"})
"""Variables that every contact has."""
NOT_SPOKEN = frozenset({"timezone", "external_id"})
"""Keys of a contact that are not given to the agent."""

_TAG = re.compile(r"[a-z_]{1,64}")
_IDENT = re.compile(r"[A-Za-z0-9_-]{1,64}")

_TOP = ("script_id", "name", "variables", "dispositions", "keys", "no_input", "languages")
_LANGUAGE = ("voice", "opening", "closings", "no_input", "invalid_key", "defaults")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a contact brings. `default` None: every contact must bring it."""

    kind: str = "text"
    default: Scalar | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What pressing a key means."""

    disposition: str
    positive: bool
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything said in one language."""

    opening: str
    closings: Mapping[str, str]
    invalid_key: str
    no_input_closing: str
    no_input_repeat: str | None = None
    voice: str = "female"
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    """Defaults of variables where this language needs others."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All texts, in the order in which a call needs them."""
        optional = (self.no_input_repeat,) if self.no_input_repeat is not None else ()
        return (self.opening, *self.closings.values(), *optional, self.no_input_closing, self.invalid_key)


@dataclass(frozen=True, slots=True)
class ScriptDocument:
    """A script that was understood. `body` is JSON-able, and `from_body` makes the same script of it."""

    script_id: str | None
    name: str
    declared: Mapping[str, Variable]
    keys: Mapping[str, Key]
    silence_seconds: float
    repeats: int
    texts: Mapping[str, Texts]
    body: Mapping[str, Any]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it has all texts for, BCP-47."""
        return tuple(self.texts)

    @property
    def variables(self) -> Mapping[str, Any]:
        """Variable → `{"default": …}`, or `{}` where the contact must bring it."""
        return {
            name: {} if variable.default is None else {"default": variable.default}
            for name, variable in self.declared.items()
        }


def parse_script(text: str) -> ScriptDocument:
    """The script in `text`. Raises `RequestError` (422) with every fault and, where known, its line."""
    node = read_yaml(text)
    script = _Reader(node).script() if not node.faults else None
    if node.faults or script is None:
        raise invalid(node.faults)
    return script


def from_body(body: Mapping[str, Any]) -> ScriptDocument:
    """The script whose `body` this is. Raises `InvariantError` if it is no such body."""
    node = Node(body, "", None, [])
    script = _Reader(node).script()
    if node.faults or script is None:
        faults = "; ".join(f"{fault.loc} {fault.msg}" for fault in node.faults)
        raise InvariantError(f"a stored script cannot be read: {faults}")
    return script


class _Reader:
    """Reads one document; what was declared so far is what later parts are held to."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.variables: dict[str, Variable] = {}
        self.known_variables: set[str] = set(ALWAYS_THERE)
        self.dispositions: dict[str, bool | None] = {}
        self.keys: dict[str, Key] = {}
        self.known_keys: list[str] = []
        self.seconds = 5.0
        self.repeats = 1
        self.texts: dict[str, Texts] = {}

    def script(self) -> ScriptDocument | None:
        """The script; None or incomplete where faults were noted."""
        top = self.root.fields(_TOP, required=("name", "keys", "languages"))
        ident = (
            _pattern(top["script_id"], _IDENT, "1 to 64 letters, digits, '_' or '-'")
            if "script_id" in top
            else None
        )
        name = top["name"].text(MAX_LABEL) if "name" in top else None
        for part, read in (
            ("variables", self._read_variables),
            ("dispositions", self._read_dispositions),
            ("keys", self._read_keys),
            ("no_input", self._read_no_input),
            ("languages", self._read_languages),
        ):
            if part in top:
                read(top[part])
        if self.root.faults or name is None:
            return None
        return ScriptDocument(
            ident,
            name,
            self.variables,
            self.keys,
            self.seconds,
            self.repeats,
            self.texts,
            self._body(ident, name),
        )

    # --- the parts -----------------------------------------------------------------------------------

    def _read_variables(self, node: Node) -> None:
        for name, about in node.members():
            self.known_variables.add(name)
            if not is_name(name):
                about.fault("is not a variable name (letters, digits and '_')")
            elif name in ALWAYS_THERE:
                about.fault("need not be declared: every contact has it")
            elif name in NOT_SPOKEN:
                about.fault("cannot be used in texts: it is the dialer's own")
            else:
                self.variables[name] = _read_variable(about)

    def _read_dispositions(self, node: Node) -> None:
        for tag, about in node.members():
            self.dispositions[tag] = None
            if _tag_fault(tag):
                about.fault(_tag_fault(tag))
            elif about.value is not None:
                fields = about.fields(("positive",))
                self.dispositions[tag] = fields["positive"].flag() if "positive" in fields else None

    def _read_keys(self, node: Node) -> None:
        found = list(node.members())
        if not found and isinstance(node.value, Mapping):
            node.fault("must have at least one key")
        for digit, about in found:
            self.known_keys.append(digit)
            if len(digit) != 1 or digit not in KEYS:
                about.fault(f"is not a key of a telephone; keys are {' '.join(KEYS)}")
                continue
            key = self._read_key(about)
            if key is not None:
                self.keys[digit] = key

    def _read_key(self, node: Node) -> Key | None:
        fields = node.fields(("disposition", "positive", "label"), required=("disposition",))
        label = fields["label"].text(MAX_LABEL) if "label" in fields else None
        positive = fields["positive"].flag() if "positive" in fields else None
        tag = fields["disposition"].text(64) if "disposition" in fields else None
        if tag is None:
            return None
        if _tag_fault(tag):
            fields["disposition"].fault(_tag_fault(tag))
            return None
        declared = self.dispositions.get(tag)
        if positive is not None and declared is not None and positive != declared:
            fields["positive"].fault(f"contradicts dispositions.{tag}.positive")
        stated = positive if positive is not None else declared
        return Key(tag, tag in POSITIVE if stated is None else stated, label)

    def _read_no_input(self, node: Node) -> None:
        fields = node.fields(("seconds", "repeats"))
        if "seconds" in fields:
            self.seconds = fields["seconds"].number(1, 60) or self.seconds
        if "repeats" in fields:
            repeats = fields["repeats"].whole(0, 5)
            self.repeats = self.repeats if repeats is None else repeats

    def _read_languages(self, node: Node) -> None:
        found = list(node.members())
        if not found and isinstance(node.value, Mapping):
            node.fault("must have at least one language")
        for tag, about in found:
            language = _language(tag)
            if language is None:
                about.fault("is not a language tag (BCP-47), such as en-IN or hi-IN")
            elif language in self.texts:
                about.fault(f"is {language} once more")
            texts = self._read_texts(about)
            if texts is not None and language is not None:
                self.texts.setdefault(language, texts)

    def _read_texts(self, node: Node) -> Texts | None:
        fields = node.fields(_LANGUAGE, required=("opening", "closings", "no_input", "invalid_key"))
        closings = self._read_closings(fields["closings"]) if "closings" in fields else {}
        silence: dict[str, str | None] = {}
        if "no_input" in fields:
            needed = ("repeat", "closing") if self.repeats else ("closing",)
            lines = fields["no_input"].fields(("repeat", "closing"), required=needed)
            silence = {name: self._line(line) for name, line in lines.items()}
        opening = self._line(fields["opening"]) if "opening" in fields else None
        invalid_key = self._line(fields["invalid_key"]) if "invalid_key" in fields else None
        voice = fields["voice"].choice(VOICES) if "voice" in fields else VOICES[0]
        defaults = self._read_defaults(fields["defaults"]) if "defaults" in fields else {}
        closing = silence.get("closing")
        if opening is None or invalid_key is None or closing is None or voice is None:
            return None
        return Texts(opening, closings, invalid_key, closing, silence.get("repeat"), voice, defaults)

    def _read_closings(self, node: Node) -> dict[str, str]:
        found: dict[str, str] = {}
        spoken = dict(node.members())
        for digit, line in spoken.items():
            if digit not in self.known_keys:
                line.fault("is not one of the script's keys")
            text = self._line(line)
            if text is not None:
                found[digit] = text
        if isinstance(node.value, Mapping):
            for digit in self.known_keys:
                if digit not in spoken:
                    Node(None, f"{node.path}.{digit}", node.line, node.faults).fault(
                        "the key has no closing line"
                    )
        # In the order of the keys, whatever the order here.
        return {digit: found[digit] for digit in self.known_keys if digit in found}

    def _read_defaults(self, node: Node) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for name, about in node.members():
            value = about.scalar(MAX_LABEL)
            variable = self.variables.get(name)
            if variable is None:
                about.fault("is not one of the script's variables")
            elif variable.default is None:
                about.fault(f"needs variables.{name}.default first, for the other languages")
            elif value is not None:
                found[name] = value
        return found

    def _line(self, node: Node) -> str | None:
        """One spoken text, its variables checked."""
        text = node.text(MAX_TEXT)
        template = _template(node, text) if text is not None else None
        if template is None:
            return None
        unknown = sorted(template.names - self.known_variables)
        for name in unknown:
            node.fault(f"uses {{{{{name}}}}}, which is not declared under variables")
        return None if unknown else text

    def _body(self, ident: str | None, name: str) -> dict[str, Any]:
        return {
            **({"script_id": ident} if ident is not None else {}),
            "name": name,
            "variables": {
                each: _without_none(type=about.kind, default=about.default, currency=about.currency)
                for each, about in self.variables.items()
            },
            "dispositions": {
                tag: {} if positive is None else {"positive": positive}
                for tag, positive in self.dispositions.items()
            },
            "keys": {
                digit: _without_none(disposition=key.disposition, positive=key.positive, label=key.label)
                for digit, key in self.keys.items()
            },
            "no_input": {"seconds": self.seconds, "repeats": self.repeats},
            "languages": {tag: _texts_body(texts) for tag, texts in self.texts.items()},
        }


def _read_variable(node: Node) -> Variable:
    if node.value is None:
        return Variable()
    fields = node.fields(("type", "default", "currency"))
    kind = fields["type"].choice(KINDS) if "type" in fields else "text"
    default = fields["default"].scalar(MAX_LABEL) if "default" in fields else None
    currency = _currency(fields["currency"]) if "currency" in fields else None
    if "currency" in fields and kind != "amount":
        fields["currency"].fault("belongs to `type: amount`")
    if kind == "amount" and "currency" not in fields:
        node.fault("an amount needs its `currency`, such as INR")
    if kind == "digits" and default is not None and not isinstance(default, str):
        fields["default"].fault("write digits in quotes, so that none gets lost")
    return Variable(kind or "text", default, currency)


def _currency(node: Node) -> str | None:
    code = node.text(MAX_LABEL)
    if code is not None and code not in list_currencies():
        node.fault("is not a currency code (ISO 4217), such as INR")
        return None
    return code


def _template(node: Node, text: str) -> Template | None:
    try:
        return parse_template(text)
    except TemplateError as error:
        node.fault(str(error))
        return None


def _pattern(node: Node, pattern: re.Pattern[str], meaning: str) -> str | None:
    text = node.text(MAX_LABEL)
    if text is not None and not pattern.fullmatch(text):
        node.fault(f"must be {meaning}")
        return None
    return text


def _tag_fault(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        return "is not a disposition: 1 to 64 lower-case letters and '_'"
    return "is set by the dialer itself" if tag in NOT_THE_AGENTS else ""


def _language(tag: str) -> str | None:
    """The tag in its standard spelling; None: no tag."""
    if "_" in tag or not tag.isascii() or not langcodes.tag_is_valid(tag):
        return None
    return str(langcodes.standardize_tag(tag))


def _texts_body(texts: Texts) -> dict[str, Any]:
    return {
        "voice": texts.voice,
        "opening": texts.opening,
        "closings": dict(texts.closings),
        "no_input": _without_none(repeat=texts.no_input_repeat, closing=texts.no_input_closing),
        "invalid_key": texts.invalid_key,
        **({"defaults": dict(texts.defaults)} if texts.defaults else {}),
    }


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
