"""Campaigns and calls (attempts) with their tries, as frozen records, and what they are made of.

A record is replaced, never changed, so a turn that is thrown away leaves nothing behind. This module
holds shapes only: it decides nothing and knows no storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from enum import StrEnum
from typing import Any

from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.disposition import Reason
from dialerd.core.engine import EMBEDDED, StandIn, Takeover
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ScriptId, TrunkName
from dialerd.core.record import record
from dialerd.core.transfer import Transfer
from dialerd.core.windows import Slot

MU_LAW = "ulaw"
"""The codec of telephones (ITU-T G.711), as Asterisk names it."""


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
    limit: Mono | None = None
    """When an answered call has lasted for as long as it may. Not stored."""
    parting: bool = False
    """It was left with a little more time once already. Not stored."""
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
    unheard: bool | None = None
    """Whether its end found the callee without having heard anybody; None: nobody has said. Not stored."""
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
    sought: ChannelId | None = None
    """The person, gone by now, of whom it is being found out whether it was with the callee; in memory only."""
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
