"""What a call's session tells: how it goes on, and how it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dialerd.core.disposition import Reason
from dialerd.core.engine import StandIn
from dialerd.core.model import AgentReport, AnsweredBy
from dialerd.core.transfer import TransferWish


@dataclass(frozen=True, slots=True)
class Finished:
    """The conversation is over."""

    report: AgentReport
    unheard: bool = False
    """The agent has ended it before it was heard."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The call lost its audio or its agent; `report` is what was known until then."""

    reason: Reason
    detail: str
    report: AgentReport
    unheard: bool | None = None
    """Whether the callee had heard nobody until then; None: it is not known."""


Outcome = Finished | Failed


class SessionListener(Protocol):
    """Who is told of a session's progress. Must not wait, must not raise."""

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        """Another agent than the call's own has taken it; `detail` says why."""
        ...

    def on_heard(self) -> None:
        """The first audio of the agent has left."""
        ...

    def on_judged(self, answered_by: AnsweredBy, detail: str) -> None:
        """It was heard who has answered; a later verdict replaces it."""
        ...

    def on_message_left(self) -> None:
        """The callee's answering machine has the whole message."""
        ...

    def on_report(self, report: AgentReport) -> None:
        """What the agent knows so far; a later one replaces it."""
        ...

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        """The agent wants the callee connected with a person; `ask` counts its wishes."""
        ...
