"""The contacts of a campaign: listed, added to, and why one of them is not being dialed."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, shapes, uploads
from dialerd.control.answers import Page
from dialerd.control.answers.campaigns import Contact, ContactExplanation, Created
from dialerd.control.context import Controlled
from dialerd.control.queries import Paging, number
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.contact import ContactState
from dialerd.core.errors import Fault, invalid
from dialerd.core.identity import E164
from dialerd.engine.admission import AdditionFields
from dialerd.engine.contactlist import ContactFile

router = APIRouter(prefix="/v1/campaigns/{campaign_id}", tags=["contacts"])

CONTACTS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["phone"],
        "properties": {
            "phone": {"type": "string", "examples": ["+919876543210"]},
            "name": {"type": "string"},
            "timezone": {"type": "string"},
            "external_id": {"type": "string"},
        },
        "additionalProperties": {
            "type": ["string", "number", "boolean"],
            "maxLength": 2_000,
            "description": "a variable of the script; a contact's variables are 64 KiB at most",
        },
    },
}
"""The list in a JSON body, for the API's description."""

_FIELDS = shapes.schema_of(AdditionFields)
_JSON_BODY = {
    **_FIELDS,
    "required": ["contacts"],
    "properties": {**_FIELDS["properties"], "contacts": CONTACTS},
}
_CSV = {"type": "string", "description": "CSV with a column phone"}


class ContactQuery(Paging):
    """Which contacts."""

    state: ContactState | None = Field(None, description="only contacts in this state")


@router.get("/contacts", responses=answers.of(Page[Contact], "contacts"))
async def list_contacts(
    campaign_id: str, control: Controlled, asked: Annotated[ContactQuery, Query()]
) -> JSONResponse:
    """The campaign's contacts in the order of its lists, each with its state, attempts and next attempt."""
    return JSONResponse(await control.service.campaigns.contacts(campaign_id, asked.state, asked.page))


@router.post(
    "/contacts",
    status_code=201,
    responses=answers.made(Created, "the campaign, and what became of the list", ()),
    openapi_extra=shapes.body(
        {
            "application/json": _JSON_BODY,
            "text/csv": _CSV,
            "multipart/form-data": shapes.csv_part("contacts", _CSV),
        }
    ),
)
async def add_contacts(
    campaign_id: str,
    request: Request,
    control: Controlled,
    default_region: Annotated[
        str | None, Query(description="for CSV: country whose national numbers are accepted")
    ] = None,
    on_invalid: Annotated[str | None, Query(description="for CSV: reject (default) or skip")] = None,
    key: IdempotencyKey = None,
) -> Response:
    """Give a live campaign more contacts, from JSON, CSV, or a multipart part `contacts` (CSV)."""
    campaigns = control.service.campaigns
    options: dict[str, Any] | None = {"default_region": default_region, "on_invalid": on_invalid}
    async with control.repeats.claim(request, key) as claim, control.upload() as path:
        listed = ContactFile(path, "csv")
        match bodies.media_type(request):
            case "application/json":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
                options, listed = None, ContactFile(path, "json")
            case "text/csv":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
            case "multipart/form-data":
                await uploads.receive(request, path, control.max_bytes, "contacts")
            case _:
                raise bodies.unsupported(request, "application/json", "text/csv", "multipart/form-data")
        return await claim.answered(
            lambda done: _added(campaigns.add_contacts(campaign_id, options, listed, done)),
            lambda done: _added(campaigns.imported(done)),
        )


async def _added(campaign: Awaitable[dict[str, Any]]) -> Response:
    return Response(orjson.dumps(await campaign), 201, media_type="application/json")


@router.get("/contacts/{phone}/why", responses=answers.of(ContactExplanation, "the contact and the reasons"))
async def explain_contact(campaign_id: str, phone: str, control: Controlled) -> JSONResponse:
    """Whether the contact is being dialed or could be now, else every reason, each with the instant it lifts."""
    return JSONResponse(await control.service.campaigns.why_contact(campaign_id, number_in_path(phone)))


def number_in_path(phone: str) -> E164:
    """The number that a path names. Raises `RequestError` 422."""
    try:
        return number(phone)
    except ValueError as error:
        raise invalid([Fault("phone", str(error))]) from None
