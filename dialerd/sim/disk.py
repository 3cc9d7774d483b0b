"""What a fake store keeps: the tables, and what each entry of the journal does to them.

It outlives the store that was opened on it, as a file outlives its daemon. What the real store refuses (rows that
exist, rows that do not) is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dialerd.core.clock import Instant, Mono
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InvariantError
from dialerd.core.identity import E164, CallId, CampaignId, ContactId, ImportId, ScriptId, TrunkName
from dialerd.core.journal import (
    REMEMBERED,
    REMEMBERED_REQUESTS,
    AgentReplaced,
    CallAnswered,
    CallClosed,
    CallCut,
    CallJudged,
    CallOpened,
    CallRecorded,
    CallReported,
    CallTransferred,
    CampaignAdmitted,
    CampaignDoomed,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    DaemonSaved,
    Deed,
    DncChanged,
    Entry,
    ImportSealed,
    NumberDoomed,
    NumberFreed,
    RecordingDoomed,
    RequestDone,
    TrunkSaved,
    TryOpened,
    TrySaved,
    WaitingClosed,
    WaitingShifted,
    WebhookQueued,
    WebhookRemoved,
    WebhookSaved,
)
from dialerd.core.model import Call, Campaign, ClosedCall, Terms, Try
from dialerd.core.policy import Halt
from dialerd.core.results import Reject
from dialerd.core.table import Table
from dialerd.core.trunk import TrunkChange
from dialerd.core.webhook import Webhook, WebhookId
from dialerd.ports import AnsweredRequest, ApiKey, Script, VoiceAgent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredImport:
    """Contacts that came together; nothing reads them until they are sealed."""

    id: ImportId
    campaign: CampaignId
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact, and the import it came with."""

    contact: Contact
    import_id: ImportId


@dataclass(frozen=True, slots=True)
class StoredCall:
    """What is kept of a call: its contact is looked up, never copied."""

    call: Call
    contact: ContactId | None
    closed: ClosedCall | None = None
    unwanted: bool = False
    """Its recording was deleted: none that comes later is kept."""


