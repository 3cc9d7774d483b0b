"""Records as the API shows them: one pure function a noun, every key of the API reference present.

What this version does not do yet is null or empty, never missing. Times are UTC with a `Z`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dialerd.core.clock import MINUTE, SECOND, to_iso
from dialerd.core.contact import Contact
from dialerd.core.delivery import Delivery, DeliveryState, message_id
from dialerd.core.dnc import DncEntry
from dialerd.core.metrics import figures, ratio
from dialerd.core.model import Campaign
from dialerd.core.trunk import Trunk
from dialerd.core.webhook import Webhook
from dialerd.core.windows import Slot
from dialerd.engine.callparts import number
from dialerd.engine.status import EngineStatus, TrunkStatus
from dialerd.ports import ApiKey, KeptDeed, MediaWorker, Page, Script, VoiceAgent

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def campaign_view(
    campaign: Campaign, counters: Mapping[str, int], blocked: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The campaign object."""
    shown = figures(counters)
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "script_id": campaign.script_id or None,
        "script_version": campaign.script_version or None,
        "agent_id": campaign.agent_id,
        "engine": campaign.engine,
        "fallbacks": [stand_in.agent_id for stand_in in campaign.stand_ins],
        "voice": campaign.voice,
        "language": campaign.language,
        "status": campaign.status.value,
        "closing": campaign.closing,
        "version": campaign.version,
        "schedule": {
            "start_time": to_iso(campaign.start_at),
            "end_time": to_iso(campaign.end_at),
            "timezone": campaign.timezone,
            "hours": [_slot_view(slot) for slot in campaign.hours],
            "holidays": list(campaign.holidays),
        },
        "max_attempts": campaign.max_attempts,
        "retry_interval_minutes": number(campaign.retry_interval / MINUTE),
        "retry_rules": {
            reason.value: {"after_minutes": number(rule.after / MINUTE), "max": rule.most}
            for reason, rule in campaign.retry_rules.items()
        },
        "max_callbacks": campaign.max_callbacks,
        "ring_timeout_seconds": number(campaign.ring_timeout / SECOND),
        "max_concurrent_calls": campaign.max_concurrent_calls,
        "calls_per_second": campaign.calls_per_second,
        "weight": number(campaign.weight),
        "shares": {
            "fresh": number(campaign.shares.fresh),
            "retries": number(campaign.shares.retries),
            "callbacks": number(campaign.shares.callbacks),
        },
        "trunks": list(campaign.trunks),
        "caller_id": campaign.caller_id,
        "transfer_target": campaign.transfer_to,
        "recording": campaign.record,
        "keep_open": campaign.keep_open,
        "answering_machine": campaign.on_machine.value,
        "created_at": to_iso(campaign.created_at),
        "started_at": to_iso(campaign.started_at),
        "finished_at": to_iso(campaign.finished_at),
        "progress": shown.progress,
        "dispositions": shown.dispositions,
        "disposition_breakdown": shown.breakdown,
        "reasons": shown.reasons,
        "metrics": shown.metrics,
        "by_trunk": shown.by_trunk,
        "by_caller_id": shown.by_caller_id,
        "by_hour": shown.by_hour,
        "blocked": list(blocked),
    }


def _slot_view(slot: Slot) -> dict[str, Any]:
    return {
        "days": [name for day, name in enumerate(_DAYS) if day in slot.days],
        "from": _minute_view(slot.start),
        "to": _minute_view(slot.end),
    }


