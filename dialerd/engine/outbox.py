"""What webhooks are told, in the form in which it is sent: written in the turn that it came about in.

A fact becomes the text of one delivery for each webhook that takes it, and that text is what is sent, however much
later. It sends nothing: `dialerd.engine.courier` is woken once the turn is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from dialerd.core.clock import Now, to_iso
from dialerd.core.delivery import Delivery, DeliveryNumber, next_number
from dialerd.core.fact import CallFact, CampaignFact, Fact, NumberFact, ShownFact, Told, TrunkFact
from dialerd.core.identity import TrunkName
from dialerd.core.journal import WebhookQueued
from dialerd.core.trunk import Trunk
from dialerd.core.webhook import WebhookId
from dialerd.core.world import World
from dialerd.engine.call_views import call_view, row_of
from dialerd.engine.status import check_view, trunk_status
from dialerd.engine.views import campaign_view, dnc_view, trunk_view


class Outbox:
    """Numbers and writes what is to be sent, and tells of it once it is durable."""

    def __init__(self, trunks: Iterable[Trunk]) -> None:
        """`trunks`: as configured."""
        self._configured: dict[TrunkName, Trunk] = {trunk.name: trunk for trunk in trunks}
        self._last = DeliveryNumber(0)
        self.filled = asyncio.Event()
        """Something was queued, or a webhook was changed."""
        self.queued: dict[WebhookId, int] = {}
        """How many deliveries were queued for whom, since somebody has looked."""

    def begin_behind(self, last: DeliveryNumber) -> None:
        """No number up to `last` is given."""
        self._last = max(self._last, last)

    def entries(self, world: World, facts: Iterable[Told], now: Now) -> list[WebhookQueued]:
        """What the journal of a turn is to hold of its facts."""
        found = []
        for told in facts:
            body = orjson.dumps(payload(world, told.fact, self._configured, now)).decode()
            for webhook in told.webhooks:
                self._last = next_number(self._last, now.wall)
                subject = subject_of(told.fact)
                row = Delivery(self._last, webhook, told.fact.kind, subject, now.wall, body, due_at=now.wall)
                found.append(WebhookQueued(row))
        return found

    def stored(self, facts: Sequence[Told]) -> None:
        """A turn is durable."""
        for told in facts:
            for webhook in told.webhooks:
                self.queued[webhook] = self.queued.get(webhook, 0) + 1
        self.filled.set()


def subject_of(fact: Fact) -> str:
    """What a fact is about: deliveries keep their order within it."""
    match fact:
        case CallFact():
            return fact.call.id
        case ShownFact():
            return fact.call
        case CampaignFact():
            return fact.campaign.id
        case TrunkFact():
            return f"trunk {fact.line.trunk.name}"
        case NumberFact():
            return f"dnc {fact.entry.pattern}"


def payload(world: World, fact: Fact, configured: dict[TrunkName, Trunk], now: Now) -> dict[str, Any]:
    """What is sent (Standard Webhooks, "Payload"): the object is the API's own."""
    return {
        "type": fact.kind.value,
        "timestamp": to_iso(now.wall),
        "data": _data(world, fact, configured, now),
    }


def _data(world: World, fact: Fact, configured: dict[TrunkName, Trunk], now: Now) -> dict[str, Any]:
    match fact:
        case ShownFact():
            return dict(fact.shown)
        case CallFact():
            return call_view(row_of(fact.call, fact.closed))
        case CampaignFact():
            blocked = [check_view(check) for check in fact.blocked]
            return campaign_view(fact.campaign, fact.counters, blocked)
        case TrunkFact():
            shown = trunk_view(trunk_status(world, fact.line, now), configured[fact.line.trunk.name])
            return {**shown, "detail": fact.detail}
        case NumberFact():
            return dnc_view(fact.entry)
