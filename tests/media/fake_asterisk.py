"""As much of Asterisk's ARI and chan_websocket as a media worker sees, with the faults that the tests order.

It plays at once what it is given, so that a test does not wait for a prompt; `holds_marks` leaves them to the test.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType, web

from dialerd.media.address import Address
from dialerd.media.ari import AriLogin
from tests.adapters.waiting import until
from tests.web_server import web_server

INSTANCE = "lab"
PASSWORD = "right horse"
FRAMES = {"ulaw": 160, "alaw": 160, "slin16": 640}
"""Bytes of 20 ms of the formats that media legs may have."""


def channel_of(call: str) -> str:
    """The channel id of a call's first try."""
    return f"{INSTANCE}-{call}-1"


def free_address() -> Address:
    """A loopback address to listen at, whose port no outgoing connection is given."""
    while True:
        address = Address("127.0.0.1", random.randrange(20_000, 30_000))
        # The next port too: a second worker listens there.
        with socket.socket() as probe, socket.socket() as other, contextlib.suppress(OSError):
            probe.bind((address.host, address.port))
            other.bind((address.host, address.port + 1))
            return address


@contextmanager
def reserved_address() -> Iterator[Address]:
    """An address as `free_address` gives it, which nobody who asks that for one is given as long as the block lasts.

    Only a server that may share it can listen there: asyncio's and uvloop's do.
    """
    address = free_address()
    with socket.socket() as first, socket.socket() as second:
        for holder, port in ((first, address.port), (second, address.port + 1)):
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((address.host, port))
        yield address


