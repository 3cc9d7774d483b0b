"""Servers of asyncio's on loopback that leave no connection behind, whenever it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

TURNS = 5
"""Turns of the loop after which a connection that was accepted is known to its protocol."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def stop(server: asyncio.Server) -> None:
    """Listen no more.

    CPython forgets a connection that is accepted in the very turn in which its server is closed (gh-109564): no
    protocol is ever told of it, and its socket is left to the garbage collector.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()


class Connections:
    """Those that a server has accepted, each with its handler: from `listen` to `end`."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Accept connections; gives the port."""
        # No coroutine: one that is cancelled before it begins would leave its connection open.
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def keep(self, writer: asyncio.StreamWriter) -> None:
        """A connection that a handler has made: it ends with the others."""
        self._writers.append(writer)

    async def end(self) -> None:
        """Accept no more, and end what there is, be it sent or not."""
        assert self._server is not None
        await stop(self._server)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.keep(writer)
        task = asyncio.get_running_loop().create_task(self._hold(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._handle(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def serve(handle: Handler) -> AsyncIterator[int]:
    """Run `handle` for each connection; gives the port."""
    connections = Connections(handle)
    try:
        yield await connections.listen()
    finally:
        await connections.end()
