"""Parts of the call object as the API shows it: its transfer, and what there is of it to be heard."""

from __future__ import annotations

from typing import Any

from dialerd.core.clock import SECOND, to_iso
from dialerd.core.model import Recording
from dialerd.core.transfer import Transfer


def number(value: float) -> float | int:
    """A whole number without its decimal point."""
    return int(value) if value == int(value) else value


def recording_view(recording: Recording | None) -> dict[str, Any] | None:
    """What there is of a call to be heard."""
    if recording is None:
        return None
    return {"bytes": recording.size, "duration_seconds": number(recording.length / SECOND)}


def transfer_view(transfer: Transfer | None) -> dict[str, Any] | None:
    """A transfer of a call."""
    if transfer is None:
        return None
    return {
        "target": transfer.target or None,
        "where": None if transfer.where is None else str(transfer.where),
        "warm": transfer.warm,
        "reason": transfer.reason or None,
        "summary": transfer.summary or None,
        "trigger": transfer.trigger.value,
        "state": transfer.state.value,
        "outcome": transfer.outcome,
        "asked_at": to_iso(transfer.asked_at),
        "answered_at": to_iso(transfer.answered_at),
        "ended_at": to_iso(transfer.ended_at),
    }
