"""A bot that takes calls as Twilio Media Streams brings them, and does what the test tells it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.adapters.waiting import until
from tests.web_server import web_server


@dataclass
class FakeStream:
    """One call at the bot."""

    socket: web.WebSocketResponse
    headers: dict[str, str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]

    @property
    def sid(self) -> str:
        return str(self.of("start")[0]["streamSid"])

    async def say(self, event: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"event": event, "streamSid": self.sid, **fields}))

    async def speak(self, audio: bytes) -> None:
        await self.say("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.say("mark", mark={"name": name})

    @property
    def marks(self) -> list[str]:
        return [message["mark"]["name"] for message in self.of("mark")]


Behaviour = Callable[[FakeStream, dict[str, Any]], Awaitable[None]]


async def nothing(stream: FakeStream, message: dict[str, Any]) -> None:
    """Say nothing."""


async def echo(stream: FakeStream, message: dict[str, Any]) -> None:
    """Say what is heard."""
    if message["event"] == "media":
        await stream.say("media", media={"payload": message["media"]["payload"]})


@dataclass
class FakeBot:
    """What it does may be changed at any time."""

    url: str = ""
    behave: Behaviour = nothing
    accepts: bool = True
    """Whether it answers who brings a call."""
    refuses: bool = False
    """It answers that it takes none."""
    streams: list[FakeStream] = field(default_factory=list)

    async def stream(self, number: int = 1) -> FakeStream:
        """A call at the bot, once it has begun."""
        await until(lambda: len(self.streams) >= number and bool(self.streams[number - 1].of("start")))
        return self.streams[number - 1]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if not self.accepts:
            await asyncio.sleep(60)
        if self.refuses:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        stream = FakeStream(socket, dict(request.headers))
        self.streams.append(stream)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            told = json.loads(message.data)
            stream.messages.append(told)
            if told["event"] == "media":
                stream.audio += base64.b64decode(told["media"]["payload"])
            await self.behave(stream, told)
        stream.closed = True
        return socket


@asynccontextmanager
async def fake_bot(**settings: Any) -> AsyncIterator[FakeBot]:
    """A bot on a loopback port of its own."""
    bot = FakeBot(**settings)
    app = web.Application()
    app.router.add_get("/ws", bot.serve)
    async with web_server(app, patience=0.05) as address:
        bot.url = f"ws://{address}/ws"
        yield bot
