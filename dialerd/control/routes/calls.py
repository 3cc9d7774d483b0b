"""Calls: every attempt with its tries; one call of its own, placed and hung up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, orders, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.calls import Call, Placed
from dialerd.control.context import Controlled
from dialerd.control.queries import Number, Span
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.identity import CampaignId
from dialerd.engine.calls import CallFields
from dialerd.engine.fields import Language
from dialerd.engine.labels import LabelFields
from dialerd.engine.transfers import TransferFields
from dialerd.ports import CallFilter

router = APIRouter(prefix="/v1/calls", tags=["calls"])


class CallQuery(Span):
    """Which calls."""

    campaign_id: str | None = None
    disposition: str | None = None
    language: Language | None = Field(None, description="BCP-47")
    phone: Number | None = Field(None, description="E.164")


@router.get("", responses=answers.of(Page[Call], "calls"))
async def list_calls(control: Controlled, asked: Annotated[CallQuery, Query()]) -> JSONResponse:
    """Calls, newest first."""
    where = CallFilter(
        campaign=None if asked.campaign_id is None else CampaignId(asked.campaign_id),
        started_from=asked.start,
        started_to=asked.end,
        disposition=asked.disposition,
        language=asked.language,
        phone=asked.phone,
    )
    return JSONResponse(await control.service.calls.page(where, asked.page))


@router.post(
    "",
    status_code=201,
    responses=answers.made(Placed, "the call as it begins"),
    openapi_extra=shapes.json_body(shapes.schema_of(CallFields, "phone", "script_id", "language")),
)
async def place_call(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Place one call now, through every rule that a campaign's call passes; never queued: 409 with `why`."""
    calls = control.service.calls
    async with control.repeats.claim(request, key) as claim:
        fields = await bodies.read_object(request)
        return await claim.answered(
            lambda done: _placed(calls.place(fields, done)), lambda done: _placed(calls.again(done.made))
        )


async def _placed(call: Awaitable[dict[str, Any]]) -> Response:
    shown = await call
    return JSONResponse(shown, 201, {"Location": f"/v1/calls/{shown['id']}"})


@router.get("/{call_id}", responses=answers.of(Call, "the call"))
async def show_call(call_id: str, control: Controlled) -> JSONResponse:
    """One call."""
    return JSONResponse(await control.service.calls.show(call_id))


@router.post(
    "/{call_id}/hangup",
    responses=answers.of(Call, "the call as it is now"),
    openapi_extra=shapes.options(orders.NoOptions),
)
async def hang_up_call(call_id: str, request: Request, control: Controlled) -> JSONResponse:
    """End a live call; one that has ended stays as it is."""
    await bodies.read_options(request, orders.NoOptions)
    return JSONResponse(await control.service.calls.hang_up(call_id))


@router.post(
    "/{call_id}/disposition",
    responses=answers.of(Call, "the call with its label"),
    openapi_extra=shapes.json_body(shapes.schema_of(LabelFields, "disposition")),
)
async def label_call(call_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Say what came of a live, answered call, instead of its own agent.

    409 for a callback that cannot be: `latest` is the last possible time, `next` the first one after
    the time asked for. That it was asked for is kept.
    """
    return JSONResponse(await control.service.calls.label(call_id, await bodies.read_object(request)))


@router.post(
    "/{call_id}/transfer",
    responses=answers.of(Call, "the call as it is now"),
    openapi_extra=shapes.optional_json(shapes.schema_of(TransferFields)),
)
async def transfer_call(call_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Begin to connect the callee with a person: `transfer` of the call tells how that goes.

    Nobody answers: the agent goes on. 409 while the call is not answered, is over, or is being transferred already.
    """
    return JSONResponse(
        await control.service.calls.transfer(call_id, await bodies.read_object(request, optional=True))
    )
