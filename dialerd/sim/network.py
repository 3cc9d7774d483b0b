"""A telephone network in virtual time: Asterisk, the carrier, the callees and the agents, as the engine meets them.

It is told what a turn wants done and posts what comes of it. It decides nothing: whoever runs it says when "later" is.
Nothing is lost here and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Callable

from dialerd.core.clock import Instant
from dialerd.core.effects import AttachAgent, Originate
from dialerd.core.identity import CallId, ChannelId
from dialerd.core.messages import (
    AgentFinished,
    Event,
    OriginateAccepted,
    TryAnswered,
    TryEnded,
    TryRinging,
)
from dialerd.core.model import AgentReport
from dialerd.sim.callees import Behaviour, Population

NORMAL_CLEARING = 16
AT_ONCE = 1
"""Milliseconds of an answer that takes no time worth speaking of."""


class Network:
    """Every channel that has not ended."""

    def __init__(
        self, people: Population, later: Callable[[int, Event], None], now: Callable[[], Instant]
    ) -> None:
        """`later(milliseconds, event)` posts an event after a while."""
        self._people = people
        self._later = later
        self._now = now
        self._talks: dict[ChannelId, Behaviour] = {}
        """Tries that are answered, or will be."""

    def originate(self, order: Originate) -> None:
        """The INVITE leaves. That the dial has begun (`TryShown`) is not told: it changes no decision."""
        behaviour = self._people.meet(order, self._now())
        self._later(AT_ONCE, OriginateAccepted(order.channel))
        if behaviour.rings:
            self._later(AT_ONCE, TryRinging(order.channel))
        if behaviour.answers:
            self._talks[order.channel] = behaviour
            self._later(max(AT_ONCE, behaviour.ring_ms), TryAnswered(order.channel))
        else:
            ended = TryEnded(order.channel, behaviour.cause, behaviour.sip)
            self._later(max(AT_ONCE, behaviour.ring_ms), ended)

    def attach(self, order: AttachAgent) -> None:
        """The agent talks with the callee, and says at the end what came of it."""
        talk = self._talks[order.channel]
        asked = talk.callback_after_ms
        at = Instant(self._now() + talk.talk_ms + asked) if asked is not None else None
        report = AgentReport(disposition=talk.disposition, callback_at=at)
        self._later(max(AT_ONCE, talk.talk_ms), AgentFinished(order.call, report))

    def hang_up(self, channel: ChannelId) -> None:
        """The channel is gone at once, if it was answered; a ringing one keeps its own end."""
        if self._talks.pop(channel, None) is not None:
            self._later(AT_ONCE, TryEnded(channel, NORMAL_CLEARING))

    def detach(self, call: CallId) -> None:
        """The agent has said its last word before: it hangs up only then."""
