"""Campaigns: create, read, edit, start, pause, resume, stop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from dialerd.control import bodies, orders, shapes, uploads
from dialerd.control.context import Controlled, From, Paged, To, span
from dialerd.control.repeats import IdempotencyKey
from dialerd.control.routes.contacts import CONTACTS
from dialerd.core.errors import Fault, RequestError, invalid
from dialerd.core.leftovers import Leftover
from dialerd.core.model import CampaignId, CampaignStatus
from dialerd.engine.contactlist import ContactFile
from dialerd.engine.draft import CampaignFields, EditableFields
from dialerd.ports import CallFilter, CampaignFilter

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

_FIELDS = shapes.schema_of(CampaignFields, "name", "script_id", "language")
_JSON_BODY = {
    **_FIELDS,
    "required": [*_FIELDS["required"], "contacts"],
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
_CLONE_BODY = {
    **shapes.schema_of(CampaignFields),
    "properties": {
        "contacts": {"enum": [which.value for which in Leftover], "default": Leftover.UNREACHED.value},
        **{name: shape for name, shape in _FIELDS["properties"].items() if name != "default_region"},
    },
}
_CLONE = {"requestBody": {"content": {"application/json": {"schema": _CLONE_BODY}}}}
_CSV_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "CSV in UTF-8; a cell that a spreadsheet would calculate begins with an apostrophe",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


@router.post(
    "",
    status_code=201,
    openapi_extra=shapes.body({"application/json": _JSON_BODY, "multipart/form-data": _MULTIPART_BODY}),
)
async def create_campaign(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Create and schedule a campaign, from JSON or from a part `campaign` (JSON) and a part `contacts` (CSV)."""
    campaigns = control.service.campaigns
    async with control.repeats.claim(request, key) as claim, control.upload() as path:
        fields = None
        match bodies.media_type(request):
            case "application/json":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
            case "multipart/form-data":
                fields = await uploads.receive_beside(
                    request, path, control.max_bytes, "contacts", "campaign"
                )
            case _:
                raise bodies.unsupported(request, "application/json", "multipart/form-data")
        listed = ContactFile(path, "json" if fields is None else "csv")
        return await claim.answered(
            lambda done: _created(campaigns.create(fields, listed, done)),
            lambda done: _created(campaigns.imported(done)),
        )


async def _created(campaign: Awaitable[dict[str, Any]]) -> Response:
    created = await campaign
    headers = {"Location": f"/v1/campaigns/{created['campaign_id']}", **_etag(created)}
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
    return JSONResponse(await control.service.campaigns.page(where, page))


@router.get("/{campaign_id}")
async def show_campaign(campaign_id: str, control: Controlled) -> JSONResponse:
    """One campaign with its progress, dispositions and metrics. The ETag names its version: it changes with edits."""
    shown = await control.service.campaigns.show(campaign_id)
    return JSONResponse(shown, headers=_etag(shown))


@router.patch("/{campaign_id}", openapi_extra=shapes.json_body(shapes.schema_of(EditableFields)))
async def edit_campaign(
    campaign_id: str,
    request: Request,
    control: Controlled,
    if_match: Annotated[
        str | None, Header(description="the ETag that was read: 412 if somebody else has edited it since")
    ] = None,
) -> JSONResponse:
    """Change fields of a live campaign; null takes one back to its default, `schedule` is merged field by field."""
    fields = await bodies.read_object(request)
    edited = await control.service.campaigns.edit(campaign_id, fields, _versions(if_match))
    return JSONResponse(edited, headers=_etag(edited))


@router.get("/{campaign_id}/why")
async def explain_campaign(campaign_id: str, control: Controlled) -> JSONResponse:
    """Whether the campaign is dialing, else every reason in the order of the gate, each with the instant it lifts."""
    return JSONResponse(await control.service.campaigns.why(campaign_id))


@router.get("/{campaign_id}/calls")
async def list_calls_of_campaign(campaign_id: str, control: Controlled, page: Paged) -> JSONResponse:
    """The campaign's calls, newest first."""
    await control.service.campaigns.show(campaign_id)
    return JSONResponse(await control.service.calls.page(CallFilter(CampaignId(campaign_id)), page))