@dataclass
class FakeLeg:
    """One media channel, and its socket once that was brought."""

    channel: str
    client: str = f"{INSTANCE}-media"
    variables: dict[str, str] = field(default_factory=dict)
    form: str = "ulaw"
    """The format it was asked for."""
    socket: ClientWebSocketResponse | None = None
    audio: bytearray = field(default_factory=bytearray)
    commands: list[dict[str, str]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    closed: bool = False

    async def say(self, event: str, **fields: object) -> None:
        """Send an event of chan_websocket."""
        assert self.socket is not None
        await self.socket.send_str(json.dumps({"event": event, "channel_id": self.channel, **fields}))

    async def press(self, digit: str) -> None:
        """The callee presses a key."""
        await self.say("DTMF_END", digit=digit)

    async def speak(self, *frames: bytes) -> None:
        """The callee's audio, 20 ms a frame."""
        assert self.socket is not None
        for frame in frames:
            await self.socket.send_bytes(frame)

    def cut(self) -> None:
        """Break the socket."""
        assert self.socket is not None
        assert self.socket._writer.transport is not None
        self.socket._writer.transport.abort()


@dataclass
class FakeAsterisk:
    """What it says and does may be changed at any time."""

    url: str = ""
    media: Address = field(default_factory=free_address)
    """Where its websocket_client.conf says that media sockets are to be brought."""
    brings: bool = True
    """Whether it brings the sockets of the legs it makes."""
    channels: set[str] = field(default_factory=set)
    bridges: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Of bridges."""
    legs: dict[str, FakeLeg] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    connections: tuple[str, ...] = ("engine",)
    """Sections of its websocket_client.conf beside ours."""
    reachable: bool = True
    """Whether they lead to anybody; a leg that does not is gone once it is dialed."""
    parts: bool = False
    """Whether an engine closes its socket as soon as its leg was shown to be up."""
    direct: dict[str, dict[str, str]] = field(default_factory=dict)
    """The variables of legs that lead to engines."""
    down: set[str] = field(default_factory=set)
    """Those that were not dialed yet."""
    direct_forms: dict[str, str] = field(default_factory=dict)
    """Their formats."""
    holds_marks: bool = False
    lingers: float = 0
    """Seconds for which a bridge with channels is still there after its removal was answered."""
    not_ready: int = 0
    """How many attempts to join fail because the leg is not in the application yet."""
    lost_answers: int = 0
    """How many legs it makes without being able to say so."""
    slow: dict[str, float] = field(default_factory=dict)
    """Beginnings of requests that are carried out late, whether or not anybody waits, and by how many seconds."""
    silent: set[str] = field(default_factory=set)
    """Beginnings of requests that are never answered."""
    refuse: dict[str, int] = field(default_factory=dict)
    """Beginnings of requests, and the status with which they are refused."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def login(self) -> AriLogin:
        """Its address and account."""
        return AriLogin(self.url, "dialerd", PASSWORD)

    def answer(self, call: str) -> str:
        """A callee has answered: his channel is there."""
        self.channels.add(channel_of(call))
        return channel_of(call)

    async def leg(self, call: str) -> FakeLeg:
        """The call's media leg, once it is connected."""
        name = channel_of(call) + "-m"
        await until(lambda: name in self.legs and self.legs[name].socket is not None)
        return self.legs[name]

    # --- ARI -----------------------------------------------------------------------------------------

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        login = base64.b64encode(f"dialerd:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            return web.json_response({"message": "Authentication required"}, status=401)
        for start, seconds in self.slow.items():
            if line.startswith(start):
                await asyncio.sleep(seconds)
        if any(line.startswith(start) for start in self.silent):
            await asyncio.sleep(60)
        for start, status in self.refuse.items():
            if line.startswith(start):
                return web.json_response({"message": "not today"}, status=status)
        response: web.StreamResponse = await handler(request)
        return response

    async def make_leg(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["connection_type"] == "client"
        assert body["external_host"].startswith(f"{INSTANCE}-media")
        assert (body["transport"], body["app"]) == ("websocket", INSTANCE)
        assert body["format"] in FRAMES
        name = body["channelId"]
        if name in self.channels:
            return web.json_response({"message": "Channel with given unique ID already exists"}, status=409)
        self.channels.add(name)
        self.legs[name] = leg = FakeLeg(name, body["external_host"], body["variables"], body["format"])
        if self.brings:
            task = asyncio.create_task(self._bring(leg))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        if self.lost_answers > 0:
            self.lost_answers -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"id": name})

    async def create(self, request: web.Request) -> web.Response:
        """A channel that is not dialed yet: of those, here are legs that lead to an engine."""
        body = await request.json()
        found = re.fullmatch(r"WebSocket/(\w+)/c\((\w+)\)f\(json\)", body["endpoint"])
        assert found
        assert body["app"] == INSTANCE
        if found[1] not in self.connections:
            return web.json_response({"error": "Allocation failed"}, status=500)
        name = body["channelId"]
        self.channels.add(name)
        self.down.add(name)
        self.direct[name] = body["variables"]
        self.direct_forms[name] = found[2]
        return web.json_response({"id": name})

    async def dial(self, request: web.Request) -> web.Response:
        """Asterisk connects to the engine, if that is there."""
        name = request.match_info["id"]
        assert any(name in joined for joined in self.bridges.values())
        self.down.discard(name)
        if not self.reachable:
            self.channels.discard(name)
        return web.Response(status=204)

    async def list_channels(self, _request: web.Request) -> web.Response:
        return web.json_response([{"id": name, "name": self._called(name)} for name in sorted(self.channels)])

    def _called(self, channel: str) -> str:
        return f"WebSocket/{self.legs[channel].client}/0x1" if channel in self.legs else "PJSIP/x"

    async def show_channel(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.channels:
            return web.json_response({"message": "Channel not found"}, status=404)
        state = "Down" if name in self.down else "Up"
        if self.parts and name in self.direct and state == "Up":
            self.channels.discard(name)
        return web.json_response({"name": self._called(name), "state": state})

    async def drop_channel(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.channels:
            return web.json_response({"message": "Channel not found"}, status=404)
        self.channels.discard(name)
        return web.Response(status=204)

    async def list_bridges(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [{"id": name, "name": self.names.get(name, "")} for name in sorted(self.bridges)]
        )

    async def make_bridge(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["type"] == "mixing"
        if request.match_info["id"] in self.bridges:
            return web.json_response({"message": "Bridge already exists"}, status=409)
        self.names[request.match_info["id"]] = body["name"]
        self.bridges[request.match_info["id"]] = []
        return web.json_response({"id": request.match_info["id"]})

    async def join(self, request: web.Request) -> web.Response:
        wanted = (await request.json())["channel"]
        if self.not_ready > 0:
            self.not_ready -= 1
            return web.json_response({"message": "Channel not in Stasis application"}, status=422)
        if not set(wanted) <= self.channels:
            return web.json_response({"message": "Channel not found"}, status=400)
        bridge = self.bridges.get(request.match_info["id"])
        if bridge is None:
            return web.json_response({"message": "Bridge not found"}, status=404)
        bridge += [name for name in wanted if name not in bridge]
        return web.Response(status=204)

    async def drop_bridge(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.bridges:
            return web.Response(status=404)
        if self.bridges[name] and self.lingers:
            asyncio.get_running_loop().call_later(self.lingers, self.bridges.pop, name, None)
        else:
            self.bridges.pop(name)
        return web.Response(status=204)

    async def show_bridge(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.bridges:
            return web.json_response({"message": "Bridge not found"}, status=404)
        return web.json_response({"id": name, "name": self.names.get(name, "")})

    # --- chan_websocket ------------------------------------------------------------------------------

    async def _bring(self, leg: FakeLeg) -> None:
        """The life of a leg's socket; the channel ends with it."""
        with contextlib.suppress(ClientError):
            async with (
                ClientSession() as http,
                http.ws_connect(f"ws://{self._uri(leg.client)}/media", protocols=["media"]) as socket,
            ):
                leg.socket = socket
                await leg.say("MEDIA_START", format=leg.form, channel_variables=leg.variables)
                async for message in socket:
                    await self._take(leg, message.type, message.data)
        leg.closed = True
        self.channels.discard(leg.channel)

    def _uri(self, client: str) -> Address:
        """Where the section of websocket_client.conf leads: each worker listens one port further on."""
        base = f"{INSTANCE}-media"
        assert client.startswith(base)
        return Address(self.media.host, self.media.port + int(client.removeprefix(base).strip("-") or 1) - 1)

    async def _take(self, leg: FakeLeg, kind: WSMsgType, data: Any) -> None:
        if kind is WSMsgType.BINARY:
            assert len(data) % FRAMES[leg.form] == 0
            assert len(data) <= 65_500
            leg.audio += data
        elif kind is WSMsgType.TEXT:
            assert len(data) <= 128
            await self._command(leg, json.loads(data))

    async def _command(self, leg: FakeLeg, command: dict[str, str]) -> None:
        leg.commands.append(command)
        if command["command"] == "MARK_MEDIA":
            leg.marks.append(command["correlation_id"])
            if not self.holds_marks:
                await self.play(leg)
        elif command["command"] == "FLUSH_MEDIA":
            leg.audio.clear()
            leg.marks.clear()

    async def play(self, leg: FakeLeg) -> None:
        """Everything queued has been played."""
        marks, leg.marks = leg.marks, []
        for mark in marks:
            await leg.say("MEDIA_MARK_PROCESSED", correlation_id=mark)


@asynccontextmanager
async def fake_asterisk(**settings: Any) -> AsyncIterator[FakeAsterisk]:
    """A fake on a loopback port of its own."""
    with reserved_address() as media:
        async with _served(FakeAsterisk(**{"media": media, **settings})) as fake:
            yield fake


@asynccontextmanager
async def _served(fake: FakeAsterisk) -> AsyncIterator[FakeAsterisk]:
    app = web.Application(middlewares=[fake._gate])
    app.router.add_post("/ari/channels/externalMedia", fake.make_leg)
    app.router.add_post("/ari/channels/create", fake.create)
    app.router.add_post("/ari/channels/{id}/dial", fake.dial)
    app.router.add_get("/ari/channels", fake.list_channels)
    app.router.add_get("/ari/channels/{id}", fake.show_channel)
    app.router.add_delete("/ari/channels/{id}", fake.drop_channel)
    app.router.add_get("/ari/bridges", fake.list_bridges)
    app.router.add_get("/ari/bridges/{id}", fake.show_bridge)
    app.router.add_post("/ari/bridges/{id}", fake.make_bridge)
    app.router.add_post("/ari/bridges/{id}/addChannel", fake.join)
    app.router.add_delete("/ari/bridges/{id}", fake.drop_bridge)
    async with web_server(app, patience=0.05) as address:
        fake.url = f"http://{address}"
        try:
            yield fake
        finally:
            for task in fake.tasks:
                task.cancel()
            await asyncio.gather(*fake.tasks, return_exceptions=True)
