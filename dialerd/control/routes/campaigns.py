"""Campaigns: create, read, edit, start, pause, resume, stop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from dialerd.control import answers, bodies, orders, shapes, uploads
from dialerd.control.answers import Page
from dialerd.control.answers.calls import Call
from dialerd.control.answers.campaigns import Campaign, Created, Edited, Explanation, Ordered
from dialerd.control.answers.lists import CheckedList
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged, Span
from dialerd.control.repeats import IdempotencyKey
from dialerd.control.routes.contacts import CONTACTS
from dialerd.core.errors import RequestError
from dialerd.core.identity import CampaignId
from dialerd.core.leftovers import Leftover
from dialerd.core.model import CampaignStatus
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
        "contacts": {**shapes.FILE, "description": "CSV with a column phone"},
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
_CSV_FILE: answers.Responses = {
    200: {
        "description": "CSV in UTF-8; a cell that a spreadsheet would calculate begins with an apostrophe",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}
_ORDERED = answers.of(Ordered, "the campaign as it is now", 200, 202)


class CampaignQuery(Span):
    """Which campaigns."""

    status: CampaignStatus | None = Field(None, description="only campaigns in this state")


_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


@router.post(
    "",
    status_code=201,
    responses=answers.made(Created, "the campaign, and what became of its list", ("Location", "ETag")),
    openapi_extra=shapes.body({"application/json": _JSON_BODY, "multipart/form-data": _MULTIPART_BODY}),
)
async def create_campaign(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Create and schedule a campaign, from JSON or from a part `campaign` (JSON) and a part `contacts` (CSV)."""
    campaigns = control.service.campaigns
    async with control.repeats.claim(request, key) as claim, control.upload() as path:
        fields, listed = await _asked(request, path, control.max_bytes)
        return await claim.answered(
            lambda done: _created(campaigns.create(fields, listed, done)),
            lambda done: _created(campaigns.imported(done)),
        )


@router.post(
    "/validate",
    responses=answers.of(CheckedList, "what would become of the list"),
    openapi_extra=shapes.body({"application/json": _JSON_BODY, "multipart/form-data": _MULTIPART_BODY}),
)
async def validate_campaign(request: Request, control: Controlled) -> Response:
    """Check a campaign and its contacts as if it were created, and store nothing. Needs the scope read."""
    async with control.upload() as path:
        fields, listed = await _asked(request, path, control.max_bytes)
        found = await control.service.campaigns.validate(fields, listed)
    return Response(orjson.dumps(found), media_type="application/json")


async def _asked(request: Request, path: Path, max_bytes: int) -> tuple[dict[str, Any] | None, ContactFile]:
    """The fields of a new campaign, unless they stand with its contacts, and these, kept at `path`."""
    match bodies.media_type(request):
        case "application/json":
            await bodies.spool(request, path, max_bytes, uploads.LIST)
            return None, ContactFile(path, "json")
        case "multipart/form-data":
            fields = await uploads.receive_beside(request, path, max_bytes, "contacts", "campaign")
            return fields, ContactFile(path, "csv")
        case _:
            raise bodies.unsupported(request, "application/json", "multipart/form-data")


async def _created(campaign: Awaitable[dict[str, Any]]) -> Response:
    created = await campaign
    headers = {"Location": f"/v1/campaigns/{created['campaign_id']}", **_etag(created)}
    return Response(orjson.dumps(created), 201, headers, "application/json")


@router.get("", responses=answers.of(Page[Campaign], "campaigns"))
async def list_campaigns(control: Controlled, asked: Annotated[CampaignQuery, Query()]) -> JSONResponse:
    """Campaigns, newest first; `from` and `to` concern their creation."""
    where = CampaignFilter(asked.status, asked.start, asked.end)
    return JSONResponse(await control.service.campaigns.page(where, asked.page))


@router.get("/{campaign_id}", responses=answers.of(Campaign, "the campaign"))
async def show_campaign(campaign_id: str, control: Controlled) -> JSONResponse:
    """One campaign with its progress, dispositions and metrics. The ETag names its version: it changes with edits."""
    shown = await control.service.campaigns.show(campaign_id)
    return JSONResponse(shown, headers=_etag(shown))


@router.patch(
    "/{campaign_id}",
    responses=answers.of(Edited, "the campaign as it is now"),
    openapi_extra=shapes.json_body(shapes.schema_of(EditableFields)),
)
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


@router.get("/{campaign_id}/why", responses=answers.of(Explanation, "the reasons"))
async def explain_campaign(campaign_id: str, control: Controlled) -> JSONResponse:
    """Whether the campaign is dialing, else every reason in the order of the gate, each with the instant it lifts."""
    return JSONResponse(await control.service.campaigns.why(campaign_id))


@router.get("/{campaign_id}/calls", responses=answers.of(Page[Call], "calls"))
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


@router.post(
    "/{campaign_id}/clone",
    status_code=201,
    responses=answers.made(Created, "the new campaign", ("Location", "ETag")),
    openapi_extra=_CLONE,
)
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


@router.post(
    "/{campaign_id}/start",
    responses=_ORDERED,
    openapi_extra=shapes.options(orders.Start),
)
async def start_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Start a scheduled campaign; before its start time only with `{"now": true}`."""
    asked = await bodies.read_options(request, orders.Start)
    return orders.answered(await control.service.campaigns.start(campaign_id, at_once=asked.now))


@router.post("/{campaign_id}/pause", responses=_ORDERED, openapi_extra=shapes.options(orders.Pause))
async def pause_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Place no new calls. 202 with `in_flight`: that many originates had not shown themselves after 2 s."""
    asked = await bodies.read_options(request, orders.Pause)
    halted = await control.service.campaigns.pause(campaign_id, cancel_ringing=asked.cancels_ringing)
    return orders.answered(halted)


@router.post("/{campaign_id}/resume", responses=_ORDERED, openapi_extra=shapes.options(orders.NoOptions))
async def resume_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Go on dialing."""
    await bodies.read_options(request, orders.NoOptions)
    return orders.answered(await control.service.campaigns.resume(campaign_id))


@router.post(
    "/{campaign_id}/stop",
    responses=_ORDERED,
    openapi_extra=shapes.options(orders.Stop),
)
async def stop_campaign(campaign_id: str, request: Request, control: Controlled) -> JSONResponse:
    """End the campaign for good. 202 with `in_flight` as for pause."""
    asked = await bodies.read_options(request, orders.Stop)
    stopped = await control.service.campaigns.stop(
        campaign_id, hang_up=asked.hangs_up, cancel_ringing=asked.cancels_ringing
    )
    return orders.answered(stopped)


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
