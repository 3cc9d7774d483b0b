"""The nouns of the product: campaigns, contacts, calls (attempts), tries and trunks, as frozen records.

A record is replaced, never changed, so a turn that is thrown away leaves nothing behind. This module
holds shapes only: it decides nothing and knows no storage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from enum import IntEnum, StrEnum
from typing import Any, NewType

from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.engine import EMBEDDED, StandIn, Takeover
from dialerd.core.record import record
from dialerd.core.transfer import Transfer, TransferRules
from dialerd.core.windows import Slot

CampaignId = NewType("CampaignId", str)
CallId = NewType("CallId", str)
ChannelId = NewType("ChannelId", str)
ContactId = NewType("ContactId", int)
ImportId = NewType("ImportId", int)
InstanceId = NewType("InstanceId", str)
ScriptId = NewType("ScriptId", str)
TrunkName = NewType("TrunkName", str)

MU_LAW = "ulaw"
"""The codec of telephones (ITU-T G.711), as Asterisk names it."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


ERASED = "+999"
"""How what stands in the place of an erased number begins: ITU-T has given that code to nobody, no list takes it."""


class E164(str):
    """A number in E.164 form (ITU-T E.164: `+`, no leading zero, at most 15 digits).

    Only a value of this type may reach a dial string, so whatever is not a number cannot.
    Raises `ValueError` for anything else.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> E164:
        if not _E164.fullmatch(value):
            raise ValueError(f"not an E.164 number: {value!r}")
        return super().__new__(cls, value)

    @property
    def digits(self) -> str:
        """The number without its plus sign."""
        return self[1:]

    @property
    def erased(self) -> bool:
        """Whether it stands in the place of a number that was erased (`ERASED`)."""
        return self.startswith(ERASED)

    @property
    def masked(self) -> str:
        """For logs: country prefix and last two digits."""
        return f"{self[:3]}***{self[-2:]}"


class CampaignStatus(StrEnum):
    """The five states of the seed page."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"

    @property
    def live(self) -> bool:
        """Whether the campaign may still dial, now or later."""
        return self in (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)


class ContactKind(IntEnum):
    """What kind of call a waiting contact waits for; a campaign shares its starts between them."""

    FRESH = 1
    RETRY = 2
    CALLBACK = 3


class ContactState(StrEnum):
    """Where a contact stands in its campaign."""

    PENDING = "pending"
    DIALING = "dialing"
    IN_CALL = "in_call"
    RETRY_WAITING = "retry_waiting"
    CALLBACK_WAITING = "callback_waiting"
    FINISHED = "finished"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def waiting(self) -> bool:
        """Whether the contact still waits for a call."""
        return self in _KINDS

    @property
    def kind(self) -> ContactKind | None:
        """What it waits for; None: it does not wait."""
        return _KINDS.get(self)

    @property
    def busy(self) -> bool:
        """Whether an attempt at the contact is running."""
        return self in (ContactState.DIALING, ContactState.IN_CALL)


_KINDS = {
    ContactState.PENDING: ContactKind.FRESH,
    ContactState.RETRY_WAITING: ContactKind.RETRY,
    ContactState.CALLBACK_WAITING: ContactKind.CALLBACK,
}


class Reason(StrEnum):
    """Why an attempt ended as it did, for `not_reachable` and for `connected` calls that went wrong."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNWANTED = "unwanted"
    INVALID_NUMBER = "invalid_number"
    NUMBER_CHANGED = "number_changed"
    VOICEMAIL = "voicemail"
    CONGESTION = "congestion"
    FAILED = "failed"
    LOST = "lost"
    ABANDONED = "abandoned"
    DROPPED = "dropped"
    ENGINE_FAILED = "engine_failed"
    CUT = "cut"


class AnsweredBy(StrEnum):
    """Who has answered a call."""

    HUMAN = "human"
    MACHINE = "machine"


class OnMachine(StrEnum):
    """What is done when an answering machine is heard."""

    CONTINUE = "continue"
    """The agent goes on: it may have been a person after all. It is told in the record."""
    HANG_UP = "hangup"
    MESSAGE = "message"
    """The script's message is left after the tone, one a contact at most."""
    IGNORE = "ignore"
    """Nobody listens for machines."""


NO_SCRIPT = ScriptId("")
"""In the place of a script, version 0: the engine that holds the conversation needs none."""

NOT_REACHABLE = "not_reachable"
CONNECTED = "connected"
CALLBACK_REQUESTED = "callback_requested"
DO_NOT_CALL = "dnc"
ESCALATED = "escalated"


