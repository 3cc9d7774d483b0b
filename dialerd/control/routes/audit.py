"""The audit trail: who has changed what, and from where. Scope `admin`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import JSONResponse

from dialerd.control import answers
from dialerd.control.answers import Page
from dialerd.control.answers.persons import Deed
from dialerd.control.context import Controlled
from dialerd.control.queries import PlusAsSpace, Span
from dialerd.ports import DeedFilter

router = APIRouter(prefix="/v1/audit", tags=["audit"])


class DeedQuery(Span):
    """Which changes."""

    actor: str | None = Field(None, description="id or name of a key, `uid:` and a number, or a user's name")
    action: str | None = Field(None, description="as campaign.paused, dnc.added or key.created")
    about: PlusAsSpace | None = Field(
        None, alias="object", description="id of what was changed, or a do-not-call pattern"
    )


@router.get("", responses=answers.of(Page[Deed], "changes"))
async def list_deeds(control: Controlled, asked: Annotated[DeedQuery, Query()]) -> JSONResponse:
    """Every change that somebody made, newest first: who, from where, what."""
    where = DeedFilter(asked.actor, asked.action, asked.about, asked.start, asked.end)
    return JSONResponse(await control.service.audit.page(where, asked.page))
