"""The do-not-call list: numbers and prefixes that are never dialed."""

from __future__ import annotations

import json
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, shapes, uploads
from dialerd.control.answers import Page
from dialerd.control.answers.lists import Entry, Listed
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.errors import Fault, invalid
from dialerd.core.journal import RequestDone
from dialerd.engine.dnc import EntryFields

router = APIRouter(prefix="/v1/dnc", tags=["do not call"])

_CSV = {
    "type": "string",
    "description": "CSV with a column phone (numbers, or prefixes as +9198*), optional reason, source, expires_at",
}


@router.get("", responses=answers.of(Page[Entry], "entries"))
async def list_entries(control: Controlled, page: Paged) -> JSONResponse:
    """Entries, newest first."""
    return JSONResponse(await control.service.dnc.page(page))


@router.post(
    "",
    status_code=201,
    responses=answers.made(Entry, "the entry", ()),
    openapi_extra=shapes.json_body(shapes.schema_of(EntryFields, "phone")),
)
async def add_entry(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """List a number, or a prefix as `+9198*`. When this is answered, no further call to it leaves."""

    async def make(done: RequestDone | None) -> Response:
        return JSONResponse(await control.service.dnc.add(fields, done), 201)

    async def again(done: RequestDone) -> Response:
        return Response(done.note, 201, media_type="application/json")

    async with control.repeats.claim(request, key) as claim:
        fields = await bodies.read_object(request)
        return await claim.answered(make, again)


@router.post(
    "/import",
    responses=answers.of(Listed, "what became of the list"),
    openapi_extra=shapes.body({"text/csv": _CSV, "multipart/form-data": shapes.csv_part("numbers", _CSV)}),
)
async def import_entries(
    request: Request,
    control: Controlled,
    on_invalid: Annotated[str | None, Query(description="reject (default) or skip")] = None,
    key: IdempotencyKey = None,
) -> Response:
    """List what a CSV names; with a bad row nothing is listed, unless they are skipped."""
    if on_invalid not in (None, "reject", "skip"):
        raise invalid([Fault("on_invalid", "must be reject or skip")])

    async def make(done: RequestDone | None) -> Response:
        skip = on_invalid == "skip"
        listed = await control.service.dnc.add_list(path, skip_invalid=skip, done=done)
        return Response(orjson.dumps(listed), media_type="application/json")

    async def again(done: RequestDone) -> Response:
        rows: dict[str, Any] = {"duplicate_rows": [], "warnings": [], "invalid": []}
        return JSONResponse({**json.loads(done.note or "{}"), **rows})

    async with control.repeats.claim(request, key) as claim, control.upload() as path:
        match bodies.media_type(request):
            case "text/csv":
                await bodies.spool(request, path, control.max_bytes, uploads.LIST)
            case "multipart/form-data":
                await uploads.receive(request, path, control.max_bytes, "numbers")
            case _:
                raise bodies.unsupported(request, "text/csv", "multipart/form-data")
        return await claim.answered(make, again)


@router.get("/{phone}", responses=answers.of(Entry, "the entry"))
async def show_entry(phone: str, control: Controlled) -> JSONResponse:
    """The entry that bars a number now, be it of the number or of a prefix; 404: the number is not barred."""
    return JSONResponse(await control.service.dnc.show(phone))


@router.delete("/{phone}", status_code=204, response_class=Response)
async def remove_entry(phone: str, control: Controlled) -> Response:
    """Take a number or a prefix off the list, as it was given."""
    await control.service.dnc.remove(phone)
    return Response(status_code=204)
