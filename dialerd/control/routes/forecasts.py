"""How long a campaign will take: simulated, for one that exists and for one that does not yet. Nothing is stored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from dialerd.control import bodies, shapes, uploads
from dialerd.control.context import Controlled
from dialerd.control.routes.contacts import CONTACTS
from dialerd.engine.case import Assumptions
from dialerd.engine.contactlist import ContactFile
from dialerd.engine.draft import CampaignFields

router = APIRouter(prefix="/v1", tags=["forecasts"])

_ASSUMPTIONS = shapes.schema_of(Assumptions)
_CAMPAIGN = shapes.schema_of(CampaignFields)
_FIELDS = {**_CAMPAIGN, "properties": {**_CAMPAIGN["properties"], "assume": _ASSUMPTIONS}}
_JSON_BODY = {
    **_FIELDS,
    "required": ["contacts"],
    "properties": {**_FIELDS["properties"], "contacts": CONTACTS},
}
_MULTIPART_BODY = {
    "type": "object",
    "required": ["campaign", "contacts"],
    "properties": {
        "campaign": _FIELDS,
        "contacts": {"type": "string", "format": "binary", "description": "CSV with a column phone"},
    },
}


@router.post(
    "/campaigns/{campaign_id}/simulate",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _ASSUMPTIONS}}}},
)
async def simulate_campaign(campaign_id: str, request: Request, control: Controlled) -> Response:
    """When a live campaign will be done, what holds it up and what would change that. Needs the scope read."""
    assumed = await bodies.read_object(request, optional=True)
    found = await control.service.forecasts.of_campaign(campaign_id, assumed)
    return Response(found, media_type="application/json")


@router.post(
    "/simulate",
    openapi_extra=shapes.body({"application/json": _JSON_BODY, "multipart/form-data": _MULTIPART_BODY}),
)
async def simulate_list(request: Request, control: Controlled) -> Response:
    """The same for a campaign as it would be created (name, script and language may be left out), and not stored."""
    forecasts = control.service.forecasts
    async with control.upload() as path:
        match bodies.media_type(request):
            case "application/json":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
                found = await forecasts.of_list(None, ContactFile(path, "json"))
            case "multipart/form-data":
                fields = await uploads.receive_beside(
                    request, path, control.max_bytes, "contacts", "campaign"
                )
                found = await forecasts.of_list(fields, ContactFile(path, "csv"))
            case _:
                raise bodies.unsupported(request, "application/json", "multipart/form-data")
    return Response(found, media_type="application/json")
