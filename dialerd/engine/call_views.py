"""Calls as the API shows them, live ones and closed ones alike. It formats, and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.core.clock import SECOND, Instant, to_iso, to_local_iso
from dialerd.core.model import Call, CallStatus, ClosedCall, Try
from dialerd.engine.callparts import number, recording_view, transfer_view
from dialerd.ports import CallRow, TryRow


def row_of(call: Call, closed: ClosedCall | None) -> CallRow:
    """A call in memory as it is stored; `closed`: its final record, if it has one."""
    return CallRow(
        id=call.id,
        campaign_id=call.campaign_id,
        phone=call.phone,
        name=call.contact.name if call.contact is not None else call.name,
        status=closed.status if closed else CallStatus.IN_PROGRESS,
        disposition=closed.disposition if closed else call.report.disposition,
        reason=closed.reason if closed else None,
        attempt=call.attempt,
        counted=closed.counted if closed else True,
        language=call.language,
        script_id=call.script_id,
        script_version=call.script_version,
        started_at=call.started_at,
        answered_at=call.answered_at,
        ended_at=closed.ended_at if closed else None,
        duration_ms=closed.duration if closed else 0,
        answered_by=call.answered_by,
        message_left=call.message_left,
        gate=dict(call.gate),
        captured=dict(call.report.captured),
        transcript=[dict(said) for said in call.report.transcript],
        tries=[_try_row(attempt) for attempt in call.tries],
        callback=call.callback,
        agent_id=call.agent_id,
        voice=call.voice,
        engine=call.engine,
        takeover=_takeover(call),
        instructions=call.instructions,
        transfer=call.transfer,
        recording=call.recording,
    )


def _takeover(call: Call) -> dict[str, Any] | None:
    taken = call.takeover
    if taken is None:
        return None
    return {"agent_id": taken.agent_id, "engine": taken.engine, "detail": taken.detail}


def _try_row(attempt: Try) -> TryRow:
    return TryRow(
        channel=attempt.channel,
        number=attempt.number,
        trunk=attempt.trunk,
        caller_id=attempt.caller_id,
        state=attempt.state,
        opened_at=attempt.opened_at,
        ringing_at=attempt.ringing_at,
        answered_at=attempt.answered_at,
        ended_at=attempt.ended_at,
        cause=attempt.cause,
        sip_code=attempt.sip_code,
    )


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
        "callback": row.callback,
        "counted": row.counted,
        "tries": [_try_view(attempt) for attempt in row.tries],
        "duration_seconds": number(row.duration_ms / SECOND),
        "language": row.language,
        "script_id": row.script_id or None,
        "script_version": row.script_version or None,
        "agent_id": row.agent_id,
        "voice": row.voice,
        "engine": row.engine,
        "taken_over_by": row.takeover,
        "trunk": last.trunk if last else None,
        "caller_id": last.caller_id if last else None,
        "hangup_cause": last.cause if last else None,
        "sip_code": last.sip_code if last else None,
        "answered_by": row.answered_by,
        "message_left": row.message_left,
        "started_at": to_iso(row.started_at),
        "answered_at": to_iso(row.answered_at),
        "ended_at": to_iso(row.ended_at),
        "recording_url": f"/v1/calls/{row.id}/recording" if row.recording is not None else None,
        "recording": recording_view(row.recording),
        "transcript": [dict(turn) for turn in row.transcript],
        "captured": dict(row.captured),
        "transfer": transfer_view(row.transfer),
        "gate": _receipt_view(row.gate),
    }


def _receipt_view(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The gate's receipt; `local_time` is on the callee's clock, where its zone is known."""
    at, zones = receipt.get("at"), receipt.get("zones") or [None]
    if not isinstance(at, int):
        return dict(receipt)
    local = to_local_iso(Instant(at), zones[0]).partition(" ")[0]
    return {**receipt, "at": to_iso(Instant(at)), "local_time": local}


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
