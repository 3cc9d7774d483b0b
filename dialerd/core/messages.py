"""Everything that can happen to the dialer (events, past tense), and everything it can want done (effects).

The engine turns the world into these, `dialerd.core.step` turns events into records, journal entries and
effects. A message is data; it knows neither who sent it nor how it is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.model import (
    E164,
    AgentReport,
    CallId,
    Campaign,
    CampaignId,
    ChannelId,
    Contact,
    ContactId,
    ImportId,
    Reason,
    TrunkName,
)

# --- events from Asterisk ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OriginateAccepted:
    """Asterisk has made the channel (200), or had it already (409): the INVITE leaves or has left."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class OriginateRefused:
    """Asterisk refused the originate: provably no INVITE. `ours` tells a fault of our request from the trunk's."""

    channel: ChannelId
    detail: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class OriginateUnanswered:
    """No reply came (deadline, cut socket): the INVITE may have left."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class TryShown:
    """The dial has begun on the wire (first Dial event)."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class TryRinging:
    """A provisional 18x arrived."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class TryAnswered:
    """The callee answered and the channel is in our application."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class TryEnded:
    """The channel is destroyed: the only terminal event. `cause` is Q.850, `sip_code` the final SIP status if any."""

    channel: ChannelId
    cause: int
    sip_code: int | None = None


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """A channel of ours found alive in Asterisk."""

    channel: ChannelId
    answered: bool


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A row of Asterisk's CDR under one of our channel ids: evidence of what happened while we were away."""

    channel: ChannelId
    answered: bool
    disposition: str
    """`ANSWERED`, `NO ANSWER`, `BUSY`, `FAILED` or `CONGESTION`."""
    ended_at: Instant | None
    talk: Millis
    cause: int | None = None
    sip_code: int | None = None
    """The final SIP status, where the record tells it."""


@dataclass(frozen=True, slots=True)
class HostUp:
    """The events socket is open and Asterisk is booted; `live` is every channel of ours that exists now."""

    boot: str
    version: str
    live: tuple[LiveChannel, ...]


@dataclass(frozen=True, slots=True)
class HostDown:
    """The events socket is lost, or Asterisk is not usable. `detail` says what and how to mend it."""

    detail: str


@dataclass(frozen=True, slots=True)
class ManagerUp:
    """The manager interface (AMI) is logged in: trunk state is known."""


@dataclass(frozen=True, slots=True)
class ManagerDown:
    """The manager interface is lost. `detail` says what and how to mend it."""

    detail: str


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """The settle delay after a reconnect is over: CDR rows and live channels for the tries asked about."""

    boot: str
    asked: frozenset[ChannelId]
    live: frozenset[ChannelId]
    records: tuple[CallRecord, ...]
    records_readable: bool
    """False where the CDR could not be read: absence then proves nothing."""


@dataclass(frozen=True, slots=True)
class TrunkReachability:
    """What Asterisk's qualify says of a trunk's endpoint; None: unknown or not qualified."""

    endpoint: str
    reachable: bool | None
    detail: str


# --- events from the media workers ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentHeard:
    """The first audio of the agent has left for the callee."""

    call: CallId


@dataclass(frozen=True, slots=True)
class AgentReported:
    """The agent reported its disposition, captured values or transcript; later reports replace earlier ones."""

    call: CallId
    report: AgentReport


@dataclass(frozen=True, slots=True)
class AgentFinished:
    """The conversation is over: the call may be hung up."""

    call: CallId
    report: AgentReport


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The call has lost its audio or its agent."""

    call: CallId
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class MediaCapacity:
    """How many sessions the media workers can hold now; 0: none is ready."""

    sessions: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MediaHeld:
    """The sessions that the media workers hold, told when this daemon has (re)connected to them."""

    calls: frozenset[CallId]


# --- events from the engine itself ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OriginateWithheld:
    """The gate refused the try between its commit and its sending: it never left."""

    channel: ChannelId
    rule: str


@dataclass(frozen=True, slots=True)
class ReadyLoaded:
    """Contacts that may be due, in dialing order, and the instant at which the next one not among them is due."""

    campaign: CampaignId
    contacts: tuple[Contact, ...]
    held: frozenset[ContactId]
    """Contacts that the engine held when it asked: stale in this answer."""
    exhausted: bool
    """No further contact waits beyond these."""
    next_due: Instant | None


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The store could not be read for `campaign`."""

    campaign: CampaignId
    detail: str


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant the turn asked to be woken at has come."""


# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdmitCampaign:
    """Take up a new campaign whose `contacts` contacts are stored under `import_id`, and seal that import."""

    campaign: Campaign
    import_id: ImportId
    contacts: int
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class StartCampaign:
    """Start before the scheduled time (`at_once`) or a campaign without schedule."""

    campaign: CampaignId
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class PauseCampaign:
    """Place no new calls; `cancel_ringing` also ends those that ring."""

    campaign: CampaignId
    cancel_ringing: bool = False


@dataclass(frozen=True, slots=True)
class ResumeCampaign:
    """Go on dialing."""

    campaign: CampaignId


@dataclass(frozen=True, slots=True)
class StopCampaign:
    """End for good; `hang_up` also ends live calls, `cancel_ringing` those that ring."""

    campaign: CampaignId
    hang_up: bool = False
    cancel_ringing: bool = False


Command = AdmitCampaign | StartCampaign | PauseCampaign | ResumeCampaign | StopCampaign

Event = (
    OriginateAccepted
    | OriginateRefused
    | OriginateUnanswered
    | TryShown
    | TryRinging
    | TryAnswered
    | TryEnded
    | HostUp
    | HostDown
    | ManagerUp
    | ManagerDown
    | EvidenceFound
    | TrunkReachability
    | AgentHeard
    | AgentReported
    | AgentFinished
    | MediaFailed
    | MediaCapacity
    | MediaHeld
    | OriginateWithheld
    | ReadyLoaded
    | LoadFailed
    | Tick
)


@dataclass(frozen=True, slots=True)
class Done:
    """A command was carried out. `await_shown`: tries that must show themselves before it may be answered."""

    changed: bool
    await_shown: frozenset[ChannelId] = frozenset()


@dataclass(frozen=True, slots=True)
class Refused:
    """A command conflicts with the state; `state` names it."""

    detail: str
    state: str | None = None
    unknown: bool = False


Answer = Done | Refused

# --- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a channel of ours."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class DetachAgent:
    """The call is over or must go: release its media."""

    call: CallId


@dataclass(frozen=True, slots=True)
class LoadReady:
    """Read the next waiting contacts of a campaign."""

    campaign: CampaignId
    held: frozenset[ContactId]
    limit: int


@dataclass(frozen=True, slots=True)
class SeekEvidence:
    """After the settle delay, look up live channels and CDR rows of these tries."""

    boot: str
    channels: frozenset[ChannelId]
    delay: Millis


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Post a Tick at this monotonic reading."""

    at: Mono


@dataclass(frozen=True, slots=True)
class WakeAtWall:
    """Post a Tick when the wall clock reaches this instant."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Announce:
    """Something a person or a program may want to know: a log event now, a webhook and an event stream later.

    `kind` is static and dotted (`call.completed`); fields under `personal` are masked unless asked for.
    """

    kind: str
    fields: Mapping[str, Any]
    personal: Mapping[str, str] | None = None


Effect = (
    Originate | HangUp | AttachAgent | DetachAgent | LoadReady | SeekEvidence | WakeAt | WakeAtWall | Announce
)