@record
class RetryRule:
    """How attempts that ended for one reason are repeated, instead of after the campaign's interval."""

    after: Millis
    most: int | None = None
    """Retries for this reason at most; None: as many as `max_attempts` leaves."""


@record
class Terms:
    """How a call is to be placed: what a campaign, or a one-off call, asks of the trunks."""

    ring_timeout: Millis = Millis(30_000)
    trunks: tuple[TrunkName, ...] = ()
    """Trunks that may be used, in order; empty: every trunk, in configuration order."""
    caller_id: E164 | None = None
    """None: the default of the trunk that is used. Otherwise only trunks that carry it are used."""
    transfer_to: str | None = None
    """Where the call is transferred to if nothing else is said."""
    record: bool = False
    """Whether the call is recorded."""


@record
class Shares:
    """How a campaign's starts are shared between the kinds of contacts, as long as all of them wait."""

    fresh: float = 1.0
    retries: float = 1.0
    callbacks: float = 8.0

    def of(self, kind: ContactKind) -> float:
        """The share of a kind."""
        return (self.fresh, self.retries, self.callbacks)[kind - 1]


@record
class Campaign:
    """One batch of calls sharing a script, a window and a contact list."""

    id: CampaignId
    name: str
    script_id: ScriptId
    script_version: int
    language: str
    status: CampaignStatus
    created_at: Instant
    agent_id: str | None = None
    voice: str | None = None
    """None: as the script says."""
    engine: str = EMBEDDED
    stand_ins: tuple[StandIn, ...] = ()
    """Who takes a call that its agent cannot take, in order."""
    start_at: Instant | None = None
    """None together with `end_at`: no schedule, the campaign waits for an explicit start."""
    end_at: Instant | None = None
    timezone: str | None = None
    max_attempts: int = 1
    retry_interval: Millis = Millis(3_600_000)
    ring_timeout: Millis = Millis(30_000)
    max_concurrent_calls: int | None = None
    calls_per_second: float | None = None
    weight: float = 1.0
    trunks: tuple[TrunkName, ...] = ()
    """Trunks this campaign may use, in order; empty: every trunk, in configuration order."""
    caller_id: E164 | None = None
    keep_open: bool = False
    hours: tuple[Slot, ...] = ()
    """Weekly hours in the campaign's zone; empty: every hour."""
    holidays: tuple[str, ...] = ()
    """Dates and country codes as they were given; `closed` is what they come to."""
    closed: frozenset[date] = frozenset()
    """Days in the campaign's zone on which nothing is dialed."""
    retry_rules: Mapping[Reason, RetryRule] = field(default_factory=dict)
    max_callbacks: int = 1
    shares: Shares = Shares()
    transfer_to: str | None = None
    """Where its calls are transferred to if nothing else is said."""
    record: bool = False
    on_machine: OnMachine = OnMachine.CONTINUE
    version: int = 1
    """Counts edits: what an `If-Match` is compared with."""
    started_at: Instant | None = None
    finished_at: Instant | None = None
    closing: bool = False
    """The end time has passed: nothing is dialed any more, live calls are awaited."""

    @property
    def terms(self) -> Terms:
        """How its calls are to be placed."""
        return Terms(self.ring_timeout, self.trunks, self.caller_id, self.transfer_to, self.record)


@record
class Contact:
    """One number in one campaign, with its variables and what happened to it so far."""

    id: ContactId
    campaign_id: CampaignId
    phone: E164
    name: str | None = None
    timezone: str | None = None
    external_id: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    state: ContactState = ContactState.PENDING
    attempts: int = 0
    """Counted attempts, the running one included; a refund takes it back."""
    turns: int = 0
    """Every attempt ever opened, refunded ones included; never decreases."""
    refunds: int = 0
    not_before: Instant = Instant(0)
    disposition: str | None = None
    reason: Reason | None = None
    positive: bool = False
    connected_attempt: int | None = None
    """The counted attempt on which the contact first answered."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """Retries begun so far, by the reason that caused them."""
    callbacks: int = 0
    """Callbacks placed; they are no attempts."""
    callback_unmet: Instant | None = None
    """The callee asked to be called at this instant, which no window of the campaign allows."""
    escalated: bool = False
    """A person was connected with it, on any of its calls."""
    caller_id: E164 | None = None
    """The caller id it was last called with, and is called with again where that is possible."""
    message_left: bool = False
    """Its answering machine has the campaign's message."""
    recent: tuple[Instant, ...] = ()
    """Starts of counted calls to its number, over all campaigns, as far back as frequency caps look: as read from the
    store at `read_at`, never written."""
    read_at: Instant = field(default=Instant(0), compare=False)


