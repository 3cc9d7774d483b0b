"""Receivers of webhooks without a network: they answer as they are told, and keep what they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dialerd.core.delivery import Reply
from dialerd.core.webhook import WebhookId
from dialerd.ports import Message

TAKEN = Reply(204)
NOBODY = Reply(None, "connection refused")


@dataclass
class FakeWebhooks:
    """The `Webhooks` port."""

    answer: Callable[[Message], Reply] = lambda message: TAKEN
    attempts: list[Message] = field(default_factory=list)
    """Every attempt, in order."""
    taken: list[Message] = field(default_factory=list)
    forgotten: list[WebhookId] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """URLs to which nothing may be sent, and why."""
    held: asyncio.Event | None = None
    """Set and clear it to let attempts end only when somebody says so."""

    async def send(self, message: Message) -> Reply:
        """One attempt."""
        self.attempts.append(message)
        if self.held is not None:
            await self.held.wait()
        reply = self.answer(message)
        if reply.accepted:
            self.taken.append(message)
        return reply

    async def objection(self, url: str) -> str | None:
        """Why nothing may be sent to `url`."""
        return self.refused.get(url)

    def forget(self, webhook: WebhookId) -> None:
        """Let go of the connections to a webhook."""
        self.forgotten.append(webhook)
