"""Records as the API shows them: one pure function a noun, every key of the API reference present.

What this version does not do yet is null or empty, never missing. Times are UTC with a `Z`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dialerd.core.clock import MINUTE, SECOND, Instant, to_iso
from dialerd.core.metrics import figures
from dialerd.core.model import Campaign
from dialerd.engine.status import EngineStatus, TrunkStatus
from dialerd.ports import ApiKey, CallRow, Page, Script, TryRow


def number(value: float) -> float | int:
    """A whole number without its decimal point."""
    return int(value) if value == int(value) else value


def campaign_view(
    campaign: Campaign, counters: Mapping[str, int], blocked: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The campaign object."""
    shown = figures(counters)
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "script_id": campaign.script_id,
        "script_version": campaign.script_version,
        "agent_id": campaign.agent_id,
        "language": campaign.language,
        "status": campaign.status.value,
        "closing": campaign.closing,
        "schedule": {
            "start_time": to_iso(campaign.start_at),
            "end_time": to_iso(campaign.end_at),
            "timezone": campaign.timezone,
        },
        "max_attempts": campaign.max_attempts,
        "retry_interval_minutes": number(campaign.retry_interval / MINUTE),
        "ring_timeout_seconds": number(campaign.ring_timeout / SECOND),
        "max_concurrent_calls": campaign.max_concurrent_calls,
        "calls_per_second": campaign.calls_per_second,
        "weight": number(campaign.weight),
        "trunks": list(campaign.trunks),
        "caller_id": campaign.caller_id,
        "keep_open": campaign.keep_open,
        "created_at": to_iso(campaign.created_at),
        "started_at": to_iso(campaign.started_at),
        "finished_at": to_iso(campaign.finished_at),
        "progress": shown.progress,
        "dispositions": shown.dispositions,
        "disposition_breakdown": shown.breakdown,
        "reasons": shown.reasons,
        "metrics": shown.metrics,
        "blocked": list(blocked),
    }


def call_view(row: CallRow) -> dict[str, Any]:
    """The call object."""
    last = row.tries[-1] if row.tries else None
    return {
        "id": row.id,
        "campaign_id": row.campaign_id,
        "contact": {"phone": row.phone, "name": row.name},
        "status": row.status,
        "disposition": row.disposition,
        "reason": row.reason,
        "attempt": row.attempt,
        "counted": row.counted,
        "tries": [_try_view(attempt) for attempt in row.tries],
        "duration_seconds": number(row.duration_ms / SECOND),
        "language": row.language,
        "script_id": row.script_id,
        "trunk": last.trunk if last else None,
        "caller_id": last.caller_id if last else None,
        "hangup_cause": last.cause if last else None,
        "sip_code": last.sip_code if last else None,
        "answered_by": row.answered_by,
        "started_at": to_iso(row.started_at),
        "answered_at": to_iso(row.answered_at),
        "ended_at": to_iso(row.ended_at),
        "recording_url": None,
        "transcript": [dict(turn) for turn in row.transcript],
        "captured": dict(row.captured),
        "transfer": None,
        "gate": dict(row.gate),
    }


def _try_view(attempt: TryRow) -> dict[str, Any]:
    return {
        "channel": attempt.channel,
        "number": attempt.number,
        "trunk": attempt.trunk,
        "caller_id": attempt.caller_id,
        "state": attempt.state,
        "sip_code": attempt.sip_code,
        "cause": attempt.cause,
        "ring_seconds": _seconds_between(attempt.ringing_at, attempt.answered_at or attempt.ended_at),
        "started_at": to_iso(attempt.opened_at),
        "ringing_at": to_iso(attempt.ringing_at),
        "answered_at": to_iso(attempt.answered_at),
        "ended_at": to_iso(attempt.ended_at),
    }


def _seconds_between(start: Instant | None, end: Instant | None) -> float | int | None:
    if start is None or end is None:
        return None
    return number(max(0, end - start) / SECOND)


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


def page_view(data: Sequence[Mapping[str, Any]], total: int, page: Page) -> dict[str, Any]:
    """A part of a list."""
    return {"data": list(data), "total": total, "limit": page.limit, "offset": page.offset}


def status_view(status: EngineStatus) -> dict[str, Any]:
    """The daemon as it stands."""
    return {
        "dialing": status.dialing,
        "problems": list(status.problems),
        "asterisk": {"state": status.asterisk, "version": status.asterisk_version},
        "manager": {"state": status.manager},
        "store": {"state": status.store},
        "media": {"state": status.media, "sessions": status.media_sessions},
        "live_calls": status.live_calls,
        "trunks": [_trunk_view(trunk) for trunk in status.trunks],
    }


def _trunk_view(trunk: TrunkStatus) -> dict[str, Any]:
    return {
        "name": trunk.name,
        "endpoint": trunk.endpoint,
        "channels_in_use": trunk.channels_in_use,
        "max_channels": trunk.max_channels,
        "calls_per_second": number(trunk.calls_per_second),
        "reachable": trunk.reachable,
        "paused": trunk.paused,
    }