class TryState(StrEnum):
    """How far one originate has come."""

    OPEN = "open"
    """Committed; the originate may or may not have left."""
    SHOWN = "shown"
    """Asterisk reported the dial begun: the INVITE is leaving."""
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    NOT_SENT = "not_sent"
    """Provably never sent: the gate refused it after the commit, or Asterisk refused the originate."""


@record
class Try:
    """One originate, one INVITE: `channel` is its id in Asterisk and never used again."""

    channel: ChannelId
    number: int
    trunk: TrunkName
    caller_id: E164
    state: TryState
    boot: str
    """Identity of the Asterisk boot it was sent to (`startup_time`)."""
    opened_at: Instant
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    cause: int | None = None
    """Q.850 hangup cause as Asterisk reports it."""
    sip_code: int | None = None


class CallStatus(StrEnum):
    """A call as the API shows it."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@record
class AgentReport:
    """What the voice agent said of the conversation, as far as it has said it."""

    disposition: str | None = None
    positive: bool = False
    captured: Mapping[str, Any] = field(default_factory=dict)
    transcript: tuple[Mapping[str, Any], ...] = ()
    callback_at: Instant | None = None
    """When the callee wants to be called again (`callback_requested`); None: no time was given."""


@record
class Declared:
    """What a label means that a voice agent may give beside those that everybody knows."""

    positive: bool = False
    terminal: bool = True
    """False: the contact is called again, as long as it has attempts left."""


@record
class Label:
    """What somebody else than the call's own agent has said of it. It stands, whatever the agent says later."""

    disposition: str
    positive: bool = False
    terminal: bool = True
    """False: the contact is called again, as long as it has attempts left."""
    callback_at: Instant | None = None
    captured: Mapping[str, Any] = field(default_factory=dict)

    def over(self, report: AgentReport) -> AgentReport:
        """An agent's report, with this label on it."""
        return AgentReport(
            self.disposition,
            self.positive,
            {**report.captured, **self.captured},
            report.transcript,
            self.callback_at,
        )


@record
class Recording:
    """The audio of a call, as it is kept."""

    path: str
    """Below the folder of recordings; it tells nothing of the person."""
    size: int
    """Bytes."""
    length: Millis


@record
class Call:
    """One attempt at one number, with its tries."""

    id: CallId
    phone: E164
    language: str
    script_id: ScriptId
    script_version: int
    attempt: int
    tries: tuple[Try, ...]
    started_at: Instant
    deadline: Mono
    """When the engine asks what became of it if no terminal event has come."""
    campaign_id: CampaignId | None = None
    contact: Contact | None = None
    name: str | None = None
    """The callee's name, for a call without contact."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The script's variables, for a call without contact."""
    terms: Terms = Terms()
    callback: bool = False
    """The callee asked for this call: it is no attempt of `max_attempts`."""
    gate: Mapping[str, Any] = field(default_factory=dict)
    agent_id: str | None = None
    voice: str | None = None
    """None: as the script says."""
    engine: str = EMBEDDED
    stand_ins: tuple[StandIn, ...] = ()
    """Who takes the call if its agent cannot, in order."""
    instructions: Mapping[str, Any] = field(default_factory=dict)
    """What whoever placed the call wants done in it, in its engine's own terms; for a call without contact."""
    takeover: Takeover | None = None
    on_machine: OnMachine = OnMachine.CONTINUE
    """Of a call without campaign."""
    answered_by: AnsweredBy | None = None
    """None: it could not be told yet."""
    message_left: bool = False
    report: AgentReport = AgentReport()
    label: Label | None = None
    """Part of `report` already."""
    agent_audio_at: Instant | None = None
    hangup: Reason | None = None
    """Set, and journaled, before we ask Asterisk to end the call; `CUT` for pause, stop and panic."""
    sweeping: bool = False
    """Its number is being taken out of other campaigns: the record is not closed before that is done (`swept`)."""
    swept: bool = False
    agent_attached: bool = False
    agent_done: bool = False
    """The agent's last word has come: nothing more will be said of this call."""
    media_fault: Reason | None = None
    recording: Recording | None = None
    """Once it is whole."""
    transfer: Transfer | None = None
    """Its last transfer."""
    transfer_deadline: Mono = Mono(0)
    """When a person's phone has rung for too long."""

    @property
    def current(self) -> Try:
        """The try that is running (the last one)."""
        return self.tries[-1]

    @property
    def answered_at(self) -> Instant | None:
        """When the callee answered."""
        return self.current.answered_at

    @property
    def speaking_engine(self) -> str:
        """Whose session the call holds until its agent is done."""
        return self.engine if self.takeover is None else self.takeover.engine