@router.get("/{campaign_id}/results.csv", response_class=StreamingResponse, responses=_CSV_FILE)
async def download_results(campaign_id: str, control: Controlled) -> StreamingResponse:
    """One row a contact, in list order. The file is a contact list too: taken in again it is the list it came from."""
    return _file(await control.service.files.results(campaign_id), f"{campaign_id}.results.csv")


@router.get("/{campaign_id}/rejects.csv", response_class=StreamingResponse, responses=_CSV_FILE)
async def download_rejects(campaign_id: str, control: Controlled) -> StreamingResponse:
    """The rows of its lists that were invalid and left out, with their lines and reasons; corrected, a list again."""
    return _file(await control.service.files.rejects(campaign_id), f"{campaign_id}.rejects.csv")


@router.post("/{campaign_id}/clone", status_code=201, openapi_extra=_CLONE)
async def clone_campaign(
    campaign_id: str, request: Request, control: Controlled, key: IdempotencyKey = None
) -> Response:
    """A new campaign from this one's contacts: `unreached` (never answered), `expired`, `all` or `none` of them.

    Its settings are those of this one but for what is given; its times are not taken over. Contacts are held against
    the do-not-call list as it is now.
    """
    campaigns = control.service.campaigns
    async with control.repeats.claim(request, key) as claim:
        given = await bodies.read_object(request, optional=True)
        return await claim.answered(
            lambda done: _created(campaigns.clone(campaign_id, given, done)),
            lambda done: _created(campaigns.imported(done)),
        )


@router.delete("/{campaign_id}", status_code=204, response_class=Response)
async def delete_campaign(campaign_id: str, control: Controlled) -> Response:
    """Delete a finished campaign with its contacts, calls and rejected rows; 409 with the state of one that is live."""
    await control.service.campaigns.delete(campaign_id)
    return Response(status_code=204)


@router.post("/{campaign_id}/start", openapi_extra=shapes.options(now={"type": "boolean", "default": False}))
async def start_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Start a scheduled campaign; before its start time only with `{"now": true}`."""
    body = await bodies.read_options(request, "now")
    at_once = body.get("now")
    if at_once is not None and not isinstance(at_once, bool):
        raise invalid([Fault("now", "must be true or false")])
    return orders.answered(await control.service.campaigns.start(campaign_id, at_once=bool(at_once)))


@router.post("/{campaign_id}/pause", openapi_extra=shapes.options(ringing=orders.RINGING))
async def pause_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Place no new calls. 202 with `in_flight`: that many originates had not shown themselves after 2 s."""
    cancel = orders.cancels_ringing(await bodies.read_options(request, "ringing"))
    return orders.answered(await control.service.campaigns.pause(campaign_id, cancel_ringing=cancel))


@router.post("/{campaign_id}/resume", openapi_extra=shapes.options())
async def resume_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Go on dialing."""
    await bodies.read_options(request)
    return orders.answered(await control.service.campaigns.resume(campaign_id))


@router.post(
    "/{campaign_id}/stop",
    openapi_extra=shapes.options(
        calls={"enum": ["finish", "hangup"], "default": "finish"}, ringing=orders.RINGING
    ),
)
async def stop_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """End the campaign for good. 202 with `in_flight` as for pause."""
    body = await bodies.read_options(request, "calls", "ringing")
    hang_up = bodies.choice(body, "calls", ("finish", "hangup")) == "hangup"
    cancel = orders.cancels_ringing(body)
    return orders.answered(
        await control.service.campaigns.stop(campaign_id, hang_up=hang_up, cancel_ringing=cancel)
    )


def _file(parts: AsyncIterator[bytes], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(parts, media_type="text/csv", headers=headers)


def _etag(shown: dict[str, Any]) -> dict[str, str]:
    return {"ETag": f'"{shown["version"]}"'}


def _versions(if_match: str | None) -> frozenset[int] | None:
    """The versions an `If-Match` allows, None: any (RFC 9110, 13.1.1: weak tags never match). Raises 400."""
    if if_match is None or if_match.strip() == "*":
        return None
    found: set[int] = set()
    for tag in if_match.split(","):
        matched = _TAG.fullmatch(tag.strip())
        if matched is None:
            raise RequestError(
                400,
                "malformed-header",
                "Malformed header",
                'If-Match must be the ETag as it was read, with its quotes, as in "3"',
            )
        weak, value = matched.groups()
        if not weak and value.isdigit() and len(value) < 10:
            found.add(int(value))
    return frozenset(found)
