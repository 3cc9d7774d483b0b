"""Webhooks: who is told of what happens, and what became of telling it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import bodies, shapes
from dialerd.control.context import Controlled, Paged
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.delivery import DeliveryState
from dialerd.core.errors import Fault, invalid
from dialerd.core.journal import RequestDone
from dialerd.engine.webhooks import WebhookChanges, WebhookFields

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

State = Annotated[str | None, Query(description="waiting, delivered or dead; default: all")]


@router.post(
    "", status_code=201, openapi_extra=shapes.json_body(shapes.schema_of(WebhookFields, "url", "events"))
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


@router.get("")
async def list_webhooks(control: Controlled, page: Paged) -> JSONResponse:
    """Webhooks, newest first; never their secrets."""
    return JSONResponse(control.service.webhooks.page(page))


@router.get("/{webhook_id}")
async def show_webhook(webhook_id: str, control: Controlled) -> JSONResponse:
    """One webhook."""
    return JSONResponse(control.service.webhooks.show(webhook_id))


@router.patch("/{webhook_id}", openapi_extra=shapes.json_body(shapes.schema_of(WebhookChanges)))
async def change_webhook(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Change what is named: enable or disable it, or have a new secret made (null), shown in this answer only."""
    given = await bodies.read_object(request)
    return JSONResponse(await control.service.webhooks.change(webhook_id, given))


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
async def remove_webhook(webhook_id: str, control: Controlled) -> Response:
    """Tell it nothing any more: what waits for it is not sent, and its deliveries are forgotten."""
    await control.service.webhooks.remove(webhook_id)
    return Response(status_code=204)


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: str, control: Controlled, page: Paged, state: State = None
) -> JSONResponse:
    """What it was and is to be told, newest first, exactly as it is sent; dead ones were given up."""
    if state is not None and state not in list(DeliveryState):
        raise invalid([Fault("state", f"must be one of: {', '.join(DeliveryState)}")])
    chosen = DeliveryState(state) if state is not None else None
    return JSONResponse(await control.service.webhooks.deliveries(webhook_id, chosen, page))


@router.post(
    "/{webhook_id}/redeliver",
    openapi_extra=shapes.options(
        delivery_id={"type": "string", "description": "msg_…; default: all dead ones"}
    ),
)
async def redeliver(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Send one delivery again, whatever became of it, or all dead ones. Their ids stay the same."""
    given = await bodies.read_options(request, "delivery_id")
    return JSONResponse(await control.service.webhooks.redeliver(webhook_id, given))


@router.post("/{webhook_id}/test", openapi_extra=shapes.options())
async def test_webhook(webhook_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Send a signed `webhook.test` now, and tell what the receiver answered."""
    await bodies.read_options(request)
    return JSONResponse(await control.service.webhooks.test(webhook_id))
