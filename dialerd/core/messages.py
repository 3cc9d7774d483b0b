"""Everything that can happen to the dialer: events, in the past tense.

The engine turns the world into these; `dialerd.core.step` turns them into records, journal entries and effects. A
message is data; it knows not who sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dialerd.core.clock import (
    Instant,
    Millis,
)
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncPatterns
from dialerd.core.engine import EngineState
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ContactId, TrunkName
from dialerd.core.model import AgentReport, AnsweredBy, Declared, Recording
from dialerd.core.person import PersonAnswered, PersonGone, PersonJoined, PersonNotJoined, PersonRefused
from dialerd.core.record import record
from dialerd.core.transfer import TransferWish
from dialerd.core.webhook import EventKind

# --- events from Asterisk ------------------------------------------------------------------------


@record
class OriginateAccepted:
    """Asterisk has made the channel (200), or had it already (409): the INVITE leaves or has left."""

    channel: ChannelId


@record
class OriginateRefused:
    """Asterisk refused the originate: provably no INVITE. `ours` tells a fault of our request from the trunk's."""

    channel: ChannelId
    detail: str
    ours: bool = False


@record
class OriginateUnanswered:
    """No reply came (deadline, cut socket): the INVITE may have left."""

    channel: ChannelId


@record
class TryShown:
    """The dial has begun on the wire (first Dial event)."""

    channel: ChannelId


@record
class TryRinging:
    """A provisional 18x arrived."""

    channel: ChannelId


@record
class TryAnswered:
    """The callee answered and the channel is in our application."""

    channel: ChannelId


@record
class TryEnded:
    """The channel is destroyed: the only terminal event. `cause` is Q.850, `sip_code` the final SIP status if any."""

    channel: ChannelId
    cause: int
    sip_code: int | None = None


@record
class LiveChannel:
    """A channel of ours found alive in Asterisk."""

    channel: ChannelId
    answered: bool


@record
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
    was_together: bool = False
    """Of a callee: it was in one bridge with a person; of a person: with its callee."""


@record
class HostUp:
    """The events socket is open and Asterisk is booted; `live` is every channel of ours that exists now."""

    boot: str
    version: str
    live: tuple[LiveChannel, ...]
    persons: tuple[LiveChannel, ...] = ()
    """Channels of persons to whom callees are, or are to be, connected."""


@record
class HostDown:
    """The events socket is lost, or Asterisk is not usable. `detail` says what and how to mend it."""

    detail: str


@record
class ManagerUp:
    """The manager interface (AMI) is logged in: trunk state is known."""


@record
class ManagerDown:
    """The manager interface is lost. `detail` says what and how to mend it."""

    detail: str


@record
class EvidenceFound:
    """The settle delay after a reconnect is over: CDR rows and live channels for the tries asked about."""

    boot: str
    asked: frozenset[ChannelId]
    live: frozenset[ChannelId]
    records: tuple[CallRecord, ...]
    records_readable: bool
    """False where the CDR could not be read: absence then proves nothing."""


@record
class TrunkReachability:
    """What Asterisk's qualify says of a trunk's endpoint; None: unknown or not qualified."""

    endpoint: str
    reachable: bool | None
    detail: str


@record
class TrunkRegistration:
    """What Asterisk says of an outbound registration with a carrier; None: it does not tell."""

    registration: str
    registered: bool | None
    detail: str


# --- events from the media workers ---------------------------------------------------------------


@record
class AgentHeard:
    """The first audio of the agent has left for the callee."""

    call: CallId


@record
class AgentStoodIn:
    """The call's own agent could not take it, or broke off before it was heard: this one has it now."""

    call: CallId
    agent_id: str
    engine: str
    detail: str


@record
class AnswerJudged:
    """It was heard who has answered; a later verdict replaces an earlier one."""

    call: CallId
    answered_by: AnsweredBy
    detail: str


@record
class MessageLeft:
    """The callee's answering machine has the whole message."""

    call: CallId


@record
class AgentReported:
    """The agent reported its disposition, captured values or transcript; later reports replace earlier ones."""

    call: CallId
    report: AgentReport


@record
class AgentFinished:
    """The conversation is over: the call may be hung up."""

    call: CallId
    report: AgentReport
    unheard: bool = False
    """It was ended on our side before the callee had heard anybody."""


@record
class RecordingKept:
    """The recording of a call is whole."""

    call: CallId
    recording: Recording


