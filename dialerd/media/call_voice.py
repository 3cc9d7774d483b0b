"""What a call's session tells, as the worker's messages about that call."""

from __future__ import annotations

from collections.abc import Callable

from dialerd.core.engine import StandIn
from dialerd.core.model import AgentReport, AnsweredBy
from dialerd.core.transfer import TransferWish
from dialerd.media import wire
from dialerd.media.outbox import Kept


class CallVoice:
    """A session's listener. `send` tells the daemon that is there, `tell` whichever comes, until it has heard."""

    def __init__(
        self, call: str, send: Callable[[wire.ToDaemon], None], tell: Callable[[Kept], None]
    ) -> None:
        self._call = call
        self._send = send
        self._tell = tell

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        """See `SessionListener`."""
        self._tell(wire.StoodIn(self._call, agent.agent_id, agent.engine, detail))

    def on_heard(self) -> None:
        """See `SessionListener`."""
        self._send(wire.Heard(self._call))

    def on_judged(self, answered_by: AnsweredBy, detail: str) -> None:
        """See `SessionListener`."""
        self._tell(wire.Judged(self._call, answered_by, detail))

    def on_message_left(self) -> None:
        """See `SessionListener`."""
        self._tell(wire.MessageLeft(self._call))

    def on_report(self, report: AgentReport) -> None:
        """See `SessionListener`."""
        self._tell(wire.Reported(self._call, report))

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        """See `SessionListener`."""
        self._tell(wire.TransferAsked(self._call, wish, ask))
