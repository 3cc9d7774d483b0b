"""A bot that speaks WebSocket frame by frame, so that it can do what no library does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.adapters.waiting import until

CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload: bytes | dict[str, Any], kind: int = TEXT, *, fin: bool = True) -> bytes:
    """One frame, as a server sends it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    first = bytes(((0x80 if fin else 0) | kind,))
    if len(body) < 126:
        return first + bytes((len(body),)) + body
    if len(body) < 1 << 16:
        return first + b"\x7e" + struct.pack(">H", len(body)) + body
    return first + b"\x7f" + struct.pack(">Q", len(body)) + body


def media(audio: bytes) -> bytes:
    """Audio for the callee."""
    return frame({"event": "media", "media": {"payload": base64.b64encode(audio).decode()}})


@dataclass
class RawStream:
    """One call at the bot. It reads nothing that it is not told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *frames: bytes) -> None:
        """Send, and wait until it has left, if it can."""
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    def deafen(self) -> None:
        """Leave all unread that comes from here on."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def next(self) -> tuple[int, bytes]:
        """Kind and payload of the next frame."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        body = await self.reader.readexactly(size)
        return first & 0xF, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))

    async def message(self, event: str) -> dict[str, Any]:
        """The next message of that event."""
        while True:
            kind, payload = await self.next()
            if kind == TEXT:
                found: dict[str, Any] = json.loads(payload)
                if found["event"] == event:
                    return found

    def abort(self) -> None:
        """Die."""
        self.writer.transport.abort()


@dataclass
class RawBot:
    """Its calls, as they have come."""

    url: str = ""
    streams: list[RawStream] = field(default_factory=list)

    async def stream(self, number: int = 1) -> RawStream:
        await until(lambda: len(self.streams) >= number)
        return self.streams[number - 1]

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(
                line.partition(b":")[2].strip()
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key:")
            )
            accepted = base64.b64encode(hashlib.sha1(key + _KEY).digest())
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
            )
            self.streams.append(RawStream(reader, writer))
            await writer.wait_closed()


@asynccontextmanager
async def raw_bot(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawBot]:
    """A bot on a loopback port of its own, over TLS if it has a certificate."""
    bot = RawBot()

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await bot.greet(reader, writer)
        finally:
            serving.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    bot.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    try:
        yield bot
    finally:
        server.close()
        for stream in bot.streams:
            stream.abort()
        await until(lambda: not serving)