@record
class RecordingLost:
    """A call that was to be recorded is not. `detail` says why."""

    call: CallId
    detail: str


@record
class CallShown:
    """A call as it is stored, in the words of the API, because somebody is to be told of it."""

    call: CallId
    kind: EventKind
    shown: Mapping[str, Any]


@record
class TransferAsked:
    """The agent wants the callee connected with a person."""

    call: CallId
    wish: TransferWish
    ask: int = 0
    """Counts the wishes of the call's agent: one that is told twice is one."""


@record
class MediaFailed:
    """The call has lost its audio or its agent."""

    call: CallId
    reason: Reason
    detail: str
    unheard: bool | None = None
    """Whether the callee had heard nobody until then. None: whoever tells this does not know."""


@record
class MediaCapacity:
    """How many sessions the media workers can hold now; 0: none is ready."""

    sessions: int
    detail: str = ""
    engines: Mapping[str, EngineState] = field(default_factory=dict)
    """The same of every engine beside the embedded one."""


@record
class MediaHeld:
    """The sessions that the media workers hold, told when this daemon has (re)connected to them."""

    calls: frozenset[CallId]


# --- events from the engine itself ---------------------------------------------------------------


@record
class OriginateWithheld:
    """The gate refused the try between its commit and its sending: it never left."""

    channel: ChannelId
    rule: str


@record
class ReadyLoaded:
    """Contacts that may be due, in dialing order, and the instant at which the next one not among them is due."""

    campaign: CampaignId
    contacts: tuple[Contact, ...]
    held: frozenset[ContactId]
    """Contacts that the engine held when it asked: stale in this answer."""
    exhausted: frozenset[ContactKind]
    """Kinds of which no further contact is due beyond these."""
    next_due: Instant | None


@record
class ReadySought:
    """Due contacts that one trunk takes, in the order of their numbers. `dry`: there are no more behind them."""

    campaign: CampaignId
    trunk: TrunkName
    contacts: tuple[Contact, ...]
    held: frozenset[ContactId]
    dry: bool


@record
class LoadFailed:
    """The store could not be read for `campaign`."""

    campaign: CampaignId
    detail: str


@record
class NumbersFound:
    """Waiting contacts under a do-not-call pattern, found in the store. `more`: there may be others."""

    pattern: str
    contacts: tuple[Contact, ...]
    more: bool


@record
class ErasureDue:
    """Contacts with a number that is being erased may still wait."""

    phone: E164


@record
class ErasureDone:
    """Nothing that is stored tells of this number any more."""

    phone: E164


@record
class DncLoaded:
    """The do-not-call list has been read at start."""

    version: int
    patterns: DncPatterns


@record
class DncUnreadable:
    """The do-not-call list cannot be read: nothing may be dialed."""

    detail: str


@record
class ChannelsCounted:
    """A snapshot of what Asterisk and the media workers have of ours."""

    boot: str
    live: frozenset[ChannelId]
    media: frozenset[ChannelId] = frozenset()
    """Tries for which there is a media leg or a bridge."""
    sessions: frozenset[CallId] | None = None
    """Calls that the media workers hold; None: they were not asked."""
    persons: frozenset[ChannelId] = frozenset()


@record
class LabelsDeclared:
    """An agent or a script (`dialerd.core.labels`) declares these labels, and no others."""

    by: str
    labels: Mapping[str, Declared]


@record
class Tick:
    """An instant the turn asked to be woken at has come."""


Event = (
    OriginateAccepted
    | OriginateRefused
    | OriginateUnanswered
    | TryShown
    | TryRinging
    | TryAnswered
    | TryEnded
    | PersonRefused
    | PersonAnswered
    | PersonJoined
    | PersonNotJoined
    | PersonGone
    | HostUp
    | HostDown
    | ManagerUp
    | ManagerDown
    | EvidenceFound
    | TrunkReachability
    | TrunkRegistration
    | AgentHeard
    | AgentStoodIn
    | AnswerJudged
    | MessageLeft
    | AgentReported
    | AgentFinished
    | TransferAsked
    | RecordingKept
    | RecordingLost
    | CallShown
    | MediaFailed
    | MediaCapacity
    | MediaHeld
    | OriginateWithheld
    | ReadyLoaded
    | ReadySought
    | LoadFailed
    | NumbersFound
    | ErasureDue
    | ErasureDone
    | DncLoaded
    | DncUnreadable
    | ChannelsCounted
    | LabelsDeclared
    | Tick
)
