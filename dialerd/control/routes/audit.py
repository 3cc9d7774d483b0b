"""The audit trail: who has changed what, and from where. Scope `admin`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from dialerd.control import answers
from dialerd.control.answers import Page
from dialerd.control.answers.persons import Deed
from dialerd.control.context import Controlled, From, Paged, To, phone_in_query, span
from dialerd.ports import DeedFilter

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("", responses=answers.of(Page[Deed], "changes"))
async def list_deeds(
    control: Controlled,
    page: Paged,
    actor: Annotated[
        str | None, Query(description="id or name of a key, `uid:` and a number, or a user's name")
    ] = None,
    action: Annotated[str | None, Query(description="as campaign.paused, dnc.added or key.created")] = None,
    about: Annotated[
        str | None, Query(alias="object", description="id of what was changed, or a do-not-call pattern")
    ] = None,
    at_from: From = None,
    at_to: To = None,
) -> JSONResponse:
    """Every change that somebody made, newest first: who, from where, what."""
    start, end = span(at_from, at_to)
    where = DeedFilter(actor, action, phone_in_query(about), start, end)
    return JSONResponse(await control.service.audit.page(where, page))
