"""Journal entries as parameters: for each statement of `turns` the columns it sets and the values of an entry.

Columns and values stand side by side because they must agree in order. Nothing here knows SQL or a database.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Column

from dialerd.core.delivery import Delivery
from dialerd.core.engine import EMBEDDED
from dialerd.core.journal import (
    REMEMBERED,
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
    DncChanged,
    ImportSealed,
    NumberDoomed,
    NumberFreed,
    RecordingDoomed,
    TrunkSaved,
    TryOpened,
    TrySaved,
    WaitingClosed,
    WaitingShifted,
    WebhookQueued,
    WebhookRemoved,
    WebhookSaved,
)
from dialerd.core.model import Call, CallStatus, Campaign, OnMachine, Shares, Try
from dialerd.core.trunk import TrunkChange
from dialerd.store.sql import to_json, to_json_or_null
from dialerd.store.tables import (
    DNC_VERSION,
    HALT,
    NOTHING,
    TRUNK,
    calls,
    campaigns,
    contacts,
    deliveries,
    dnc,
    tries,
    webhooks,
)

Row: TypeAlias = tuple[Any, ...]
Columns: TypeAlias = tuple[Column[Any], ...]

# --- campaigns -----------------------------------------------------------------------------------

CAMPAIGN: Columns = tuple(campaigns.c)
_FIXED = (
    *("id", "script_id", "script_version", "language", "created_at", "agent_id", "voice"),
    *("engine", "stand_ins"),
)
_LAST = 3
"""Columns of `CAMPAIGN_CHANGES` that stand behind `stand_ins`."""
CAMPAIGN_CHANGES: Columns = tuple(column for column in campaigns.c if column.name not in _FIXED)


def campaign_admitted(entry: CampaignAdmitted) -> list[Row]:
    """`CAMPAIGN`."""
    campaign = entry.campaign
    name, status, *rest = _campaign_changes(campaign)
    head = (campaign.id, name, campaign.script_id, campaign.script_version, campaign.language, status)
    about = (campaign.created_at, campaign.agent_id)
    talk = (campaign.voice, _engine(campaign), to_json_or_null(campaign.stand_ins))
    return [(*head, *about, *rest[:-_LAST], *talk, *rest[-_LAST:])]


def _engine(speaker: Campaign | Call) -> str | None:
    return speaker.engine if speaker.engine != EMBEDDED else None


def import_of_new(entry: CampaignAdmitted) -> list[Row]:
    """Import and campaign."""
    return [(entry.import_id, entry.campaign.id)]


def import_sealed(entry: ImportSealed) -> list[Row]:
    """Import and campaign."""
    return [(entry.import_id, entry.campaign)]


def campaign_saved(entry: CampaignSaved) -> list[Row]:
    """`CAMPAIGN_CHANGES` and the id."""
    return [(*_campaign_changes(entry.campaign), entry.campaign.id)]


def campaign_doomed(entry: CampaignDoomed) -> list[Row]:
    """Instant and campaign."""
    return [(entry.since, entry.campaign)]


def counters_moved(entry: CountersMoved) -> list[Row]:
    """Campaign, and deltas by key, for `moves.packed`."""
    return [(entry.campaign, entry.deltas)]


def _campaign_changes(campaign: Campaign) -> Row:
    return (
        campaign.name,
        campaign.status,
        campaign.start_at,
        campaign.end_at,
        campaign.timezone,
        campaign.max_attempts,
        campaign.retry_interval,
        campaign.ring_timeout,
        campaign.max_concurrent_calls,
        campaign.calls_per_second,
        campaign.weight,
        to_json(campaign.trunks),
        campaign.caller_id,
        campaign.keep_open,
        campaign.started_at,
        campaign.finished_at,
        campaign.closing,
        _hours(campaign),
        to_json_or_null(campaign.holidays),
        to_json_or_null(sorted(campaign.closed)),
        _retry_rules(campaign),
        campaign.max_callbacks,
        campaign.version,
        to_json_or_null(campaign.shares) if campaign.shares != Shares() else None,
        campaign.transfer_to,
        campaign.record,
        _on_machine(campaign.on_machine),
    )


def _on_machine(wanted: OnMachine) -> str | None:
    return wanted if wanted is not OnMachine.CONTINUE else None


def _hours(campaign: Campaign) -> str | None:
    slots = campaign.hours
    return to_json_or_null([{"days": sorted(s.days), "start": s.start, "end": s.end} for s in slots])


def _retry_rules(campaign: Campaign) -> str | None:
    return to_json_or_null({reason.value: rule for reason, rule in campaign.retry_rules.items()})


# --- contacts and numbers ------------------------------------------------------------------------

CONTACT_CHANGES: Columns = (
    contacts.c.state,
    contacts.c.waiting,
    contacts.c.not_before,
    contacts.c.attempts,
    contacts.c.turns,
    contacts.c.refunds,
    contacts.c.disposition,
    contacts.c.reason,
    contacts.c.positive,
    contacts.c.connected_attempt,
    contacts.c.retries,
    contacts.c.callbacks,
    contacts.c.callback_unmet,
    contacts.c.caller_id,
    contacts.c.escalated,
    contacts.c.message_left,
)


def contact_saved(entry: ContactSaved) -> list[Row]:
    """`CONTACT_CHANGES` and the id."""
    contact = entry.contact
    return [
        (
            contact.state,
            contact.state.kind or 0,
            contact.not_before,
            contact.attempts,
            contact.turns,
            contact.refunds,
            contact.disposition,
            contact.reason,
            contact.positive,
            contact.connected_attempt,
            to_json_or_null(contact.retries),
            contact.callbacks,
            contact.callback_unmet,
            contact.caller_id,
            contact.escalated,
            contact.message_left,
            contact.id,
        )
    ]


def waiting_closed(entry: WaitingClosed) -> list[Row]:
    """Final state and campaign."""
    return [(entry.state, entry.campaign)]


def waiting_shifted(entry: WaitingShifted) -> list[Row]:
    """Milliseconds, and the instant after which contacts are moved."""
    return [(entry.by, entry.since)]


def ends_shifted(entry: WaitingShifted) -> list[Row]:
    """Milliseconds, and the first end of a call that is moved."""
    return [(entry.by, entry.since - REMEMBERED)]


def number_freed(entry: NumberFreed) -> list[Row]:
    """Number and instant."""
    return [(entry.phone, entry.ended_at)]


# --- calls ---------------------------------------------------------------------------------------

CALL: Columns = (
    calls.c.id,
    calls.c.campaign_id,
    calls.c.contact_id,
    calls.c.phone,
    calls.c.language,
    calls.c.script_id,
    calls.c.script_version,
    calls.c.attempt,
    calls.c.status,
    calls.c.positive,
    calls.c.counted,
    calls.c.started_at,
    calls.c.duration_ms,
    calls.c.gate,
    calls.c.name,
    calls.c.variables,
    calls.c.callback,
    calls.c.agent_id,
    calls.c.voice,
    calls.c.engine,
    calls.c.stand_ins,
    calls.c.instructions,
    calls.c.takeover,
    calls.c.transfer_to,
    calls.c.record,
    calls.c.on_machine,
)
CALL_JUDGED: Columns = (calls.c.answered_by, calls.c.message_left)
CALL_REPLACED: Columns = (calls.c.takeover,)
CALL_CUT: Columns = (calls.c.cut,)
CALL_TRANSFER: Columns = (calls.c.transfer,)
NOT_WANTED = ""
"""In place of a recording's path: it was deleted, and none that comes later is to be kept."""
CALL_RECORDING: Columns = (calls.c.recording, calls.c.recording_bytes, calls.c.recording_ms)
CALL_REPORT: Columns = (
    calls.c.disposition,
    calls.c.positive,
    calls.c.agent_audio_at,
    calls.c.captured,
    calls.c.transcript,
    calls.c.callback_at,
    calls.c.label,
)
CALL_END: Columns = (
    *CALL_REPORT,
    calls.c.status,
    calls.c.reason,
    calls.c.counted,
    calls.c.ended_at,
    calls.c.duration_ms,
)


