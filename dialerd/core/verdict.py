"""What one rule of the gate said, and what a refusal concerns."""

from __future__ import annotations

from enum import StrEnum

from dialerd.core.clock import Instant
from dialerd.core.record import record


class Scope(StrEnum):
    """What a refusal concerns, and so what the planner need not try again now."""

    DAEMON = "daemon"
    CAMPAIGN = "campaign"
    CONTACT = "contact"
    TRUNKS = "trunks"


@record
class Check:
    """What one rule said."""

    rule: str
    scope: Scope
    ok: bool
    detail: str
    until: Instant | None = None
    """When the refusal lifts, where that is known."""
