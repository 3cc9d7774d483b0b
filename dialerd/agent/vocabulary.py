"""What both forms of a script declare alike: variables, labels, and texts that use them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import langcodes
from babel.numbers import list_currencies

from dialerd.agent.document import Node, Scalar
from dialerd.agent.lines import Line, Part
from dialerd.agent.text import KINDS, Template, TemplateError, is_name, parse_template

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

NONE: frozenset[str] = frozenset()

_TAG = re.compile(r"[a-z_]{1,64}")
_AUDIO = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/){0,4}[A-Za-z0-9_-][A-Za-z0-9_.-]*\.wav")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a contact brings. `default` None: every contact must bring it."""

    kind: str = "text"
    default: Scalar | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Proofs:
    """What an installation knows of names in a script; each returns what is wrong, or "" for nothing."""

    recording: Callable[[str], str] = lambda name: ""
    word: Callable[[str], str] = lambda word: ""


class Vocabulary:
    """What was declared so far; what later parts are held to."""

    def __init__(self, proofs: Proofs) -> None:
        self.proofs = proofs
        self.variables: dict[str, Variable] = {}
        self.captures: dict[str, Variable] = {}
        """Values that questions capture, as variables."""
        self.known: set[str] = set(ALWAYS_THERE)
        self.dispositions: dict[str, bool | None] = {}

    def read_variables(self, node: Node) -> None:
        """`variables`."""
        for name, about in node.members():
            self.known.add(name)
            if not is_name(name):
                about.fault("is not a variable name (letters, digits and '_')")
            elif name in ALWAYS_THERE:
                about.fault("need not be declared: every contact has it")
            elif name in NOT_SPOKEN:
                about.fault("cannot be used in texts: it is the dialer's own")
            else:
                self.variables[name] = _read_variable(about)

    def read_dispositions(self, node: Node) -> None:
        """`dispositions`."""
        for tag, about in node.members():
            self.dispositions[tag] = None
            if tag_fault(tag):
                about.fault(tag_fault(tag))
            elif about.value is not None:
                fields = about.fields(("positive",))
                self.dispositions[tag] = fields["positive"].flag() if "positive" in fields else None

    def label(self, node: Node | None, positive: Node | None) -> tuple[str, bool] | None:
        """A label and whether it counts as a conversion; None: there is none, or it is wrong."""
        stated = positive.flag() if positive is not None else None
        tag = node.text(64) if node is not None else None
        if tag is None or node is None:
            return None
        if tag_fault(tag):
            node.fault(tag_fault(tag))
            return None
        declared = self.dispositions.get(tag)
        if stated is not None and positive is not None and declared is not None and stated != declared:
            positive.fault(f"contradicts dispositions.{tag}.positive")
        stated = declared if stated is None else stated
        return tag, tag in POSITIVE if stated is None else stated

    def read_defaults(self, node: Node) -> dict[str, Scalar]:
        """`defaults` of a language."""
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

    def text(self, node: Node, own: frozenset[str] = NONE) -> str | None:
        """One spoken text, its variables checked; `own`: values that are there for this text alone."""
        text = node.text(MAX_TEXT)
        template = _template(node, text) if text is not None else None
        if template is None:
            return None
        unknown = sorted(template.names - self.known - set(self.captures) - own)
        for name in unknown:
            node.fault(f"uses {{{{{name}}}}}, which is not declared under variables")
        return None if unknown else text

    def line(self, node: Node, own: frozenset[str] = NONE) -> Line | None:
        """A text, `{text, audio}`, or a list of these."""
        parts = [self.part(item, own) for item in node.items()]
        whole = [part for part in parts if part is not None]
        if not parts:
            node.fault("must not be empty")
        return tuple(whole) if whole and len(whole) == len(parts) else None

    def part(self, node: Node, own: frozenset[str] = NONE) -> Part | None:
        """A text, or `{text, audio}`."""
        if not isinstance(node.value, Mapping):
            text = self.text(node, own)
            return Part(text) if text is not None else None
        return self.recorded(node.fields(("text", "audio"), required=("text",)), own)

    def recorded(self, fields: Mapping[str, Node], own: frozenset[str] = NONE) -> Part | None:
        """`text` and, if given, `audio` of a mapping's fields."""
        text = self.text(fields["text"], own) if "text" in fields else None
        audio = self._audio(fields["audio"]) if "audio" in fields else None
        if text is not None and audio is not None and parse_template(text).names:
            fields["audio"].fault(
                "cannot speak values: leave {{…}} to a part of its own, without a recording"
            )
        return Part(text, audio) if text is not None else None

    def _audio(self, node: Node) -> str | None:
        name = node.text(MAX_LABEL)
        if name is None:
            return None
        if not _AUDIO.fullmatch(name):
            node.fault("is not the name of a WAV file in the prompts' folder, such as loan/opening.wav")
            return None
        wrong = self.proofs.recording(name)
        if wrong:
            node.fault(wrong)
        return name


def without_none(**fields: object) -> dict[str, object]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}


def tag_fault(tag: str) -> str:
    """What is wrong with a label; empty: nothing."""
    if not _TAG.fullmatch(tag):
        return "is not a disposition: 1 to 64 lower-case letters and '_'"
    return "is set by the dialer itself" if tag in NOT_THE_AGENTS else ""


def language_tag(tag: str) -> str | None:
    """The tag in its standard spelling; None: no tag."""
    if "_" in tag or not tag.isascii() or not langcodes.tag_is_valid(tag):
        return None
    return str(langcodes.standardize_tag(tag))


def read_currency(node: Node) -> str | None:
    """A currency code."""
    code = node.text(MAX_LABEL)
    if code is not None and code not in list_currencies():
        node.fault("is not a currency code (ISO 4217), such as INR")
        return None
    return code


def _read_variable(node: Node) -> Variable:
    if node.value is None:
        return Variable()
    fields = node.fields(("type", "default", "currency"))
    kind = fields["type"].choice(KINDS) if "type" in fields else "text"
    default = fields["default"].scalar(MAX_LABEL) if "default" in fields else None
    currency = read_currency(fields["currency"]) if "currency" in fields else None
    if "currency" in fields and kind != "amount":
        fields["currency"].fault("belongs to `type: amount`")
    if kind == "amount" and "currency" not in fields:
        node.fault("an amount needs its `currency`, such as INR")
    if kind == "digits" and default is not None and not isinstance(default, str):
        fields["default"].fault("write digits in quotes, so that none gets lost")
    return Variable(kind or "text", default, currency)


def _template(node: Node, text: str) -> Template | None:
    try:
        return parse_template(text)
    except TemplateError as error:
        node.fault(str(error))
        return None
