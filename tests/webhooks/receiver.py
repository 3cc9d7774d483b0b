"""A receiver of webhooks on loopback, as a CRM would have one: it verifies what it takes, or misbehaves on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.listening import serve
from tests.web_server import web_server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """What arrived, verified."""

    url: str = ""
    answer: Answer | None = None
    """What it does instead of taking it."""
    taken: list[tuple[str, Any]] = field(default_factory=list)
    """Id and content of each delivery."""
    requests: list[web.Request] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    async def hear(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.connections.add(request.transport)
        body = await request.read()
        content = Webhook(SECRET).verify(body, dict(request.headers))
        if self.answer is not None:
            return await self.answer(request)
        self.taken.append((request.headers["webhook-id"], content))
        return web.Response(status=204)


@asynccontextmanager
async def receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """Listen on loopback until the block ends."""
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.hear)
    async with web_server(app, port=port) as address:
        made.url = f"http://{address}/hook?x=1"
        yield made


@asynccontextmanager
async def raw(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A peer that speaks for itself; its URL."""
    async with serve(talk) as port:
        yield f"http://127.0.0.1:{port}/"
