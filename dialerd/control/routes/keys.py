"""API keys: made once shown once, listed, revoked. Scope `admin`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.lists import ListedKey, NewKey
from dialerd.control.auth import shown
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.errors import Fault, invalid
from dialerd.core.journal import RequestDone
from dialerd.engine.fields import title
from dialerd.engine.keys import SCOPES

router = APIRouter(prefix="/v1/keys", tags=["keys"])

_BODY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 255, "default": ""},
        "scope": {"enum": list(SCOPES), "default": "write"},
    },
}


@router.post(
    "",
    status_code=201,
    responses=answers.made(NewKey, "the key", ()),
    openapi_extra=shapes.optional_json(_BODY),
)
async def create_key(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Create an API key; `key` is shown in this answer only."""
    async with control.repeats.claim(request, key) as claim:
        fields = await bodies.read_object(request, optional=True)
        # The key itself is never stored. The request can have it made again: of its own name, the installation's secret
        # and a salt that is forgotten with the request.
        salt = secrets.token_hex(16)

        async def make(done: RequestDone | None) -> Response:
            name, scope = _read(fields)
            told = None if done is None else replace(done, note=salt)
            return JSONResponse(await control.keys.create(name, scope, claim.secret(salt), told), 201)

        async def again(done: RequestDone) -> Response:
            made = await control.service.keys.show(done.made)
            return JSONResponse({**made, "key": shown(claim.secret(done.note))}, 201)

        return await claim.answered(make, again, keep=False)


def _read(body: dict[str, Any]) -> tuple[str, str]:
    """Name and scope. Raises `RequestError` 422."""
    name, faults = "", bodies.unknown(body, _BODY["properties"])
    try:
        name = title(body["name"]) if body.get("name") not in (None, "") else ""
    except ValueError as error:
        faults.append(Fault("name", str(error)))
    scope = body.get("scope") or "write"
    if scope not in SCOPES:
        faults.append(Fault("scope", f"must be one of: {', '.join(SCOPES)}"))
    if faults:
        raise invalid(faults)
    return name, scope


@router.get("", responses=answers.of(Page[ListedKey], "keys"))
async def list_keys(request: Request, control: Controlled, page: Paged) -> JSONResponse:
    """Keys, newest first; never the keys themselves. `current` marks the one that asks."""
    asking = request.state.principal.name
    found = await control.service.keys.page(page)
    found["data"] = [{**key, "current": key["key_id"] == asking} for key in found["data"]]
    return JSONResponse(found)


@router.delete("/{key_id}", status_code=204, response_class=Response)
async def revoke_key(key_id: str, control: Controlled) -> Response:
    """Revoke a key: requests with it are refused from now on."""
    await control.service.keys.revoke(key_id)
    return Response(status_code=204)