@record
class ClosedCall:
    """The final record of an attempt, as it is stored and shown."""

    id: CallId
    status: CallStatus
    disposition: str
    reason: Reason | None
    counted: bool
    ended_at: Instant
    duration: Millis
    """Answered time."""


@record
class Trunk:
    """A SIP trunk as configured: an Asterisk PJSIP endpoint with the limits agreed with its carrier."""

    name: TrunkName
    endpoint: str
    caller_ids: tuple[E164, ...]
    max_channels: int
    calls_per_second: float
    number_format: str = "e164"
    """`e164` sends `+` and digits, `digits` the digits alone."""
    prefixes: tuple[str, ...] = ("",)
    """Numbers it takes: E.164 digits they may begin with, `""` for all. Of several trunks the longest match wins."""
    strip: str = ""
    """Leading digits that are taken off (after the format), if the number has them."""
    prepend: str = ""
    """Digits that are put in front then: an access code, or a national prefix."""
    codecs: tuple[str, ...] = (MU_LAW,)
    """What its carrier is offered, as Asterisk names codecs; the first decides how its calls are carried."""
    registration: str | None = None
    """The PJSIP registration without which its carrier takes no calls; None: it needs none."""
    adaptive: bool = True
    """Whether the rate follows what the carrier takes (`dialerd.core.adaptive`)."""
    caller_id_cap: int | None = None
    """How many calls a day may show one of its numbers."""
    caller_id_rest: Millis = Millis(0)
    """How long a number rests that is answered much less than the others; 0: never."""
    caller_id_rest_below: float = 0.5
    """Answered so little, as a part of the others' rate."""

    def dialed(self, phone: E164) -> str:
        """The user part of the request URI for `phone`."""
        if self.strip or self.prepend:
            return self.prepend + phone.digits.removeprefix(self.strip)
        return phone.digits if self.number_format == "digits" else str(phone)

    def match(self, phone: E164) -> int | None:
        """How many digits of `phone` its best prefix covers; None: it does not take this number."""
        found = [len(prefix) for prefix in self.prefixes if phone.startswith(prefix, 1)]
        return max(found) if found else None


@record
class Policy:
    """Installation-wide rules of dialing."""

    min_gap: Millis
    """Minimum time between the end of one call to a number and the start of the next, over all campaigns."""
    refund_spacing: tuple[Millis, ...]
    """Waits before the first, second, third … try after a refund; their count is the limit of refunds."""
    max_unanswered_originates: int = 16
    """Originates per Asterisk whose reply is outstanding; more would queue in the socket, their gate verdict stale."""
    max_call: Millis = Millis(600_000)
    backstop: Millis = Millis(10_000)
    """Wait beyond ring timeout before the engine asks Asterisk about a silent try."""
    settle: Millis = Millis(1_500)
    """Wait after a reconnect before the absence of a try is believed."""
    clock_settle: Millis = Millis(60_000)
    """How long the wall clock must agree with the monotonic one, after a step, before anything is dialed again."""
    caps: tuple[tuple[Millis, int], ...] = ()
    """Frequency caps: within any such time so many counted calls to one number at most, over all campaigns."""
    abandoned_share: float = 0.03
    """Live answers in which nobody was heard within two seconds, of all: beyond it a campaign is braked."""
    abandoned_least: int = 100
    """Live answers of a campaign from which that is judged."""
    audit: Millis = Millis(5_000)
    """How often calls are compared with the channels that Asterisk has, while there are any."""
    transfers: TransferRules = TransferRules()


class Halt(StrEnum):
    """Why the whole daemon places no calls, by somebody's order. Durable; only a resume lifts it."""

    PAUSE = "pause"
    PANIC = "panic"


@record
class TrunkChange:
    """What was decided of a trunk beside its configuration; durable."""

    trunk: TrunkName
    paused: str | None = None
    """Why it must not be used until somebody has mended it and says so."""
    max_channels: int | None = None
    calls_per_second: float | None = None
    """None: as configured."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Caller ids that are not shown before an instant."""
