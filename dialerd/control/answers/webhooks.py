"""Webhooks and their deliveries, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from dialerd.control.answers import Moment


class Webhook(BaseModel):
    """Who is told of what."""

    webhook_id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str | None
    created_at: Moment


class NewWebhook(Webhook):
    """A new webhook."""

    secret: Annotated[str, Field(description="shown in this answer only")]


class ChangedWebhook(Webhook):
    """A webhook that was changed."""

    secret: Annotated[str | None, Field(description="of a new one, shown in this answer only")] = None


class Delivery(BaseModel):
    """What a webhook was or is to be told."""

    delivery_id: str
    event: str
    state: Literal["waiting", "delivered", "dead"]
    attempts: int
    created_at: Moment
    next_attempt_at: Moment | None
    finished_at: Moment | None
    status_code: int | None
    detail: str | None
    payload: Annotated[dict[str, Any], Field(description="exactly as it is sent")]


class Redelivered(BaseModel):
    """How many deliveries are sent again."""

    redelivered: int


class Tested(BaseModel):
    """What the receiver answered."""

    webhook_id: str
    delivery_id: str
    delivered: bool
    status_code: int | None
    detail: str | None
