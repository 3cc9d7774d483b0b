"""Trunks: how they are, paused and resumed, and their limits."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from dialerd.control import answers, bodies, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.daemon import Trunk
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged
from dialerd.engine.operation import TrunkFields

router = APIRouter(prefix="/v1/trunks", tags=["trunks"])


@router.get("", responses=answers.of(Page[Trunk], "trunks"))
async def list_trunks(control: Controlled, page: Paged) -> JSONResponse:
    """Trunks in configuration order, with the limits in force and the configured ones."""
    return JSONResponse(control.service.operation.trunks(page))


@router.get("/{name}", responses=answers.of(Trunk, "the trunk"))
async def show_trunk(name: str, control: Controlled) -> JSONResponse:
    """One trunk."""
    return JSONResponse(control.service.operation.trunk(name))


@router.patch(
    "/{name}",
    responses=answers.of(Trunk, "the trunk as it is now"),
    openapi_extra=shapes.json_body(shapes.schema_of(TrunkFields)),
)
async def change_trunk(name: str, request: Request, control: Controlled) -> JSONResponse:
    """Pause or resume a trunk, set its limits (never above the configured ones; null: as configured)."""
    fields = await bodies.read_object(request)
    return JSONResponse(await control.service.operation.change_trunk(name, fields))