def _minute_view(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def contact_view(contact: Contact) -> dict[str, Any]:
    """A contact of a campaign; `next_attempt_at` null while it waits: as soon as its turn comes."""
    due = contact.not_before if contact.state.waiting and contact.not_before else None
    return {
        "phone": contact.phone,
        "name": contact.name,
        "timezone": contact.timezone,
        "external_id": contact.external_id,
        "variables": dict(contact.variables),
        "state": contact.state.value,
        "attempts": contact.attempts,
        "refunds": contact.refunds,
        "next_attempt_at": to_iso(due),
        "disposition": contact.disposition,
        "reason": contact.reason,
        "callbacks": contact.callbacks,
        "callback_unmet": to_iso(contact.callback_unmet),
        "message_left": contact.message_left,
    }


def script_view(script: Script) -> dict[str, Any]:
    """A script version: `body` is the document, `source` the text it was read from."""
    return {
        "script_id": script.id,
        "name": script.name,
        "version": script.version,
        "languages": list(script.languages),
        "variables": dict(script.variables),
        "body": dict(script.body),
        "source": script.source,
        "created_at": to_iso(script.created_at),
    }


def agent_view(agent: VoiceAgent) -> dict[str, Any]:
    """A voice agent."""
    return {
        "agent_id": agent.id,
        "agent_name": agent.name,
        "language": agent.language,
        "voice": agent.voice,
        "script_id": agent.script_id,
        "engine": agent.engine,
        "fallback": agent.fallback,
        "dispositions": {
            label: {"positive": about.positive, "terminal": about.terminal}
            for label, about in agent.dispositions.items()
        },
        "transfer_target": agent.transfer_to,
        "recording": agent.record,
        "created_at": to_iso(agent.created_at),
    }


def key_view(key: ApiKey) -> dict[str, Any]:
    """An API key, never the key itself."""
    return {
        "key_id": key.id,
        "name": key.name,
        "scope": key.scope,
        "created_at": to_iso(key.created_at),
        "last_used_at": to_iso(key.last_used_at),
        "revoked_at": to_iso(key.revoked_at),
    }


def deed_view(kept: KeptDeed) -> dict[str, Any]:
    """An entry of the audit trail."""
    deed = kept.deed
    return {
        "id": kept.id,
        "at": to_iso(deed.at),
        "actor": deed.by.actor,
        "actor_name": deed.by.name,
        "origin": deed.by.origin,
        "action": deed.action,
        "object": deed.object,
        "details": dict(deed.details),
    }


def page_view(data: Sequence[Mapping[str, Any]], total: int, page: Page) -> dict[str, Any]:
    """A part of a list."""
    return {"data": list(data), "total": total, "limit": page.limit, "offset": page.offset}


def dnc_view(entry: DncEntry) -> dict[str, Any]:
    """An entry of the do-not-call list; `phone` is a number, or a prefix with an asterisk."""
    return {
        "phone": entry.pattern,
        "reason": entry.reason or None,
        "source": entry.source or None,
        "created_at": to_iso(entry.created_at),
        "expires_at": to_iso(entry.expires_at),
    }


def webhook_view(hook: Webhook) -> dict[str, Any]:
    """A webhook, never its secret."""
    return {
        "webhook_id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "description": hook.description,
        "enabled": hook.disabled is None,
        "disabled_reason": hook.disabled,
        "created_at": to_iso(hook.created_at),
    }


def delivery_view(row: Delivery) -> dict[str, Any]:
    """What a webhook is told, exactly as it is sent, and what became of that."""
    waits = row.state is DeliveryState.WAITING
    return {
        "delivery_id": message_id(row.number),
        "event": row.event.value,
        "state": row.state.value,
        "attempts": row.attempts,
        "created_at": to_iso(row.created_at),
        "next_attempt_at": to_iso(row.due_at) if waits else None,
        "finished_at": to_iso(row.finished_at),
        "status_code": row.status,
        "detail": row.detail,
        "payload": orjson.loads(row.body),
    }


def status_view(status: EngineStatus, configured: Sequence[Trunk]) -> dict[str, Any]:
    """The daemon as it stands; `configured`: its trunks as they were set up."""
    plans = {trunk.name: trunk for trunk in configured}
    return {
        "dialing": status.dialing,
        "halt": status.halt,
        "problems": [str(problem) for problem in status.problems],
        "asterisk": {"state": status.asterisk, "version": status.asterisk_version},
        "manager": {"state": status.manager},
        "store": {"state": status.store},
        "media": {"state": status.media, "sessions": status.media_sessions},
        "live_calls": status.live_calls,
        "slot_drift": status.slot_drift,
        "dnc_entries": status.dnc_entries,
        "trunks": [trunk_view(line, plans[line.name]) for line in status.trunks],
    }


def worker_view(worker: MediaWorker) -> dict[str, Any]:
    """A media worker as it stands."""
    return {
        "worker": worker.number,
        "state": worker.state.value,
        "sessions": worker.sessions,
        "sessions_limit": worker.limit,
        "lag_seconds": round(worker.lag, 3),
        "detail": worker.detail or None,
    }


def trunk_view(line: TrunkStatus, configured: Trunk) -> dict[str, Any]:
    """A trunk with the limits in force, and those that it was set up with."""
    return {
        "name": line.name,
        "endpoint": line.endpoint,
        "state": _trunk_state(line),
        "channels_in_use": line.channels_in_use,
        "max_channels": line.max_channels,
        "calls_per_second": number(line.calls_per_second),
        "rate_now": number(round(line.rate, 3)),
        "turned_away": round(line.turned_away, 3),
        "rests_until": to_iso(line.rests_until),
        "caller_ids": [
            {
                "caller_id": used.number,
                "calls_24h": used.calls,
                "answered": used.answered,
                "of_last_calls": used.finals,
                "rests_until": to_iso(used.rests_until),
            }
            for used in line.caller_ids
        ],
        "configured": {
            "max_channels": configured.max_channels,
            "calls_per_second": number(configured.calls_per_second),
        },
        "reachable": line.reachable,
        "registration": line.registration,
        "registered": line.registered,
        "down": line.down,
        "paused": line.paused,
        "last_calls": {
            "of": line.finals,
            "answered": line.answered,
            "answer_rate": ratio(line.answered, line.finals),
        },
        "failures": {
            "congested_in_a_row": line.congestions,
            "numbers_refused": line.refused,
            "of_last_calls": line.finals,
        },
    }


def _trunk_state(line: TrunkStatus) -> str:
    if line.paused is not None:
        return "paused"
    if line.down is not None:
        return "unreachable" if line.reachable is False else "unregistered"
    if line.registered:
        return "up"
    return {True: "up", False: "unreachable", None: "unknown"}[line.reachable]
