"""The ports to what is outside: time, the telephone network, the media workers, the receivers of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialerd.core.clock import Instant, Now
from dialerd.core.commands import Unmet
from dialerd.core.delivery import Reply
from dialerd.core.effects import (
    AttachAgent,
    CallPerson,
    JoinPerson,
    LimitCall,
    Originate,
    PrepareMedia,
    ReturnCallee,
)
from dialerd.core.identity import CallId, ChannelId
from dialerd.core.messages import (
    CallRecord,
    Event,
    LiveChannel,
)
from dialerd.core.webhook import WebhookId
from dialerd.ports.records import MediaWorker, Script

Sink = Callable[[Event], None]
"""Where an adapter posts what happened. Never blocks, never raises; call it from the event loop's thread."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> Now:
        """Both clocks, read together."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Asterisk has of this instance at one moment."""

    live: frozenset[ChannelId]
    """Dialed channels."""
    media: frozenset[ChannelId]
    """Dialed channels for which there is a media leg or a bridge, whether they live or not."""
    persons: frozenset[ChannelId] = frozenset()
    """Channels of persons, called for callees."""


class Telephony(Protocol):
    """One Asterisk. Originates and hang-ups never wait; what became of them arrives at the sink."""

    def originate(self, order: Originate) -> None:
        """Send one originate. Exactly one of OriginateAccepted, -Refused, -Unanswered follows, always."""
        ...

    def hang_up(self, channel: ChannelId) -> None:
        """End a channel; one that is gone already is no error."""
        ...

    def call_person(self, order: CallPerson) -> None:
        """Have a person's phone ring. PersonRefused, or PersonAnswered and at last PersonGone follow.

        Where no reply comes nothing does, but for what Asterisk shows of it.
        """
        ...

    def join_person(self, order: JoinPerson) -> None:
        """Bring callee and person together. PersonJoined or PersonNotJoined follows; asked twice is no harm."""
        ...

    def return_callee(self, order: ReturnCallee) -> None:
        """Put the callee back into the bridge with its agent; there already, or neither is there any more: nothing."""
        ...

    def limit_call(self, order: LimitCall) -> None:
        """Bound how long a callee's channel may last from now on; one that is gone: nothing."""
        ...

    def ring_callee(self, channel: ChannelId) -> None:
        """Let a callee hear ringing whose agent is gone."""
        ...

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """Every dialed channel of this instance that exists now, media legs left out. Raises PortError."""
        ...

    async def snapshot(self) -> Snapshot:
        """What this instance has in Asterisk now. Raises PortError."""
        ...

    def release_media(self, channel: ChannelId) -> None:
        """Remove the media leg and the bridge of a call that is over; gone already: no error."""
        ...

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        """CDR rows under these ids. Raises PortError where the CDR cannot be read."""
        ...


class Media(Protocol):
    """The media workers: they give answered calls their agent, and report through the sink."""

    def expect(self, order: PrepareMedia) -> None:
        """A phone rings: make ready what the answer will need, if that can be. Nothing of it is heard before."""
        ...

    def forgo(self, call: CallId) -> None:
        """Let go of what is ready for a call that was not answered; nothing is: nothing happens."""
        ...

    def attach(self, order: AttachAgent) -> None:
        """Bridge the call to its agent. AgentHeard, AgentReported, AgentFinished or MediaFailed follow."""
        ...

    def detach(self, call: CallId) -> None:
        """Release the call's bridge and media leg; unknown or already released: nothing happens."""
        ...

    def hold(self, call: CallId, *, warm: bool) -> None:
        """Somebody else than its agent has asked for a transfer; `warm`: the agent may go on talking."""
        ...

    def transfer_failed(self, call: CallId, reason: str) -> None:
        """Nobody was connected with the callee: its agent goes on."""
        ...

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        """Its callee cannot be called back at the time it asked for: its agent may ask for another one.

        A call that no worker holds now: nothing happens.
        """
        ...

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        """Have the call's conversation go on otherwise, if its engine can; False: no worker holds the call now."""
        ...

    def held(self) -> frozenset[CallId] | None:
        """The calls that the workers hold, as far as they have said; None: no worker is connected."""
        ...

    def standing(self) -> Sequence[MediaWorker]:
        """How each worker is, by its number."""
        ...

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """Make the script's prompts ready to be spoken in `language` before calls need them.

        `voice` None: in the script's own.

        Raises PortError, and RequestError (422) if no voice here speaks the language.
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """What one webhook is to be sent."""

    id: str
    """The same at every attempt."""
    webhook: WebhookId
    url: str
    secret: str = field(repr=False)
    body: str = field(repr=False)


class Webhooks(Protocol):
    """Whoever is told of events, over HTTP."""

    async def send(self, message: Message) -> Reply:
        """One attempt, signed as of now: what became of it within 10 s. Never raises for what a receiver does."""
        ...

    async def objection(self, url: str) -> str | None:
        """Why nothing may be sent to `url`; None: it may, or its host cannot be found at the moment."""
        ...

    def forget(self, webhook: WebhookId) -> None:
        """Let go of the connections to a webhook that is removed or has another address."""
        ...
