"""A TCP port that leads to a Unix socket, for clients that cannot use one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.listening import Connections

DEADLINE = 10.0


Seen = Callable[[bytes], object]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen | None = None) -> None:
    try:
        with suppress(OSError):
            while part := await reader.read(65536):
                if seen is not None:
                    seen(part)
                writer.write(part)
                await writer.drain()
    finally:
        writer.close()


@contextmanager
def relayed(path: Path, seen: Seen | None = None) -> Iterator[str]:
    """The address of a free port whose connections lead to the socket at `path`; `seen`: told of what clients send."""
    loop = asyncio.new_event_loop()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(path)
        connections.keep(here)
        await asyncio.gather(_copy(reader, here, seen), _copy(there, writer))

    connections = Connections(pass_on)
    port = loop.run_until_complete(connections.listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(connections.end(), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()
