"""Settings of webhooks."""

from __future__ import annotations

from pydantic import Field, field_validator

from dialerd.config.section import Section
from dialerd.core.clock import Millis, minutes, seconds
from dialerd.core.delivery import DeliveryState, Patience
from dialerd.webhooks.guard import Guard


class WebhookSettings(Section):
    """Where webhooks may be sent, how often they are tried, and how long is kept what was sent."""

    allow: list[str] = Field(
        default=[],
        description="hosts, addresses and networks that are not public, or spoken to over plain http",
    )
    retries: int = Field(default=8, ge=3, le=20, description="after the first attempt; then it is dead")
    first_retry_seconds: float = Field(
        default=5, gt=0, le=3_600, description="each further wait is three times the one before"
    )
    give_up_hours: float = Field(
        default=72, gt=0, le=8_760, description="a webhook that takes nothing for so long is disabled"
    )
    keep_days: float = Field(default=7, gt=0, le=3_650)
    keep_delivered: int = Field(default=10_000, ge=0, le=10_000_000)
    """Of each webhook, the newest ones."""
    keep_dead_days: float = Field(default=30, gt=0, le=3_650)
    keep_dead: int = Field(default=100_000, ge=1, le=10_000_000)

    @field_validator("allow")
    @classmethod
    def _allow_is_understood(cls, value: list[str]) -> list[str]:
        Guard.parse(value)
        return value

    @property
    def guard(self) -> Guard:
        """Where they may be sent."""
        return Guard.parse(self.allow)

    @property
    def patience(self) -> Patience:
        """How often, and when, they are tried again."""
        give_up = minutes(60 * self.give_up_hours)
        return Patience(self.retries, seconds(self.first_retry_seconds), give_up)

    @property
    def keep(self) -> dict[DeliveryState, tuple[Millis, int]]:
        """For each state how long, and how many of it, are kept."""
        day = 24 * 60
        return {
            DeliveryState.DELIVERED: (minutes(day * self.keep_days), self.keep_delivered),
            DeliveryState.DEAD: (minutes(day * self.keep_dead_days), self.keep_dead),
        }
