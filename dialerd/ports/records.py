"""What is handed across the ports: stored records, pages and filters of them.

Plain values. How a store keeps them is its own affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.delivery import DeliveryNumber
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncPatterns
from dialerd.core.engine import EMBEDDED
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ScriptId
from dialerd.core.journal import Deed, RequestDone
from dialerd.core.model import Call, Campaign, CampaignStatus, Declared, Recording
from dialerd.core.policy import Halt
from dialerd.core.report import By
from dialerd.core.transfer import Transfer
from dialerd.core.trunk import TrunkChange
from dialerd.core.wallclock import Stretch
from dialerd.core.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Script:
    """A script version as stored: `body` is the validated document, `source` the text it was read from."""

    id: ScriptId
    version: int
    name: str
    languages: tuple[str, ...]
    variables: Mapping[str, Any]
    """Variable name → `{"default": …}` or `{}` where the contact must bring it."""
    body: Mapping[str, Any]
    source: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class VoiceAgent:
    """Who talks on a call: an engine with what it needs to know. None: as the script or the request says."""

    id: str
    name: str
    language: str | None
    voice: str | None
    script_id: ScriptId | None
    engine: str
    fallback: str | None
    """The agent that takes its calls when its engine cannot."""
    dispositions: Mapping[str, Declared]
    created_at: Instant
    transfer_to: str | None = None
    """Where its calls are transferred to if nothing else is said."""
    record: bool | None = None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that was carried out. `answer` None: the daemon died, or the store, before it was kept."""

    done: RequestDone
    answer: KeptAnswer | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored: never the key itself."""

    id: str
    name: str
    scope: str
    digest: bytes
    created_at: Instant
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class KeptDeed:
    """An entry of the audit trail. Ids grow, and none is given twice."""

    id: int
    deed: Deed


@dataclass(frozen=True, slots=True)
class OpenState:
    """What must be in memory when the daemon starts."""

    campaigns: tuple[Campaign, ...]
    """Live ones, and those closing with calls still open."""
    counters: Mapping[CampaignId, Mapping[str, int]]
    calls: tuple[Call, ...]
    """Attempts without a final record, with their tries and contacts (`deadline` is 0)."""
    last_call: CallId | None
    """The greatest call id ever stored."""
    rested: Mapping[E164, Instant]
    """When the last call to a number ended, for numbers called since the instant asked for."""
    halt: Halt | None = None
    trunks: tuple[TrunkChange, ...] = ()
    shown: Mapping[E164, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """For each caller id the hours (since 1970) in which it was shown since the instant asked for, and how often."""
    erasing: frozenset[E164] = frozenset()
    """Numbers of persons that are being erased."""
    webhooks: tuple[Webhook, ...] = ()
    last_delivery: DeliveryNumber = DeliveryNumber(0)
    """The greatest number of a delivery to a webhook that is stored."""


@dataclass(frozen=True, slots=True)
class ReadyBatch:
    """Waiting contacts, each kind in dialing order."""

    contacts: tuple[Contact, ...]
    exhausted: frozenset[ContactKind]
    """Kinds of which no more are due."""
    next_due: Instant | None
    """When the earliest waiting contact that is not due yet becomes due."""


@dataclass(frozen=True, slots=True)
class NewContact:
    """A validated row of a contact list."""

    phone: E164
    name: str | None
    timezone: str | None
    external_id: str | None
    variables: Mapping[str, Any]
    suppressed: bool = False
    """On the do-not-call list: it is stored, and never dialed."""


@dataclass(frozen=True, slots=True)
class Dnc:
    """The do-not-call list as read at start."""

    version: int
    patterns: DncPatterns
    """Handed over: whoever asked may change them."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that is over, as far as a forecast of other calls is concerned."""

    id: CallId
    phone: E164
    timezone: str | None
    """What its contact says."""
    started_at: Instant
    ring_ms: int
    """From the originate to the answer, or to the end of a call that was not answered; of its last try."""
    talk_ms: int | None
    """None: it was not answered."""
    disposition: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first."""

    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class CampaignFilter:
    """Which campaigns to list; None: any. Bounds are inclusive."""

    status: CampaignStatus | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; None: any. Bounds are inclusive."""

    campaign: CampaignId | None = None
    started_from: Instant | None = None
    started_to: Instant | None = None
    disposition: str | None = None
    language: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class DeedFilter:
    """Which entries of the audit trail to list; None: any. Bounds are inclusive."""

    actor: str | None = None
    """Who it was, by `Author.actor` or by their name."""
    action: str | None = None
    object: str | None = None
    at_from: Instant | None = None
    at_to: Instant | None = None


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which calls are reported, and by what. Bounds are inclusive."""

    by: By
    started_from: Instant
    started_to: Instant
    campaign: CampaignId | None = None
    """None: all calls, single ones included."""
    clock: tuple[Stretch, ...] = ()
    """The clock by whose hours or days calls are grouped, as far as it is asked for and within the bounds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Which deliveries of one state are kept."""

    since: Instant
    """Those that were queued then or later."""
    most: int
    """The newest of them."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as stored: the shape behind the API's call object, instants as instants."""

    id: CallId
    campaign_id: CampaignId | None
    phone: E164
    name: str | None
    status: str
    disposition: str | None
    reason: str | None
    attempt: int
    counted: bool
    language: str
    script_id: ScriptId
    script_version: int
    started_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    duration_ms: int
    answered_by: str | None
    gate: Mapping[str, Any]
    captured: Mapping[str, Any]
    transcript: Sequence[Mapping[str, Any]]
    tries: Sequence[TryRow]
    callback: bool = False
    """The callee asked for this call."""
    agent_id: str | None = None
    voice: str | None = None
    engine: str = EMBEDDED
    takeover: Mapping[str, Any] | None = None
    """The agent that took the call instead of its own: `agent_id`, `engine`, `detail`."""
    instructions: Mapping[str, Any] = field(default_factory=dict)
    """See `dialerd.core.model.Call`; not shown."""
    transfer: Transfer | None = None
    recording: Recording | None = None
    message_left: bool = False


@dataclass(frozen=True, slots=True)
class TryRow:
    """A try as stored."""

    channel: ChannelId
    number: int
    trunk: str
    caller_id: str
    state: str
    opened_at: Instant
    ringing_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant | None
    cause: int | None
    sip_code: int | None


class MediaWorkerState(StrEnum):
    """Whether a media worker takes calls."""

    READY = "ready"
    UNREADY = "unready"
    """It is starting, or something is wrong that its detail names."""
    LATE = "late"
    """Its event loop does not keep up: it keeps its calls and gets no new ones."""
    DRAINING = "draining"
    """There are to be fewer workers: it ends with its last call."""
    GONE = "gone"
    """It is not there, or does not answer; another one is being started."""


@dataclass(frozen=True, slots=True)
class MediaWorker:
    """A media worker as it stands."""

    number: int
    state: MediaWorkerState
    sessions: int
    """Calls that it holds."""
    limit: int
    """Calls that it may hold; 0: it is to hold none."""
    lag: float
    """Seconds by which its event loop was late at most, of the last few."""
    detail: str
    """Why it takes no calls."""
