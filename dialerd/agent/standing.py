"""Where a conversation stands between two events, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dialerd.agent.answer import Clock, Value
from dialerd.agent.exchange import CallbackUnmet
from dialerd.agent.flow import Flow, Scene
from dialerd.agent.lines import Texts
from dialerd.agent.script import ScriptDocument
from dialerd.agent.transcript import Turns
from dialerd.core.clock import Instant, Millis
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferTrigger


class Phase(StrEnum):
    """Where the conversation stands."""

    SPEAKING = "speaking"
    """A line is spoken that an answer may interrupt."""
    LISTENING = "listening"
    CHECKING = "checking"
    """Whether the callee can be called back when it asked for it is being found out."""
    CLOSING = "closing"
    """The last line is spoken."""
    TRANSFERRING = "transferring"
    """A person is being called."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class State:
    """A conversation between two events."""

    script: ScriptDocument
    language: str
    known: Mapping[str, Any]
    """Values by name: the contact's and what was captured."""
    values: Mapping[str, str]
    """The same as they are spoken."""
    clock: Clock
    scene: str
    phase: Phase = Phase.SPEAKING
    number: int = 0
    """Number of the latest `Say` or `Listen`; what answers an older one is late."""
    lines: int = 0
    silences: int = 0
    mismatches: int = 0
    entry: str = ""
    """Digits entered so far."""
    ended: Millis | None = None
    """When an entry ended by its length or by waiting: the key that would have ended it may still come."""
    terminator: str = ""
    """That key."""
    noticing: bool = False
    """The callee is being told of the recording: the conversation begins once that was heard."""
    commanded: bool = False
    """The key before a key was pressed."""
    confirming: Value | None = None
    """What was understood, while the callee is asked whether it is right."""
    escalating: TransferTrigger | None = None
    """What made a person be asked for, from the line before on."""
    transfers: int = 0
    unanswered: Millis = Millis(0)
    """Waited in vain since the last answer."""
    limited: bool = False
    disposition: str | None = None
    positive: bool = False
    captured: Mapping[str, Any] = field(default_factory=dict)
    callback_at: Instant | None = None
    callback_scene: str = ""
    """Where that was asked."""
    refusal: CallbackUnmet | None = None
    """What was said last of a time for a callback that could not be."""
    refused: int = 0
    """How often that was said to the callee."""
    turns: Turns = ()
    longest: Millis | None = None
    """After which the conversation must come to its end, whatever its script allows; None: nothing presses."""

    @property
    def flow(self) -> Flow:
        """The course it follows."""
        return self.script.flow

    @property
    def now_in(self) -> Scene:
        """The scene it is in."""
        return self.flow.scenes[self.scene]

    @property
    def texts(self) -> Texts:
        """The texts of this conversation's language."""
        return self.script.texts[self.language]

    @property
    def report(self) -> AgentReport:
        """What is to be said of the conversation so far."""
        return AgentReport(self.disposition, self.positive, self.captured, self.turns, self.callback_at)

    @property
    def phrases(self) -> tuple[str, ...]:
        """What may be said now and is understood."""
        if self.phase is Phase.DONE:
            return ()
        own: tuple[str, ...] = ()
        if self.answerable:
            own = self.flow.phrases(self.scene, confirming=self.confirming is not None)
        return (*own, *self.flow.heard_everywhere())

    @property
    def answerable(self) -> bool:
        """Whether an answer is taken."""
        open_to = self.phase in (Phase.SPEAKING, Phase.LISTENING) and self.escalating is None
        return open_to and not self.noticing and self.now_in.listens
