"""A web server of aiohttp's on loopback for the time of a block, of which no connection is left after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.listening import stop


@asynccontextmanager
async def web_server(
    app: web.Application, host: str = "127.0.0.1", port: int = 0, patience: float = 0.1
) -> AsyncIterator[str]:
    """Serve; gives the address, `host:port`. Handlers have `patience` seconds to end."""
    runner = web.AppRunner(app, shutdown_timeout=patience, access_log=None)
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(runner.server, host, port, reuse_address=True)
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop(server)
        await runner.cleanup()
