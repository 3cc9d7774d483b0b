"""What a turn wants to be true after a crash: the entries of one transaction.

Entries are plain data in the terms of the model; the store port turns them into SQL. All entries of a turn
are committed together, in order, before any effect of that turn is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import E164, CallId, CampaignId, ImportId
from dialerd.core.model import Call, Campaign, ClosedCall, Recording, Try
from dialerd.core.policy import Halt
from dialerd.core.record import record
from dialerd.core.trunk import TrunkChange
from dialerd.core.webhook import Webhook, WebhookId


@record
class CampaignAdmitted:
    """Insert the campaign and seal the import of its contacts."""

    campaign: Campaign
    import_id: ImportId


@record
class ImportSealed:
    """From here the contacts of an import belong to a campaign that exists already."""

    campaign: CampaignId
    import_id: ImportId


@record
class CampaignSaved:
    """Update status, instants and editable fields of a campaign."""

    campaign: Campaign


@record
class CampaignDoomed:
    """From here on nothing of a finished campaign is shown; its rows are deleted later. A live one stays as it is."""

    campaign: CampaignId
    since: Instant


@record
class ContactSaved:
    """Update what happened to a contact; its number and variables never change."""

    contact: Contact


@record
class WaitingClosed:
    """Every still waiting contact of the campaign takes a final state (`expired` or `cancelled`)."""

    campaign: CampaignId
    state: ContactState


REMEMBERED = Millis(86_400_000)
"""How far back the ends of calls move with the clock: no minimum gap is meant to be longer."""


@record
class WaitingShifted:
    """The wall clock was stepped forward by `by`: instants after `since` were counted by a clock that was behind.

    So that no interval is shortened, contacts that wait for a retry after `since` become due that much later, and the
    ends of calls from `REMEMBERED` before `since` on move with it. A first call or a callback is due at a time of day,
    and stays. A retry that legal hours have put off moves too: its instant does not tell.
    """

    since: Instant
    by: Millis


@record
class CallOpened:
    """Insert the attempt; its first try follows as its own entry."""

    call: Call


@record
class CallAnswered:
    """The callee answered: the attempt's answer instant."""

    call: Call


@record
class CallReported:
    """The agent's disposition, captured values and transcript so far."""

    call: Call


@record
class AgentReplaced:
    """Another agent has taken the call, for its own could not."""

    call: Call


@record
class CallJudged:
    """It is known who has answered, or that a message was left."""

    call: Call


@record
class CallCut:
    """We are about to end the call ourselves: a restart goes on with it."""

    call: Call


@record
class CallTransferred:
    """How far a call's transfer has come."""

    call: Call


@record
class CallRecorded:
    """The recording of a call is whole; the call may be over."""

    call: CallId
    recording: Recording


@record
class RecordingDoomed:
    """From here on the recording of a call is not shown; its file is deleted later."""

    call: CallId
    since: Instant


@record
class CallClosed:
    """The attempt's final record."""

    call: Call
    closed: ClosedCall


@record
class TryOpened:
    """Insert a try, before its originate is sent."""

    call: CallId
    attempt: Try


@record
class TrySaved:
    """Update a try's state, instants and codes."""

    call: CallId
    attempt: Try


@record
class CountersMoved:
    """Add to a campaign's counters (deltas by key, see `dialerd.core.metrics`)."""

    campaign: CampaignId
    deltas: Mapping[str, int]


@record
class NumberFreed:
    """A call to this number ended: the minimum gap runs from here, over all campaigns."""

    phone: str
    ended_at: int


@record
class DncChanged:
    """Entries of the do-not-call list that were added (or replaced) and patterns that were taken off."""

    version: int
    added: tuple[DncEntry, ...] = ()
    removed: tuple[str, ...] = ()


@record
class NumberDoomed:
    """What is stored of the person with this number is to be erased; that happens later, bit by bit."""

    phone: E164
    since: Instant


REMEMBERED_REQUESTS = Millis(86_400_000)
"""How long a request that was carried out is known, so that the same one is not carried out again."""


@record
class RequestDone:
    """A request has been carried out, in the same transaction: asked again, it makes nothing more.

    Refused, and all entries with it, if `ident` was carried out less than `REMEMBERED_REQUESTS` ago.
    """

    ident: str
    """Who asked, and what they called their request; a keyed digest."""
    asked: str
    """What was asked; a keyed digest."""
    at: Instant
    made: str = ""
    """The id of what it has made."""
    note: str = ""
    """What else is needed to answer it again."""


@record
class Author:
    """Who asks for a change, and from where; the daemon itself if nobody does."""

    actor: str = "daemon"
    """The id of an API key, or `uid:` with the number of a local user."""
    name: str | None = None
    """What the key or the user is called."""
    origin: str | None = None
    """The address that the request came from, `unix` for the socket."""


@record
class Deed:
    """What somebody has changed, for the audit trail: in the same transaction as the change. It holds no secret."""

    at: Instant
    by: Author
    action: str
    object: str | None = None
    """The id of what was changed; of the do-not-call list its pattern."""
    details: Mapping[str, Any] = field(default_factory=dict)


@record
class DaemonSaved:
    """Whether the whole daemon is halted by order."""

    halt: Halt | None


@record
class TrunkSaved:
    """What was decided of a trunk."""

    change: TrunkChange


@record
class WebhookSaved:
    """Insert or replace a webhook."""

    webhook: Webhook


@record
class WebhookRemoved:
    """Delete a webhook; what was on its way to it is nobody's from here on."""

    webhook: WebhookId


@record
class WebhookQueued:
    """Insert what a webhook is to be told of this turn: durable together with it, or not at all."""

    delivery: Delivery


Entry = (
    CampaignAdmitted
    | ImportSealed
    | CampaignSaved
    | CampaignDoomed
    | ContactSaved
    | WaitingClosed
    | WaitingShifted
    | CallOpened
    | CallAnswered
    | CallReported
    | AgentReplaced
    | CallJudged
    | CallCut
    | CallTransferred
    | CallRecorded
    | RecordingDoomed
    | CallClosed
    | TryOpened
    | TrySaved
    | CountersMoved
    | NumberFreed
    | DncChanged
    | DaemonSaved
    | TrunkSaved
    | NumberDoomed
    | WebhookSaved
    | WebhookRemoved
    | WebhookQueued
    | RequestDone
    | Deed
)
