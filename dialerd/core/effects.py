"""What a turn wants done once it is committed: imperative, data, carried out by the engine's dispatcher.

An effect may fail or happen twice; what comes of it returns as an event (`dialerd.core.messages`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dialerd.core.clock import (
    Instant,
    Millis,
    Mono,
)
from dialerd.core.commands import Unmet
from dialerd.core.engine import EMBEDDED, StandIn
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ContactId, TrunkName
from dialerd.core.model import MU_LAW, OnMachine
from dialerd.core.record import record
from dialerd.core.transfer import Target
from dialerd.core.webhook import EventKind


@record
class Originate:
    """Dial one try. `number` is the request URI's user part, already in the trunk's format."""

    channel: ChannelId
    campaign: CampaignId | None
    trunk: TrunkName
    phone: E164
    endpoint: str
    number: str
    caller_id: E164
    ring_timeout: Millis
    max_call: Millis
    codecs: tuple[str, ...] = (MU_LAW,)
    """What the carrier is offered."""


@record
class HangUp:
    """End a channel of ours."""

    channel: ChannelId


@record
class PrepareMedia:
    """The phone rings: have ready what the answer will need. Nothing of it may be heard before."""

    call: CallId
    channel: ChannelId
    engine: str = EMBEDDED
    codec: str = MU_LAW
    """See `AttachAgent`."""
    answer: AttachAgent | None = None
    """What an answer would order now; None: it is not known."""


@record
class ForgoMedia:
    """Nobody is given an agent: let go of what was prepared for the call; nothing was: no harm."""

    call: CallId


@record
class AttachAgent:
    """Give an answered call its voice agent."""

    call: CallId
    channel: ChannelId
    script_id: str
    script_version: int
    language: str
    phone: E164
    name: str | None
    variables: Mapping[str, Any]
    voice: str | None = None
    """None: as the script says."""
    zone: str | None = None
    """Where the callee's clock stands, IANA; None: not known."""
    engine: str = EMBEDDED
    agent_id: str | None = None
    campaign_id: CampaignId | None = None
    caller_id: str | None = None
    """The number that the callee was shown."""
    external_id: str | None = None
    stand_ins: tuple[StandIn, ...] = ()
    """Who takes the call if its agent cannot, in order."""
    instructions: Mapping[str, Any] = field(default_factory=dict)
    """See `Call.instructions`."""
    on_machine: OnMachine = OnMachine.CONTINUE
    record: bool = False
    codec: str = MU_LAW
    """What its carrier speaks, as Asterisk names codecs."""
    labels: Mapping[str, bool] = field(default_factory=dict)
    """Those it may give beside the ones that everybody knows, and whether each counts as a conversion."""
    most: Millis | None = None
    """How long the call may last from its answer: what ends it of itself must come to it before. None: not told."""


@record
class DetachAgent:
    """The call is over or must go: release its media."""

    call: CallId


@record
class CallPerson:
    """Have the phone of a person ring, to whom a callee is to be connected: the user's own side, no contact.

    What it is about goes along, as channel variables and SIP headers.
    """

    channel: ChannelId
    call: CallId
    target: Target
    caller_id: E164
    ring_timeout: Millis
    most: Millis
    """How long callee and person may talk."""
    reason: str = ""
    summary: str = ""
    captured: Mapping[str, Any] = field(default_factory=dict)


@record
class JoinPerson:
    """Bring a callee and the person who answered together, and let the call last up to `most` from now on."""

    channel: ChannelId
    """The callee's."""
    person: ChannelId
    most: Millis
    announcement: str | None = None
    """A sound that the person hears before."""


@record
class ReturnCallee:
    """Nobody was connected though it had begun: the callee goes back to its agent, wherever it is by now."""

    channel: ChannelId


@record
class LimitCall:
    """Let a callee's channel last up to `most` from now on, should no daemon be there to end it."""

    channel: ChannelId
    most: Millis


@record
class RingCallee:
    """Let a callee hear ringing whose agent is gone while a person is being called for it."""

    channel: ChannelId


@record
class TellCallbackUnmet:
    """Tell a call's agent that its callee cannot be called back at the time it `asked` for."""

    call: CallId
    asked: Instant
    unmet: Unmet


@record
class TellTransferFailed:
    """Tell the agent that nobody was connected with its callee: it goes on."""

    call: CallId
    reason: str


@record
class HoldForTransfer:
    """Tell the agent's side that somebody else has asked for a transfer; `warm`: the agent may go on talking."""

    call: CallId
    warm: bool


@record
class ShowCall:
    """Read a call as it is stored now, to tell of it."""

    call: CallId
    kind: EventKind


@record
class LoadReady:
    """Read the next waiting contacts of a campaign."""

    campaign: CampaignId
    held: frozenset[ContactId]
    limits: tuple[int, int, int]
    """How many of each kind at most, in the order of `ContactKind`."""
    recent_since: Instant | None = None
    """Since when calls to their numbers are of interest; None: never."""


@record
class SeekReady:
    """Read due contacts of a campaign whose numbers one trunk takes, in the order of their numbers."""

    campaign: CampaignId
    trunk: TrunkName
    prefixes: tuple[str, ...]
    behind: str
    """The number behind which they are looked for; empty: from the first."""
    held: frozenset[ContactId]
    limit: int
    recent_since: Instant | None = None


@record
class SeekEvidence:
    """After the settle delay, look up live channels and CDR rows of these tries and persons."""

    boot: str
    channels: frozenset[ChannelId]
    delay: Millis


@record
class FindNumbers:
    """Look for waiting contacts under a do-not-call pattern."""

    pattern: str
    limit: int


@record
class ReleaseMedia:
    """Remove the media leg and the bridge of a call that is over."""

    channel: ChannelId


@record
class CountChannels:
    """Ask Asterisk which channels of ours it has."""

    boot: str


@record
class WakeAt:
    """Post a Tick at this monotonic reading."""

    at: Mono
    for_silence: bool = False
    """Only to see whether a call has been silent for too long; where none can be it may be left out."""


@record
class WakeAtWall:
    """Post a Tick when the wall clock reaches this instant."""

    at: Instant


@record
class Announce:
    """Something a person or a program may want to know: a log event now, a webhook and an event stream later.

    `kind` is static and dotted (`call.completed`); fields under `personal` are masked unless asked for.
    """

    kind: str
    fields: Mapping[str, Any]
    personal: Mapping[str, str] | None = None


Effect = (
    Originate
    | HangUp
    | PrepareMedia
    | ForgoMedia
    | AttachAgent
    | DetachAgent
    | CallPerson
    | JoinPerson
    | ReturnCallee
    | LimitCall
    | RingCallee
    | TellCallbackUnmet
    | TellTransferFailed
    | HoldForTransfer
    | ShowCall
    | LoadReady
    | SeekReady
    | SeekEvidence
    | FindNumbers
    | CountChannels
    | ReleaseMedia
    | WakeAt
    | WakeAtWall
    | Announce
)
