"""Files of the API, handed through: recordings with ranges, results, spoken lines. The browser never has the key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import httpx
from nicegui import app
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dialerd.console.api import path
from dialerd.console.context import Console
from dialerd.console.problem import Away

_ASKED = ("range", "if-range", "if-none-match", "if-modified-since")
_TOLD = (
    "content-type", "content-length", "content-range", "accept-ranges", "content-disposition", "etag",
    "last-modified",
)  # fmt: skip
_SAID = ("line", "language", "voice", "variable")
_REPORTS = re.compile(r"(results|rejects)\.csv")


def register(console: Console) -> None:
    """Serve the files."""

    @app.get("/files/calls/{call_id}/recording")
    async def recording(request: Request, call_id: str) -> Response:
        return await handed(console, request, path("calls", call_id, "recording"))

    @app.get("/files/campaigns/{campaign_id}/{name}")
    async def report(request: Request, campaign_id: str, name: str) -> Response:
        if not _REPORTS.fullmatch(name):
            return PlainTextResponse("there is no such file", 404)
        return await handed(console, request, path("campaigns", campaign_id, name))

    @app.get("/files/scripts/{script_id}/say")
    async def say(request: Request, script_id: str) -> Response:
        given = request.query_params
        asked = {key: given.getlist(key) for key in _SAID if key in given}
        return await handed(console, request, path("scripts", script_id, "say"), asked)


async def handed(
    console: Console, request: Request, where: str, params: Mapping[str, list[str]] | None = None
) -> Response:
    """The API's answer, part by part as it comes."""
    login = console.login_of(request)
    assert login is not None
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    # Lengths and ranges are of what is stored, not of what a compressed answer has.
    headers["Accept-Encoding"] = "identity"
    stack = AsyncExitStack()
    try:
        answer = await stack.enter_async_context(login.api.stream(where, headers, params))
    except Away as away:
        return PlainTextResponse(f"dialerd does not answer: {away}", 502)
    if answer.status_code >= 400 and answer.status_code != 416:
        async with stack:
            return PlainTextResponse(await _detail(answer), answer.status_code)
    told = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
    told["Cache-Control"] = "private, no-store"
    return StreamingResponse(_parts(stack, answer), answer.status_code, told)


async def _parts(stack: AsyncExitStack, answer: httpx.Response) -> AsyncIterator[bytes]:
    async with stack:
        async for part in answer.aiter_bytes():
            yield part


async def _detail(answer: httpx.Response) -> str:
    try:
        await answer.aread()
        return str(answer.json()["detail"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
