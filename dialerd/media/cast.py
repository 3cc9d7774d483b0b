"""Who holds a call's conversation: the agent it was given, or the next of those who stand in for it.

Whoever cannot take the call is asked no second time. What is said, and when somebody has to give up, is not decided
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from dialerd.core.clock import Millis
from dialerd.core.effects import AttachAgent
from dialerd.core.engine import StandIn
from dialerd.core.errors import DialerError, PortError, RequestError
from dialerd.core.model import AgentReport
from dialerd.core.record import replace
from dialerd.media.conversation import Conversation, DirectConversation, Redirectable, RemoteConversation

_PROGRAM = ("twiml", "url", "method")
"""What other instructions take the place of; a time limit stays."""

_log = structlog.get_logger("dialerd.media")


class Agents(Protocol):
    """Whoever holds conversations."""

    def converse(self, order: AttachAgent) -> Conversation:
        """The conversation of a call. Raises `RequestError` or `PortError` where it cannot be held."""
        ...


class Cast:
    """The agents of the call `order`. `stood_in` is told when another one than the first has taken it, and why."""

    def __init__(self, order: AttachAgent, agents: Agents, stood_in: Callable[[StandIn, str], None]) -> None:
        self._order = order
        self._agents = agents
        self._stood_in = stood_in
        self._waiting: list[StandIn | None] = [None, *order.stand_ins]
        self._one: StandIn | None = None
        self._why = ""
        """Why the one before could not."""
        self.conversation: Conversation | None = None
        """Of the agent that has the call, or is being asked to take it."""

    @property
    def engine(self) -> str:
        """The engine of that agent."""
        return self._order.engine if self._one is None else self._one.engine

    @property
    def has_more(self) -> bool:
        """Whether somebody else can be asked."""
        return bool(self._waiting)

    @property
    def hears(self) -> bool:
        """Whether any of them may want the callee's audio."""
        return self.has_more or (self.conversation is not None and self.conversation.hears)

    def ask(self) -> Conversation:
        """The conversation of the next one that can hold one. Raises the fault of the last one if none can."""
        while True:
            self._one = self._waiting.pop(0)
            try:
                self.conversation = self._agents.converse(_given(self._order, self._one))
            except Exception as error:
                # An agent's bug costs its turn: the next one may take the call.
                self.conversation = None
                if not self._waiting:
                    raise
                self._pass_on(error)
            else:
                return self.conversation

    async def take(self) -> Conversation:
        """The conversation of the first one that takes the call. Raises as `ask`."""
        while True:
            conversation = self.conversation or self.ask()
            if isinstance(conversation, DirectConversation):
                self.part(Millis(0))
                late = PortError(
                    "Asterisk leads to its engine from the answer on or not at all", retryable=False
                )
                if not self._waiting:
                    raise late
                self._pass_on(late)
                continue
            if isinstance(conversation, RemoteConversation):
                try:
                    await conversation.connect()
                except Exception as error:
                    # As above.
                    self.part(Millis(0))
                    if not self._waiting:
                        raise
                    self._pass_on(error)
                    continue
            if self._one is not None:
                self._stood_in(self._one, self._why)
            return conversation

    def drop(self, detail: str, at: Millis) -> None:
        """The one that has the call cannot go on."""
        self.part(at)
        self._pass_on(PortError(detail, retryable=True))

    def redirect(self, instructions: Mapping[str, Any]) -> None:
        """This is to be done now, by whoever has the call or takes it later; who cannot, goes on as it was."""
        kept = {name: told for name, told in self._order.instructions.items() if name not in _PROGRAM}
        self._order = replace(self._order, instructions={**kept, **instructions})
        if isinstance(self.conversation, Redirectable):
            self.conversation.redirect(instructions)

    def part(self, at: Millis) -> AgentReport:
        """The call is over for whoever has it: the last word."""
        conversation, self.conversation = self.conversation, None
        if conversation is None:
            return AgentReport()
        try:
            return conversation.close(at)
        except Exception as error:  # noqa: BLE001 - even a broken agent must not keep a call from ending
            _log.error("media.agent_broken", call=self._order.call, exc_info=error)
            return AgentReport()

    def _pass_on(self, error: Exception) -> None:
        who = self._order.agent_id if self._one is None else self._one.agent_id
        self._why = in_words(error)
        _log.warning("media.agent_replaced", call=self._order.call, agent=who, detail=self._why)


def in_words(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, RequestError) and error.faults:
        return "; ".join(f"{fault.loc}: {fault.msg}" for fault in error.faults)
    if isinstance(error, DialerError):
        return str(error)
    return str(error) or type(error).__name__


def _given(order: AttachAgent, one: StandIn | None) -> AttachAgent:
    """The order as the agent that stands in is given it."""
    if one is None:
        return order
    return replace(
        order,
        agent_id=one.agent_id,
        engine=one.engine,
        script_id=one.script_id,
        script_version=one.script_version,
        language=one.language,
        voice=one.voice,
    )
