"""Scripts: what the embedded voice agent says and asks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.voices import Script, Understood
from dialerd.control.context import Controlled
from dialerd.control.queries import Asked, Paged
from dialerd.control.repeats import IdempotencyKey
from dialerd.core.errors import Fault, invalid
from dialerd.core.journal import RequestDone
from dialerd.engine.fields import Language, title

router = APIRouter(prefix="/v1/scripts", tags=["scripts"])

MAX_SCRIPT = 256 * 1024
_YAML = ("application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml")
_FIELDS = ("script_id", "name", "body")

_BODY = {
    "type": "object",
    "required": ["body"],
    "additionalProperties": False,
    "properties": {
        "script_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "name": {"type": "string", "maxLength": 255},
        "body": {
            "type": ["string", "object"],
            "description": "the script: YAML text, or the same as an object",
        },
    },
}


class VersionQuery(Asked):
    """Which version of a script."""

    version: int | None = Field(None, ge=1, le=10**9, description="default: the newest")


class LineQuery(Asked):
    """Which line of a script, and how it is said."""

    line: str = Field(
        "opening",
        max_length=80,
        description="or closing.KEY, invalid_key …; of states: STATE, STATE.confirm …",
    )
    language: Language | None = Field(None, description="BCP-47; default: the script's first")
    voice: Literal["female", "male"] | None = Field(None, description="default: the script's own")
    variable: list[Annotated[str, Field(max_length=300)]] = Field(
        [], max_length=100, description="NAME=VALUE, may be repeated"
    )


_AUDIO: answers.Responses = {
    200: {"description": "the line", "content": {"audio/wav": {"schema": shapes.FILE}}}
}


@router.post(
    "",
    status_code=201,
    responses=answers.made(Script, "the script"),
    openapi_extra=shapes.body({"application/yaml": {"type": "string"}, "application/json": _BODY}),
)
async def create_script(
    request: Request,
    control: Controlled,
    script_id: Annotated[str | None, Query(description="chosen id, for a YAML body")] = None,
    name: Annotated[str | None, Query(description="name, for a YAML body", max_length=255)] = None,
    key: IdempotencyKey = None,
) -> Response:
    """Store a script: YAML as the body itself, or JSON with `body`."""
    scripts = control.service.scripts
    async with control.repeats.claim(request, key) as claim:
        document = await _read(request)

        async def make(done: RequestDone | None) -> Response:
            source, ident, called = _chosen(document, script_id, name)
            return await _stored(scripts.add(source, ident, called, done))

        return await claim.answered(make, lambda done: _stored(scripts.show(done.made, int(done.note))))


async def _stored(script: Awaitable[dict[str, Any]]) -> Response:
    created = await script
    return JSONResponse(created, 201, {"Location": f"/v1/scripts/{created['script_id']}"})


@router.post(
    "/validate",
    responses=answers.of(Understood, "the script as it was understood"),
    openapi_extra=shapes.body({"application/yaml": {"type": "string"}, "application/json": _BODY}),
)
async def validate_script(request: Request, control: Controlled) -> JSONResponse:
    """Read a script and store nothing: every fault of it, or what it comes to. Needs the scope read."""
    source, _, _ = _chosen(await _read(request), None, None)
    return JSONResponse(await control.service.scripts.validate(source))


@router.get("", responses=answers.of(Page[Script], "scripts"))
async def list_scripts(control: Controlled, page: Paged) -> JSONResponse:
    """Scripts, the newest version of each."""
    return JSONResponse(await control.service.scripts.page(page))


@router.get("/{script_id}", responses=answers.of(Script, "the script"))
async def show_script(
    script_id: str,
    control: Controlled,
    asked: Annotated[VersionQuery, Query()],
) -> JSONResponse:
    """A script; a version that a campaign was created with is shown though the script is deleted."""
    return JSONResponse(await control.service.scripts.show(script_id, asked.version))


@router.get("/{script_id}/say", response_class=Response, responses=_AUDIO)
async def say_line(
    script_id: str,
    control: Controlled,
    asked: Annotated[LineQuery, Query()],
) -> Response:
    """A line of a script as callees will hear it: 16 bit, mono, 8 kHz."""
    said = await control.service.voices.say(
        script_id, asked.line, asked.language, asked.voice, asked.variable
    )
    return Response(said, media_type="audio/wav")


@router.put(
    "/{script_id}",
    responses=answers.of(Script, "its newest version"),
    openapi_extra=shapes.body({"application/yaml": {"type": "string"}, "application/json": _BODY}),
)
async def replace_script(
    script_id: str,
    request: Request,
    control: Controlled,
    name: Annotated[str | None, Query(description="name, for a YAML body", max_length=255)] = None,
) -> JSONResponse:
    """Store a new version of a script.

    Campaigns that exist keep the version that they were created with. A text that is the newest version already makes
    none.
    """
    source, ident, called = _chosen(await _read(request), None, name)
    if ident not in (None, script_id):
        raise invalid([Fault("script_id", f"is {ident!r} in the body, and {script_id!r} in the path")])
    return JSONResponse(await control.service.scripts.replace(script_id, source, called))


@router.delete("/{script_id}", status_code=204, response_class=Response)
async def delete_script(script_id: str, control: Controlled) -> Response:
    """Delete a script; 409 while a live campaign, a call or an agent uses it."""
    await control.service.scripts.delete(script_id)
    return Response(status_code=204)


async def _read(request: Request) -> str | dict[str, Any]:
    """The script's text, or the JSON document around it. Raises `RequestError` 400, 413, 415."""
    media_type = bodies.media_type(request)
    if media_type in _YAML:
        return _text(await bodies.read(request, MAX_SCRIPT))
    if media_type != "application/json":
        raise bodies.unsupported(request, "application/yaml", "application/json")
    return bodies.parse_object(await bodies.read(request, MAX_SCRIPT))


def _chosen(
    document: str | dict[str, Any], script_id: str | None, name: str | None
) -> tuple[str, str | None, str | None]:
    """The script's text, and the id and name that were chosen for it. Raises `RequestError` 422."""
    if isinstance(document, str):
        if faults := _title_faults({"name": name}):
            raise invalid(faults)
        return document, script_id, name
    return _from_json(document, script_id, name)


def _title_faults(given: Mapping[str, object]) -> list[Fault]:
    faults = []
    for key, value in given.items():
        try:
            if value is not None:
                title(value)
        except ValueError as error:
            faults.append(Fault(key, str(error)))
    return faults


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise bodies.malformed(f"line {line} is not UTF-8: byte 0x{body[error.start]:02X}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise bodies.malformed(f"line {line} contains a NUL character")
    return text


def _from_json(
    document: dict[str, Any], script_id: str | None, name: str | None
) -> tuple[str, str | None, str | None]:
    faults = bodies.unknown(document, _FIELDS)
    faults += _title_faults({key: document.get(key) for key in ("script_id", "name")})
    body = document.get("body")
    if body is None:
        faults.append(Fault("body", "required: the script, as YAML text or as an object"))
    elif not isinstance(body, str | dict):
        faults.append(Fault("body", "must be YAML text or an object"))
    if faults:
        raise invalid(faults)
    # JSON is YAML, so one parser reads both.
    source = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=2)
    return source, document.get("script_id") or script_id, document.get("name") or name
