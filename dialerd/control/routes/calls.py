"""Calls: every attempt with its tries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from dialerd.control.context import Controlled, From, Paged, To, phone_in_query, span
from dialerd.core.model import CampaignId
from dialerd.ports import CallFilter

router = APIRouter(prefix="/v1/calls", tags=["calls"])


@router.get("")
async def list_calls(
    control: Controlled,
    page: Paged,
    campaign_id: Annotated[str | None, Query()] = None,
    started_from: From = None,
    started_to: To = None,
    disposition: Annotated[str | None, Query()] = None,
    language: Annotated[str | None, Query()] = None,
    phone: Annotated[str | None, Query(description="E.164")] = None,
) -> JSONResponse:
    """Calls, newest first."""
    start, end = span(started_from, started_to)
    where = CallFilter(
        campaign=None if campaign_id is None else CampaignId(campaign_id),
        started_from=start,
        started_to=end,
        disposition=disposition,
        language=language,
        phone=phone_in_query(phone),
    )
    return JSONResponse(await control.service.calls(where, page))


@router.get("/{call_id}")
async def show_call(call_id: str, control: Controlled) -> JSONResponse:
    """One call."""
    return JSONResponse(await control.service.call(call_id))
