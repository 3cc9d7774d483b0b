"""Campaigns: create, read, start, pause, resume, stop."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import bodies, uploads
from dialerd.control.context import Controlled, From, Paged, To, span
from dialerd.core.errors import Fault, invalid
from dialerd.core.model import CampaignId, CampaignStatus
from dialerd.engine.admission import ContactFile
from dialerd.engine.draft import CampaignFields
from dialerd.engine.service import Carriage
from dialerd.ports import CallFilter, CampaignFilter

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

_FIELDS = CampaignFields.model_json_schema(ref_template="#/components/schemas/{model}")
_FIELDS.pop("$defs", None)
_CONTACT = {
    "type": "object",
    "required": ["phone"],
    "properties": {
        "phone": {"type": "string", "examples": ["+919876543210"]},
        "name": {"type": "string"},
        "timezone": {"type": "string"},
        "external_id": {"type": "string"},
    },
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_FIELDS["required"] = ["name", "script_id", "language"]
_JSON_BODY = {
    **_FIELDS,
    "required": ["name", "script_id", "language", "contacts"],
    "properties": {**_FIELDS["properties"], "contacts": {"type": "array", "items": _CONTACT}},
}
_MULTIPART_BODY = {
    "type": "object",
    "required": ["campaign", "contacts"],
    "properties": {
        "campaign": _FIELDS,
        "contacts": {"type": "string", "format": "binary", "description": "CSV with a column phone"},
    },
}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def _optional(**properties: Any) -> dict[str, Any]:
    return _body({"type": "object", "additionalProperties": False, "properties": properties})


_RINGING = {"enum": ["continue", "cancel"], "default": "continue"}


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _JSON_BODY},
                "multipart/form-data": {"schema": _MULTIPART_BODY},
            },
        }
    },
)
async def create_campaign(request: Request, control: Controlled) -> Response:
    """Create and schedule a campaign, from JSON or from a part `campaign` (JSON) and a part `contacts` (CSV)."""
    with control.upload() as path:
        match bodies.media_type(request):
            case "application/json":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
                created = await control.service.create_campaign(None, ContactFile(path, "json"))
            case "multipart/form-data":
                fields = await uploads.receive(request, path, control.max_bytes)
                created = await control.service.create_campaign(fields, ContactFile(path, "csv"))
            case _:
                raise bodies.unsupported(request, "application/json", "multipart/form-data")
    headers = {"Location": f"/v1/campaigns/{created['campaign_id']}"}
    return Response(orjson.dumps(created), 201, headers, "application/json")


@router.get("")
async def list_campaigns(
    control: Controlled,
    page: Paged,
    status: Annotated[str | None, Query(description="only campaigns in this state")] = None,
    created_from: From = None,
    created_to: To = None,
) -> JSONResponse:
    """Campaigns, newest first; `from` and `to` concern their creation."""
    wanted = None
    if status is not None:
        try:
            wanted = CampaignStatus(status)
        except ValueError:
            states = ", ".join(CampaignStatus)
            raise invalid([Fault("status", f"must be one of: {states}")]) from None
    where = CampaignFilter(wanted, *span(created_from, created_to))
    return JSONResponse(await control.service.campaigns(where, page))


@router.get("/{campaign_id}")
async def show_campaign(campaign_id: str, control: Controlled) -> JSONResponse:
    """One campaign with its progress, dispositions and metrics."""
    return JSONResponse(await control.service.campaign(campaign_id))


@router.get("/{campaign_id}/calls")
async def list_calls_of_campaign(campaign_id: str, control: Controlled, page: Paged) -> JSONResponse:
    """The campaign's calls, newest first."""
    await control.service.campaign(campaign_id)
    return JSONResponse(await control.service.calls(CallFilter(CampaignId(campaign_id)), page))


@router.post("/{campaign_id}/start", openapi_extra=_optional(now={"type": "boolean", "default": False}))
async def start_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Start a scheduled campaign; before its start time only with `{"now": true}`."""
    body = await _options(request, "now")
    at_once = body.get("now")
    if at_once is not None and not isinstance(at_once, bool):
        raise invalid([Fault("now", "must be true or false")])
    return _carried(await control.service.start(campaign_id, at_once=bool(at_once)))


@router.post("/{campaign_id}/pause", openapi_extra=_optional(ringing=_RINGING))
async def pause_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Place no new calls. 202 with `in_flight`: that many originates had not shown themselves after 2 s."""
    body = await _options(request, "ringing")
    cancel = bodies.choice(body, "ringing", ("continue", "cancel")) == "cancel"
    return _carried(await control.service.pause(campaign_id, cancel_ringing=cancel))


@router.post("/{campaign_id}/resume", openapi_extra=_optional())
async def resume_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Go on dialing."""
    await _options(request)
    return _carried(await control.service.resume(campaign_id))


@router.post(
    "/{campaign_id}/stop",
    openapi_extra=_optional(calls={"enum": ["finish", "hangup"], "default": "finish"}, ringing=_RINGING),
)
async def stop_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """End the campaign for good. 202 with `in_flight` as for pause."""
    body = await _options(request, "calls", "ringing")
    hang_up = bodies.choice(body, "calls", ("finish", "hangup")) == "hangup"
    cancel = bodies.choice(body, "ringing", ("continue", "cancel")) == "cancel"
    return _carried(await control.service.stop(campaign_id, hang_up=hang_up, cancel_ringing=cancel))


async def _options(request: Request, *known: str) -> dict[str, Any]:
    body = await bodies.read_object(request, optional=True)
    bodies.only(body, known)
    return body


def _carried(carriage: Carriage) -> JSONResponse:
    if carriage.in_flight:
        return JSONResponse({**carriage.campaign, "in_flight": carriage.in_flight}, 202)
    return JSONResponse(carriage.campaign)
