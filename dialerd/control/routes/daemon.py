"""The daemon itself: status, health, all dialing halted and resumed, and the description of this API."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from dialerd.control import answers, bodies, orders, shapes
from dialerd.control.answers.daemon import Halted, Health, Readiness, Status
from dialerd.control.context import Controlled
from dialerd.control.description import documents
from dialerd.control.observation import exposition
from dialerd.core.errors import PortError

router = APIRouter(tags=["daemon"])

_HALTED = answers.of(Halted, "the daemon as it is now", 200, 202)


@router.get("/v1/status", responses=answers.of(Status, "the daemon"))
async def show_status(control: Controlled) -> JSONResponse:
    """Whether calls can be placed, what keeps them from it, and how Asterisk, store, media and trunks are."""
    return JSONResponse(await control.service.operation.status())


@router.post("/v1/pause", responses=_HALTED, openapi_extra=shapes.options(orders.Pause))
async def pause(request: Request, control: Controlled) -> JSONResponse:
    """Place no new calls at all, over restarts, until a resume. 202 with `in_flight` as for a campaign's pause."""
    asked = await bodies.read_options(request, orders.Pause)
    return orders.answered(await control.service.operation.pause(cancel_ringing=asked.cancels_ringing))


@router.post("/v1/resume", responses=_HALTED, openapi_extra=shapes.options(orders.NoOptions))
async def resume(request: Request, control: Controlled) -> JSONResponse:
    """Lift a pause or a panic of the whole daemon."""
    await bodies.read_options(request, orders.NoOptions)
    return orders.answered(await control.service.operation.resume())


@router.post("/v1/panic", responses=_HALTED, openapi_extra=shapes.options(orders.NoOptions))
async def panic(request: Request, control: Controlled) -> JSONResponse:
    """Hang up every call of ours and place none until a resume. Scope `admin`."""
    await bodies.read_options(request, orders.NoOptions)
    return orders.answered(await control.service.operation.panic())


@router.get("/healthz", responses=answers.of(Health, "it answers"))
async def health() -> JSONResponse:
    """200 as long as the process answers. No key."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz", responses=answers.of(Readiness, "200: calls can be placed; 503: they cannot", 200, 503)
)
async def readiness(request: Request, control: Controlled) -> JSONResponse:
    """200 when calls can be placed, else 503 with the parts that are out. No key.

    What is wrong with them, and where they are, is told at the Unix socket alone; `GET /v1/status` tells it with a key.
    """
    local = getattr(request.state, "peer", None) is not None
    ready, body = control.service.operation.readiness(in_full=local)
    return JSONResponse(body, 200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(control: Controlled) -> Response:
    """Figures for Prometheus: calls, trunks, the gate's refusals, drift, lag. Scope `read`."""
    service = control.service
    try:
        outbox = await service.webhooks.standing()
    except PortError:
        # The store is out, which other figures tell.
        outbox = None
    streams = service.feed.listeners
    text = exposition(
        service.operation.standing(),
        service.tally,
        control.pulse,
        streams,
        control.version,
        outbox,
        service.upkeep.deleted,
        service.operation.media_workers(),
    )
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The description of this API. No key."""
    return Response((await documents(request.app)).openapi, media_type="application/json")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The same for people. No key."""
    return HTMLResponse((await documents(request.app)).page)