@dataclass(eq=False)
class FakeDisk:
    """What survives a crash."""

    campaigns: Table[CampaignId, Campaign] = field(default_factory=Table)
    deletions: Table[CampaignId, Instant] = field(default_factory=Table)
    erasures: Table[E164, Instant] = field(default_factory=Table)
    counters: Table[CampaignId, Mapping[str, int]] = field(default_factory=Table)
    imports: Table[ImportId, StoredImport] = field(default_factory=Table)
    contacts: Table[ContactId, StoredContact] = field(default_factory=Table)
    phones: Table[tuple[CampaignId, E164], ContactId] = field(default_factory=Table)
    calls: Table[CallId, StoredCall] = field(default_factory=Table)
    doomed_files: Table[str, Instant] = field(default_factory=Table)
    """Recordings whose files are to be deleted."""
    numbers: Table[str, NumberFreed] = field(default_factory=Table)
    dnc: Table[str, DncEntry] = field(default_factory=Table)
    dnc_version: Table[str, int] = field(default_factory=lambda: Table({"": 0}))
    halt: Table[str, Halt] = field(default_factory=Table)
    trunks: Table[TrunkName, TrunkChange] = field(default_factory=Table)
    webhooks: Table[WebhookId, Webhook] = field(default_factory=Table)
    deliveries: Table[DeliveryNumber, Delivery] = field(default_factory=Table)
    scripts: Table[tuple[ScriptId, int], Script] = field(default_factory=Table)
    gone: Table[tuple[ScriptId, int], Instant] = field(default_factory=Table)
    """Versions of scripts that are deleted."""
    agents: Table[str, VoiceAgent] = field(default_factory=Table)
    keys: Table[str, ApiKey] = field(default_factory=Table)
    rejects: dict[ImportId, list[Reject]] = field(default_factory=dict)
    requests: Table[str, AnsweredRequest] = field(default_factory=Table)
    deeds: Table[int, Deed] = field(default_factory=Table)
    last_import: int = 0
    last_contact: int = 0
    last_deed: int = 0
    """The greatest ids given; none is given twice."""
    holder: str | None = None
    """Who has it open."""

    def tables(self) -> tuple[Table[Any, Any], ...]:
        """Those that a transaction of the engine changes."""
        dialing = (self.campaigns, self.counters, self.imports, self.contacts, self.calls, self.numbers)
        decided = (self.dnc, self.dnc_version, self.halt, self.trunks, self.doomed_files)
        told = (self.webhooks, self.deliveries, self.deletions, self.erasures, self.requests, self.deeds)
        return (*dialing, *decided, *told)

    def write(self, entries: Iterable[Entry]) -> None:
        """Apply all entries, or none. Raises `InvariantError`."""
        steps: dict[type[Any], Callable[[Any], None]] = {
            CampaignAdmitted: self._admit,
            ImportSealed: lambda entry: self._seal(entry.campaign, entry.import_id),
            CampaignSaved: self._save_campaign,
            CampaignDoomed: self._doom,
            ContactSaved: self._save_contact,
            WaitingClosed: self._close_waiting,
            WaitingShifted: self._shift,
            CallOpened: self._open_call,
            CallAnswered: lambda entry: self._save_try(entry.call.id, entry.call.current),
            CallReported: self._report,
            AgentReplaced: self._replace_agent,
            CallJudged: self._judge,
            CallCut: self._cut,
            CallTransferred: self._transfer,
            CallRecorded: self._record,
            RecordingDoomed: self._doom_recording,
            CallClosed: self._close_call,
            TryOpened: self._open_try,
            TrySaved: lambda entry: self._save_try(entry.call, entry.attempt),
            CountersMoved: self._count,
            NumberFreed: self._free,
            DncChanged: self._change_dnc,
            DaemonSaved: self._save_halt,
            TrunkSaved: self._save_trunk,
            NumberDoomed: lambda entry: self.erasures.put(entry.phone, entry.since),
            WebhookSaved: lambda entry: self.webhooks.put(entry.webhook.id, entry.webhook),
            WebhookRemoved: self._remove_webhook,
            WebhookQueued: self._queue,
            RequestDone: self.note_request,
            Deed: self.note_deed,
        }
        try:
            for entry in entries:
                steps[type(entry)](entry)
        except BaseException:
            for table in self.tables():
                table.discard()
            raise
        for table in self.tables():
            table.adopt()

    def _admit(self, entry: CampaignAdmitted) -> None:
        if entry.campaign.id in self.campaigns:
            raise InvariantError(f"campaign {entry.campaign.id} exists")
        self.campaigns.put(entry.campaign.id, entry.campaign)
        self._seal(entry.campaign.id, entry.import_id)

    def _seal(self, campaign: CampaignId, import_id: ImportId) -> None:
        _present(self.campaigns.get(campaign), "campaign", campaign)
        found = self.imports.get(import_id)
        if found is None or found.sealed or found.campaign != campaign:
            raise InvariantError(f"import {import_id} of campaign {campaign} is not open")
        self.imports.put(found.id, replace(found, sealed=True))

    def _save_campaign(self, entry: CampaignSaved) -> None:
        before = _present(self.campaigns.get(entry.campaign.id), "campaign", entry.campaign.id)
        saved = replace(
            entry.campaign,
            script_id=before.script_id,
            script_version=before.script_version,
            language=before.language,
            created_at=before.created_at,
            agent_id=before.agent_id,
            voice=before.voice,
            engine=before.engine,
            stand_ins=before.stand_ins,
        )
        self.campaigns.put(saved.id, saved)

    def _doom(self, entry: CampaignDoomed) -> None:
        found = self.campaigns.get(entry.campaign)
        if found is not None and not found.status.live and entry.campaign not in self.deletions:
            self.deletions.put(entry.campaign, entry.since)

    def _save_contact(self, entry: ContactSaved) -> None:
        after = entry.contact
        before = _present(self.contacts.get(after.id), "contact", after.id)
        saved = replace(
            before.contact,
            state=after.state,
            attempts=after.attempts,
            turns=after.turns,
            refunds=after.refunds,
            not_before=after.not_before,
            disposition=after.disposition,
            reason=after.reason,
            positive=after.positive,
            connected_attempt=after.connected_attempt,
            retries=after.retries,
            callbacks=after.callbacks,
            callback_unmet=after.callback_unmet,
            caller_id=after.caller_id,
            escalated=after.escalated,
            message_left=after.message_left,
        )
        self.contacts.put(after.id, replace(before, contact=saved))

    def _close_waiting(self, entry: WaitingClosed) -> None:
        for listed in list(self.contacts.values()):
            contact = listed.contact
            if contact.campaign_id == entry.campaign and contact.state.waiting:
                closed = replace(contact, state=entry.state)
                self.contacts.put(contact.id, replace(listed, contact=closed))

    def _shift(self, entry: WaitingShifted) -> None:
        for listed in list(self.contacts.values()):
            contact = listed.contact
            campaign = self.campaigns.get(contact.campaign_id)
            counted = contact.state is ContactState.RETRY_WAITING
            if counted and contact.not_before > entry.since and campaign is not None and campaign.status.live:
                later = replace(contact, not_before=Instant(contact.not_before + entry.by))
                self.contacts.put(contact.id, replace(listed, contact=later))
        for freed in list(self.numbers.values()):
            if freed.ended_at >= entry.since - REMEMBERED:
                self.numbers.put(freed.phone, replace(freed, ended_at=freed.ended_at + entry.by))

    def _open_call(self, entry: CallOpened) -> None:
        call = entry.call
        if call.id in self.calls:
            raise InvariantError(f"call {call.id} exists")
        if call.campaign_id is not None and call.campaign_id not in self.campaigns:
            raise InvariantError(f"call {call.id} belongs to no campaign")
        stored = Call(
            id=call.id,
            phone=call.phone,
            language=call.language,
            script_id=call.script_id,
            script_version=call.script_version,
            attempt=call.attempt,
            tries=(),
            started_at=call.started_at,
            deadline=Mono(0),
            campaign_id=call.campaign_id,
            name=call.name,
            variables=call.variables,
            callback=call.callback,
            gate=call.gate,
            agent_id=call.agent_id,
            voice=call.voice,
            engine=call.engine,
            stand_ins=call.stand_ins,
            instructions=call.instructions,
            terms=Terms(transfer_to=call.terms.transfer_to, record=call.terms.record),
            on_machine=call.on_machine,
        )
        person = call.contact.id if call.contact is not None else None
        self.calls.put(call.id, StoredCall(stored, person))

    def _report(self, entry: CallReported) -> None:
        kept, call = _present(self.calls.get(entry.call.id), "call", entry.call.id), entry.call
        self._put(
            kept,
            replace(kept.call, report=call.report, label=call.label, agent_audio_at=call.agent_audio_at),
        )

    def _replace_agent(self, entry: AgentReplaced) -> None:
        kept = _present(self.calls.get(entry.call.id), "call", entry.call.id)
        self._put(kept, replace(kept.call, takeover=entry.call.takeover))

    def _judge(self, entry: CallJudged) -> None:
        kept, call = _present(self.calls.get(entry.call.id), "call", entry.call.id), entry.call
        self._put(kept, replace(kept.call, answered_by=call.answered_by, message_left=call.message_left))

    def _cut(self, entry: CallCut) -> None:
        kept = _present(self.calls.get(entry.call.id), "call", entry.call.id)
        self._put(kept, replace(kept.call, hangup=entry.call.hangup))

    def _transfer(self, entry: CallTransferred) -> None:
        kept = _present(self.calls.get(entry.call.id), "call", entry.call.id)
        self._put(kept, replace(kept.call, transfer=entry.call.transfer))

    def _record(self, entry: CallRecorded) -> None:
        kept = self.calls.get(entry.call)
        if kept is None or kept.call.phone.erased or kept.unwanted:
            self.doomed_files.put(entry.recording.path, Instant(0))
        else:
            self._put(kept, replace(kept.call, recording=entry.recording))

    def _doom_recording(self, entry: RecordingDoomed) -> None:
        kept = self.calls.get(entry.call)
        if kept is not None:
            self.doom_file(kept.call, entry.since)
            gone = replace(kept, call=replace(kept.call, recording=None), unwanted=True)
            self.calls.put(entry.call, gone)

    def doom_file(self, call: Call, since: Instant) -> None:
        """The file of a call's recording is to be deleted, if it has one; the caller adopts or discards it."""
        if call.recording is not None:
            self.doomed_files.put(call.recording.path, since)

    def _close_call(self, entry: CallClosed) -> None:
        self._report(CallReported(entry.call))
        self.calls.put(entry.call.id, replace(self.calls[entry.call.id], closed=entry.closed))

    def _open_try(self, entry: TryOpened) -> None:
        kept = _present(self.calls.get(entry.call), "call", entry.call)
        if any(attempt.number == entry.attempt.number for attempt in kept.call.tries):
            raise InvariantError(f"try {entry.attempt.channel} exists")
        self._put(kept, replace(kept.call, tries=(*kept.call.tries, entry.attempt)))

    def _save_try(self, call: CallId, after: Try) -> None:
        kept = _present(self.calls.get(call), "call", call)
        if all(attempt.number != after.number for attempt in kept.call.tries):
            raise InvariantError(f"there is no try {after.channel}")
        tries = (after if attempt.number == after.number else attempt for attempt in kept.call.tries)
        self._put(kept, replace(kept.call, tries=tuple(tries)))

    def _put(self, kept: StoredCall, call: Call) -> None:
        self.calls.put(call.id, replace(kept, call=call))

    def _count(self, entry: CountersMoved) -> None:
        _present(self.campaigns.get(entry.campaign), "campaign", entry.campaign)
        totals = dict(self.counters.get(entry.campaign) or {})
        for key, delta in entry.deltas.items():
            totals[key] = totals.get(key, 0) + delta
        self.counters.put(entry.campaign, totals)

    def _free(self, entry: NumberFreed) -> None:
        known = self.numbers.get(entry.phone)
        if known is None or known.ended_at < entry.ended_at:
            self.numbers.put(entry.phone, entry)

    def _change_dnc(self, entry: DncChanged) -> None:
        for added in entry.added:
            self.dnc.put(added.pattern, added)
        for pattern in entry.removed:
            self.dnc.remove(pattern)
        self.dnc_version.put("", max(entry.version, self.dnc_version[""]))

    def _save_halt(self, entry: DaemonSaved) -> None:
        if entry.halt is None:
            self.halt.remove("")
        else:
            self.halt.put("", entry.halt)

    def note_request(self, done: RequestDone) -> None:
        """A request is carried out, once; the caller adopts or discards it. Raises `InvariantError`."""
        known = self.requests.get(done.ident)
        if known is not None and known.done.at > done.at - REMEMBERED_REQUESTS:
            raise InvariantError("the request was carried out before")
        self.requests.put(done.ident, AnsweredRequest(done))

    def note_deed(self, deed: Deed) -> None:
        """Somebody has changed something; the caller adopts or discards it."""
        self.last_deed += 1
        self.deeds.put(self.last_deed, deed)

    def _save_trunk(self, entry: TrunkSaved) -> None:
        change = entry.change
        if change == TrunkChange(change.trunk):
            self.trunks.remove(change.trunk)
        else:
            self.trunks.put(change.trunk, change)

    def _remove_webhook(self, entry: WebhookRemoved) -> None:
        _present(self.webhooks.get(entry.webhook), "webhook", entry.webhook)
        self.webhooks.remove(entry.webhook)

    def _queue(self, entry: WebhookQueued) -> None:
        number = entry.delivery.number
        if number in self.deliveries:
            raise InvariantError(f"delivery {number} exists")
        self.deliveries.put(number, entry.delivery)


def _present(found: T | None, what: str, ident: object) -> T:
    if found is None:
        raise InvariantError(f"there is no {what} {ident}")
    return found