def call_opened(entry: CallOpened) -> list[Row]:
    """`CALL`."""
    call = entry.call
    return [
        (
            call.id,
            call.campaign_id,
            call.contact.id if call.contact is not None else None,
            call.phone,
            call.language,
            call.script_id,
            call.script_version,
            call.attempt,
            CallStatus.IN_PROGRESS,
            False,
            True,
            call.started_at,
            0,
            to_json_or_null(call.gate),
            call.name,
            to_json_or_null(call.variables),
            call.callback,
            call.agent_id,
            call.voice,
            _engine(call),
            to_json_or_null(call.stand_ins),
            to_json_or_null(call.instructions),
            None,
            call.terms.transfer_to,
            call.terms.record,
            _on_machine(call.on_machine),
        )
    ]


def agent_replaced(entry: AgentReplaced) -> list[Row]:
    """`CALL_REPLACED` and the id."""
    return [(to_json_or_null(entry.call.takeover), entry.call.id)]


def call_transferred(entry: CallTransferred) -> list[Row]:
    """`CALL_TRANSFER` and the id."""
    return [(to_json_or_null(entry.call.transfer), entry.call.id)]


def call_recorded(entry: CallRecorded) -> list[Row]:
    """`CALL_RECORDING` and the id."""
    kept = entry.recording
    return [(kept.path, kept.size, kept.length, entry.call)]


