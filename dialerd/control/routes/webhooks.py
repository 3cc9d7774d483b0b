"""Webhooks: who is told of what happens, and what became of telling it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, orders, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.webhooks import (
    ChangedWebhook,
    Delivery,
    NewWebhook,
    Redelivered,
    Tested,
    Webhook,
)
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged, Paging
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.delivery import DeliveryState
from dialerd.core.journal import RequestDone
from dialerd.engine.webhooks import WebhookChanges, WebhookFields

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


class Redelivery(orders.NoOptions):
    """What is sent again."""

    delivery_id: str | None = Field(None, description="msg_…; default: all dead ones")


class DeliveryQuery(Paging):
    """Which deliveries."""

    state: DeliveryState | None = Field(None, description="default: all")


@router.post(
    "",
    status_code=201,
    responses=answers.made(NewWebhook, "the webhook"),
    openapi_extra=shapes.json_body(shapes.schema_of(WebhookFields, "url", "events")),
)
async def create_webhook(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Tell a URL of events from now on, signed (Standard Webhooks); `secret` is shown in this answer only."""
    hooks = control.service.webhooks

    async def make(done: RequestDone | None) -> Response:
        return _made(await hooks.add(fields, done))

    async def again(done: RequestDone) -> Response:
        return _made(hooks.shown_first(done.made))

    async with control.repeats.claim(request, key) as claim:
        fields = await bodies.read_object(request)
        # The answer holds the secret, which is kept with the webhook and nowhere else.
        return await claim.answered(make, again, keep=False)


def _made(hook: dict[str, Any]) -> Response:
    return JSONResponse(hook, 201, {"Location": f"/v1/webhooks/{hook['webhook_id']}"})


@router.get("", responses=answers.of(Page[Webhook], "webhooks"))
async def list_webhooks(control: Controlled, page: Paged) -> JSONResponse:
    """Webhooks, newest first; never their secrets."""
    return JSONResponse(control.service.webhooks.page(page))


@router.get("/{webhook_id}", responses=answers.of(Webhook, "the webhook"))
async def show_webhook(webhook_id: str, control: Controlled) -> JSONResponse:
    """One webhook."""
    return JSONResponse(control.service.webhooks.show(webhook_id))


@router.patch(
    "/{webhook_id}",
    responses=answers.of(ChangedWebhook, "the webhook as it is now"),
    openapi_extra=shapes.json_body(shapes.schema_of(WebhookChanges)),
)
async def change_webhook(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Change what is named: enable or disable it, or have a new secret made (null), shown in this answer only."""
    given = await bodies.read_object(request)
    return JSONResponse(await control.service.webhooks.change(webhook_id, given))


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
async def remove_webhook(webhook_id: str, control: Controlled) -> Response:
    """Tell it nothing any more: what waits for it is not sent, and its deliveries are forgotten."""
    await control.service.webhooks.remove(webhook_id)
    return Response(status_code=204)


@router.get("/{webhook_id}/deliveries", responses=answers.of(Page[Delivery], "deliveries"))
async def list_deliveries(
    webhook_id: str, control: Controlled, asked: Annotated[DeliveryQuery, Query()]
) -> JSONResponse:
    """What it was and is to be told, newest first, exactly as it is sent; dead ones were given up."""
    found = await control.service.webhooks.deliveries(webhook_id, asked.state, asked.page)
    return JSONResponse(found)


@router.post(
    "/{webhook_id}/redeliver",
    responses=answers.of(Redelivered, "how many"),
    openapi_extra=shapes.options(Redelivery),
)
async def redeliver(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Send one delivery again, whatever became of it, or all dead ones. Their ids stay the same."""
    asked = await bodies.read_options(request, Redelivery)
    return JSONResponse(await control.service.webhooks.redeliver(webhook_id, asked.delivery_id))


@router.post(
    "/{webhook_id}/test",
    responses=answers.of(Tested, "what the receiver said"),
    openapi_extra=shapes.options(orders.NoOptions),
)
async def test_webhook(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Send a signed `webhook.test` now, and tell what the receiver answered."""
    await bodies.read_options(request, orders.NoOptions)
    return JSONResponse(await control.service.webhooks.test(webhook_id))
