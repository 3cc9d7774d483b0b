"""As much of Asterisk's HTTP server and ARI as the client sees, with the faults that the tests order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.web_server import web_server

INSTANCE = "dialer"
PASSWORD = "right horse"
BOOT = "2026-01-01T12:00:00.000+0000"
VERSION = "22.10.1"

Request = dict[str, Any]
Answer = tuple[int, Any] | None


@dataclass
class FakeAri:
    """What it says and does may be changed at any time."""

    url: str = ""
    password: str = PASSWORD
    boot: str = BOOT
    version: str = VERSION
    channels: list[dict[str, Any]] = field(default_factory=list)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """Statuses with which the next requests for /asterisk/info are answered."""
    posted: list[tuple[str, Any]] = field(default_factory=list)
    """Paths and bodies of POST requests over HTTP."""
    refuses: str = ""
    """A part of the paths that are refused with 409."""
    filter_status: int = 200
    pongs: bool = True
    answer: Callable[[Request], Answer] = lambda _request: (200, {})
    """What becomes of a request on the socket; None: nothing."""
    on_open: Callable[[FakeAri], None] = lambda _fake: None
    requests: list[Request] = field(default_factory=list)
    """Requests on the socket."""
    deleted: list[str] = field(default_factory=list)
    """Paths of DELETE requests over HTTP."""
    filters: list[Any] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    @property
    def socket(self) -> web.WebSocketResponse:
        """The newest events socket."""
        return self.sockets[-1]

    async def say(self, **event: Any) -> None:
        """Send an event."""
        await self.socket.send_json({"application": INSTANCE, **event})

    def cut(self) -> None:
        """Break the newest socket without a closing handshake."""
        transport = self.socket._req.transport if self.socket._req is not None else None
        assert transport is not None
        transport.abort()

    # --- the server ----------------------------------------------------------------------------------

    def _refuses(self, request: web.Request) -> bool:
        login = base64.b64encode(f"dialerd:{self.password}".encode()).decode()
        return request.headers.get("Authorization") != f"Basic {login}"

    async def info(self, request: web.Request) -> web.Response:
        if self.failures:
            status = self.failures.pop(0)
            if status == 404:
                return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
            return web.json_response({"message": "Asterisk not booted"}, status=status)
        if self._refuses(request):
            return web.json_response({"message": "Authentication required"}, status=401)
        return web.json_response({"system": {"version": self.version}, "status": {"startup_time": self.boot}})

    async def list_channels(self, _request: web.Request) -> web.Response:
        return web.json_response(self.channels)

    async def list_bridges(self, _request: web.Request) -> web.Response:
        return web.json_response(self.bridges)

    async def delete_channel(self, request: web.Request) -> web.Response:
        self.deleted.append(request.path_qs)
        return web.Response(status=204)

    async def post(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/ari/")
        self.posted.append((path, await request.json()))
        if self.refuses and self.refuses in path:
            return web.json_response({"message": "not now"}, status=409)
        return web.json_response({})

    async def event_filter(self, request: web.Request) -> web.Response:
        self.filters.append(await request.json())
        return web.json_response({}, status=self.filter_status)

    async def events(self, request: web.Request) -> web.StreamResponse:
        if self._refuses(request):
            return web.json_response({"message": "Authentication required"}, status=401)
        self.queries.append(request.query_string)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        self.on_open(self)
        async for message in socket:
            if message.type is WSMsgType.PING and self.pongs:
                await socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._handle(socket, json.loads(message.data))
        return socket

    async def _handle(self, socket: web.WebSocketResponse, request: Request) -> None:
        self.requests.append(request)
        answer = self.answer(request)
        if answer is not None:
            status, body = answer
            text = body if isinstance(body, str) else json.dumps(body)
            await socket.send_json(
                {
                    "type": "RESTResponse",
                    "request_id": request["request_id"],
                    "status_code": status,
                    "message_body": text,
                    "application": INSTANCE,
                }
            )


@asynccontextmanager
async def fake_ari(port: int = 0, **settings: Any) -> AsyncIterator[FakeAri]:
    """A fake on a loopback port of its own, or on `port`."""
    fake = FakeAri(**settings)
    app = web.Application()
    app.router.add_get("/ari/asterisk/info", fake.info)
    app.router.add_get("/ari/channels", fake.list_channels)
    app.router.add_get("/ari/bridges", fake.list_bridges)
    app.router.add_delete("/ari/channels/{id}", fake.delete_channel)
    app.router.add_put(f"/ari/applications/{INSTANCE}/eventFilter", fake.event_filter)
    app.router.add_get("/ari/events", fake.events)
    app.router.add_post("/ari/{path:.*}", fake.post)
    app.router.add_delete("/ari/bridges/{id}", fake.delete_channel)
    async with web_server(app, port=port) as address:
        fake.url = f"http://{address}"
        try:
            yield fake
        finally:
            for socket in fake.sockets:
                if not socket.closed and socket._req is not None and socket._req.transport is not None:
                    socket._req.transport.abort()
            await asyncio.sleep(0)