def file_kept(entry: CallRecorded) -> list[Row]:
    """Path, call, path."""
    return [(entry.recording.path, entry.call, entry.recording.path)]


def file_doomed(entry: RecordingDoomed) -> list[Row]:
    """Instant and call."""
    return [(entry.since, entry.call)]


def recording_gone(entry: RecordingDoomed) -> list[Row]:
    """`CALL_RECORDING` and the id."""
    return [(NOT_WANTED, None, None, entry.call)]


def call_judged(entry: CallJudged) -> list[Row]:
    """`CALL_JUDGED` and the id."""
    return [(entry.call.answered_by, entry.call.message_left, entry.call.id)]


def call_cut(entry: CallCut) -> list[Row]:
    """`CALL_CUT` and the id."""
    return [(entry.call.hangup, entry.call.id)]


def call_reported(entry: CallReported) -> list[Row]:
    """`CALL_REPORT` and the id."""
    return [(*_report(entry.call, entry.call.report.disposition), entry.call.id)]


def call_closed(entry: CallClosed) -> list[Row]:
    """`CALL_END` and the id."""
    closed = entry.closed
    return [
        (
            *_report(entry.call, closed.disposition),
            closed.status,
            closed.reason,
            closed.counted,
            closed.ended_at,
            closed.duration,
            closed.id,
        )
    ]


def _report(call: Call, disposition: str | None) -> Row:
    report = call.report
    return (
        disposition,
        report.positive,
        call.agent_audio_at,
        to_json_or_null(report.captured),
        to_json_or_null(report.transcript),
        report.callback_at,
        to_json_or_null(call.label),
    )


# --- tries ---------------------------------------------------------------------------------------

TRY: Columns = tuple(tries.c)
TRY_CHANGES: Columns = (
    tries.c.state,
    tries.c.ringing_at,
    tries.c.answered_at,
    tries.c.ended_at,
    tries.c.cause,
    tries.c.sip_code,
)
TRY_KEY: Columns = (tries.c.call_id, tries.c.number)


