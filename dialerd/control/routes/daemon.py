"""The daemon itself: status, health, and the description of this API."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

from dialerd.control.context import Controlled
from dialerd.control.docs import render

router = APIRouter(tags=["daemon"])


@router.get("/v1/status")
async def show_status(control: Controlled) -> JSONResponse:
    """Whether calls can be placed, what keeps them from it, and how Asterisk, store, media and trunks are."""
    return JSONResponse(await control.service.status())


@router.get("/healthz")
async def health() -> JSONResponse:
    """200 as long as the process answers. No key."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readiness(control: Controlled) -> JSONResponse:
    """200 when calls can be placed, else 503 with the reasons. No key."""
    ready, body = control.service.readiness()
    return JSONResponse(body, 200 if ready else 503)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """The description of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The same for people."""
    return HTMLResponse(render(request.app.openapi()))
