"""The end of a server of asyncio's that leaves no connection behind, whenever it came."""

from __future__ import annotations

import asyncio

TURNS = 5
"""Turns of the loop after which a connection that was accepted is known to its protocol."""


async def stop(server: asyncio.Server) -> None:
    """Listen no more.

    CPython 3.11 forgets a connection that is accepted in the very turn in which its server is closed (gh-109564): no
    protocol is ever told of it, and its socket is left to the garbage collector.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()