def try_opened(entry: TryOpened) -> list[Row]:
    """`TRY`."""
    attempt = entry.attempt
    return [
        (
            entry.call,
            attempt.number,
            attempt.channel,
            attempt.trunk,
            attempt.caller_id,
            attempt.state,
            attempt.boot,
            attempt.opened_at,
            attempt.ringing_at,
            attempt.answered_at,
            attempt.ended_at,
            attempt.cause,
            attempt.sip_code,
        )
    ]


def try_saved(entry: TrySaved) -> list[Row]:
    """`TRY_CHANGES` and `TRY_KEY`."""
    return [_try_changes(entry.call, entry.attempt)]


def call_answered(entry: CallAnswered) -> list[Row]:
    """`TRY_CHANGES` and `TRY_KEY`: a call's answer is that of its last try, and is stored there alone."""
    return [_try_changes(entry.call.id, entry.call.current)]


def _try_changes(call: str, attempt: Try) -> Row:
    return (
        attempt.state,
        attempt.ringing_at,
        attempt.answered_at,
        attempt.ended_at,
        attempt.cause,
        attempt.sip_code,
        call,
        attempt.number,
    )


def number_doomed(entry: NumberDoomed) -> list[Row]:
    """Number and instant."""
    return [(str(entry.phone), entry.since)]


# --- the do-not-call list and what was decided of the daemon -------------------------------------

DNC: Columns = tuple(dnc.c)


def dnc_added(entry: DncChanged) -> list[Row]:
    """`DNC`."""
    return [(e.pattern, e.reason, e.source, e.created_at, e.expires_at) for e in entry.added]


def dnc_removed(entry: DncChanged) -> list[Row]:
    """Patterns."""
    return [(pattern,) for pattern in entry.removed]


def dnc_version(entry: DncChanged) -> list[Row]:
    """Key and value."""
    return [(DNC_VERSION, to_json(entry.version))]


def halt_saved(entry: DaemonSaved) -> list[Row]:
    """Key and value."""
    return [(HALT, to_json(entry.halt))]


def halt_lifted(entry: DaemonSaved) -> list[Row]:
    """The key, if there is nothing to be kept under it."""
    return [(HALT,)] if entry.halt is None else []


def trunk_saved(entry: TrunkSaved) -> list[Row]:
    """Key and value."""
    change = entry.change
    return [(TRUNK + change.trunk, NOTHING if _is_empty(change) else to_json(change))]


def trunk_restored(entry: TrunkSaved) -> list[Row]:
    """The key, if there is nothing to be kept under it."""
    return [(TRUNK + entry.change.trunk,)] if _is_empty(entry.change) else []


def _is_empty(change: TrunkChange) -> bool:
    return change == TrunkChange(change.trunk)


# --- webhooks ------------------------------------------------------------------------------------

WEBHOOK: Columns = tuple(webhooks.c)
DELIVERY: Columns = tuple(deliveries.c)
DELIVERY_CHANGES: Columns = (
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.due_at,
    deliveries.c.finished_at,
    deliveries.c.status,
    deliveries.c.detail,
)


def webhook_saved(entry: WebhookSaved) -> list[Row]:
    """`WEBHOOK`."""
    hook = entry.webhook
    events = to_json(hook.events)
    return [(hook.id, hook.url, events, hook.secret, hook.created_at, hook.description, hook.disabled)]


def webhook_removed(entry: WebhookRemoved) -> list[Row]:
    """The id."""
    return [(entry.webhook,)]


def webhook_queued(entry: WebhookQueued) -> list[Row]:
    """`DELIVERY`."""
    row = entry.delivery
    about = (row.number, row.webhook, row.event, row.subject, row.created_at)
    return [(*about, *_delivery_changes(row), row.body)]


def delivery_noted(row: Delivery) -> Row:
    """`DELIVERY_CHANGES` and the number."""
    return (*_delivery_changes(row), row.number)


def _delivery_changes(row: Delivery) -> Row:
    return (row.state, row.attempts, row.due_at, row.finished_at, row.status, row.detail)
