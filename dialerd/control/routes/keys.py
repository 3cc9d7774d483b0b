"""API keys: made once shown once, listed, revoked. Scope `admin`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import bodies, shapes
from dialerd.control.context import Controlled, Paged
from dialerd.core.errors import Fault, invalid
from dialerd.engine.keys import SCOPES

router = APIRouter(prefix="/v1/keys", tags=["keys"])

_OPTIONS = {
    "name": {"type": "string", "maxLength": 255, "default": ""},
    "scope": {"enum": list(SCOPES), "default": "write"},
}


@router.post(
    "",
    status_code=201,
    openapi_extra=shapes.options(**_OPTIONS),
)
async def create_key(request: Request, control: Controlled) -> JSONResponse:
    """Create an API key; `key` is shown in this answer only."""
    body = await bodies.read_options(request, "name", "scope")
    name = body.get("name")
    faults = []
    if name is not None and not (isinstance(name, str) and len(name) <= 255):
        faults.append(Fault("name", "must be a string of at most 255 characters"))
    scope = body.get("scope") or "write"
    if scope not in SCOPES:
        faults.append(Fault("scope", f"must be one of: {', '.join(SCOPES)}"))
    if faults:
        raise invalid(faults)
    return JSONResponse(await control.keys.create(name or "", scope), 201)


@router.get("")
async def list_keys(control: Controlled, page: Paged) -> JSONResponse:
    """Keys, newest first; never the keys themselves."""
    return JSONResponse(await control.service.keys.page(page))


@router.delete("/{key_id}", status_code=204, response_class=Response)
async def revoke_key(key_id: str, control: Controlled) -> Response:
    """Revoke a key: requests with it are refused from now on."""
    await control.service.keys.revoke(key_id)
    return Response(status_code=204)
