"""What a call's session tells, kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from dialerd.core.disposition import Reason
from dialerd.core.engine import StandIn
from dialerd.core.model import AgentReport, AnsweredBy
from dialerd.core.transfer import TransferWish
from dialerd.media.outcome import Failed, Outcome, SessionListener
from tests.adapters.waiting import until


@dataclass(kw_only=True)
class Told(SessionListener):
    """Who is told."""

    outcomes: list[Outcome] = field(default_factory=list)
    reports: list[AgentReport] = field(default_factory=list)
    wishes: list[TransferWish] = field(default_factory=list)
    stood_in: list[tuple[StandIn, str]] = field(default_factory=list)
    judged: list[tuple[AnsweredBy, str]] = field(default_factory=list)
    heard: int = 0
    messages_left: int = 0

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        self.stood_in.append((agent, detail))

    def on_heard(self) -> None:
        self.heard += 1

    def on_judged(self, answered_by: AnsweredBy, detail: str) -> None:
        self.judged.append((answered_by, detail))

    def on_message_left(self) -> None:
        self.messages_left += 1

    def on_report(self, report: AgentReport) -> None:
        self.reports.append(report)

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        self.wishes.append(wish)

    async def outcome(self, seconds: float = 20.0) -> Outcome:
        await until(lambda: self.outcomes, seconds)
        (only,) = self.outcomes
        return only

    async def failure(self) -> tuple[Reason, str]:
        outcome = await self.outcome()
        assert isinstance(outcome, Failed)
        return outcome.reason, outcome.detail
