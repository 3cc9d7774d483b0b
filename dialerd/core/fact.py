"""What webhooks are told, as the records it is made of: what was true in the turn that it came about in.

The core knows no form in which it is told; the engine gives it one before it is committed (`dialerd.engine.outbox`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.core.dnc import DncEntry
from dialerd.core.identity import CallId
from dialerd.core.model import Call, Campaign, ClosedCall
from dialerd.core.record import record
from dialerd.core.verdict import Check
from dialerd.core.webhook import EventKind, WebhookId
from dialerd.core.world import Line


@record
class CallFact:
    """Something about a call. `closed`: its final record, if it has one."""

    kind: EventKind
    call: Call
    closed: ClosedCall | None = None


@record
class CampaignFact:
    """Something about a campaign, its counters, and what kept it from dialing."""

    kind: EventKind
    campaign: Campaign
    counters: Mapping[str, int]
    blocked: tuple[Check, ...]


@record
class TrunkFact:
    """A trunk can be used again, or no longer."""

    kind: EventKind
    line: Line
    detail: str


@record
class NumberFact:
    """A number or a prefix has come on the do-not-call list."""

    kind: EventKind
    entry: DncEntry


@record
class ShownFact:
    """Something about a call, in the words of the API already."""

    kind: EventKind
    call: CallId
    shown: Mapping[str, Any]


Fact = ShownFact | CallFact | CampaignFact | TrunkFact | NumberFact


@record
class Told:
    """A fact, and the webhooks that were to be told of it when it came about."""

    fact: Fact
    webhooks: tuple[WebhookId, ...]
