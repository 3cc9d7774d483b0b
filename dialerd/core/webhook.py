"""Webhooks: who is to be told of what. Shapes only; what there is to tell is in `dialerd.core.fact`."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import NewType

from dialerd.core.clock import Instant
from dialerd.core.record import record

WebhookId = NewType("WebhookId", str)


class EventKind(StrEnum):
    """What a webhook can be told of: the API reference, "Webhook events"."""

    CALL_COMPLETED = "call.completed"
    CALL_DISPOSITION_SET = "call.disposition_set"
    CALL_ESCALATED = "call.escalated"
    CALL_RECORDING_READY = "call.recording_ready"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_STOPPED = "campaign.stopped"
    CAMPAIGN_COMPLETED = "campaign.completed"
    CAMPAIGN_BLOCKED = "campaign.blocked"
    TRUNK_DOWN = "trunk.down"
    TRUNK_UP = "trunk.up"
    DNC_ADDED = "dnc.added"


ALL = "*"
"""In the place of events: all of them."""


@record
class Webhook:
    """Somebody who is told of events by HTTP."""

    id: WebhookId
    url: str
    events: tuple[str, ...]
    """Kinds of events, or `ALL`."""
    secret: str = field(repr=False)
    """What deliveries are signed with, as Standard Webhooks writes it: `whsec_` and base64."""
    created_at: Instant
    description: str = ""
    disabled: str | None = None
    """Why it is told nothing; None: it is."""

    def takes(self, kind: EventKind) -> bool:
        """Whether it is to be told of such events."""
        return self.disabled is None and (ALL in self.events or kind in self.events)
