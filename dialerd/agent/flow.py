"""The course of a scripted conversation, as data: its scenes, what leads from one to the next, and what is asked.

Both forms of a script become this, so that one machine (`dialerd.agent.dialogue`) holds every conversation. Lines
are known here by their names only; what they say is a matter of the language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dialerd.agent.condition import Condition
from dialerd.agent.document import Scalar

ESCALATE = "escalate"
"""Where a script goes to have a person take over; no scene can have this name."""
COMMAND = "*"
"""The key before a key that is meant as such where digits are being entered: `*9` instead of 9."""

Kind = Literal["digits", "number", "amount", "date", "time", "choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a key, or one of the words for it, leads to. `value`: what a choice question captures by it."""

    goto: str
    words: tuple[str, ...] = ()
    label: str | None = None
    value: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Asking back whether what was understood is right."""

    yes: str = "1"
    no: str = "2"
    yes_words: tuple[str, ...] = ()
    no_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A value to be captured by key. Lengths are of digits, `low` and `high` of the value (minutes for a time)."""

    capture: str
    kind: Kind
    shortest: int = 1
    longest: int = 1
    low: float | None = None
    high: float | None = None
    layout: str = ""
    """Of a date: DDMMYYYY or DDMM."""
    within_days: int | None = None
    """Of a date: from today to so many days on."""
    on: str | None = None
    """Of a time: the value that holds its day; None: the next day on which the callee's clock shows it."""
    terminator: str = "#"
    callback: bool = False
    """The time is when the callee wants to be called again."""
    unmet: str | None = None
    """Where it goes if that can be at no time, or was asked for in vain; None: it is not told to the callee."""
    confirm: Confirmation | None = None

    @property
    def typed(self) -> bool:
        """Whether the answer is several keys."""
        return self.kind != "choice"


@dataclass(frozen=True, slots=True)
class Branch:
    """Where it goes on; the first whose condition holds. `when` None: always."""

    goto: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one is asked again, and where it goes when that was in vain. `seconds`: how long to wait."""

    repeats: int
    then: str
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of the conversation: a line, and what follows it.

    `say` None: nothing is said, the branches decide at once. `again` and `mismatch` are said instead of `say` after
    silence and after what was not understood, `unmet` where nobody can call back then. The label is given on entering.
    """

    say: str | None
    again: str | None = None
    mismatch: str | None = None
    confirming: str | None = None
    unmet: str | None = None
    choices: Mapping[str, Choice] = field(default_factory=dict)
    question: Question | None = None
    branches: tuple[Branch, ...] = ()
    end: bool = False
    disposition: str | None = None
    positive: bool = False
    no_input: Patience | None = None
    no_match: Patience | None = None

    @property
    def listens(self) -> bool:
        """Whether the callee is to answer."""
        return bool(self.choices) or self.question is not None

    @property
    def typed(self) -> bool:
        """Whether digits are entered here, so that a key alone is part of a number."""
        return self.question is not None and self.question.typed

    def exits(self) -> Iterator[str]:
        """Wherever it may lead, beside what is possible in every scene."""
        yield from (choice.goto for choice in self.choices.values() if choice.goto)
        yield from (branch.goto for branch in self.branches)
        if self.question is not None and self.question.unmet is not None:
            yield self.question.unmet
        if self.listens:
            yield from (patience.then for patience in (self.no_input, self.no_match) if patience is not None)


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Keys and words that mean the same in every scene, and where they lead."""

    goto: str
    keys: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """A person takes over. `fallback` is where the conversation goes on when nobody can; the line is said before."""

    asked: Everywhere
    line: str
    fallback: str
    target: str | None = None
    warm: bool | None = None
    timeout_seconds: float | None = None
    """None, of both: as it is configured for the target."""
    summary: str | None = None
    """A template of what the person is told; None: what was captured."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long it may last, and how long the callee may be silent in all since the last answer."""

    then: str
    seconds: float = 600.0
    silence_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Flow:
    """The scenes by name. `limits` None: there are none but the conversation's own (it cannot go in circles)."""

    start: str
    scenes: Mapping[str, Scene]
    do_not_call: Everywhere | None = None
    escalation: Escalation | None = None
    limits: Limits | None = None
    speech_is_answer: bool = False
    """Whether speech that is none of the words counts as an answer that was not understood."""

    @property
    def worded(self) -> bool:
        """Whether anything can be said to it."""
        everywhere = (self.do_not_call, self.escalation.asked if self.escalation else None)
        return any(each.words for each in everywhere if each is not None) or any(
            self.phrases(name, confirming=confirming) for name in self.scenes for confirming in (False, True)
        )

    def phrases(self, scene: str, *, confirming: bool) -> tuple[str, ...]:
        """What may be said in a scene and is understood, beside what is understood everywhere."""
        about = self.scenes[scene]
        asked = about.question.confirm if about.question is not None else None
        if confirming:
            return (*asked.yes_words, *asked.no_words) if asked is not None else ()
        return tuple(word for choice in about.choices.values() for word in choice.words)

    def heard_everywhere(self) -> tuple[str, ...]:
        """What may be said at any time."""
        asked = self.escalation.asked.words if self.escalation is not None else ()
        return (*(self.do_not_call.words if self.do_not_call is not None else ()), *asked)
