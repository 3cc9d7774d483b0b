"""A TCP port that leads to a Unix socket, for clients that cannot use one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(path)
        # At the end they are cancelled, which is no fault.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(_copy(reader, here, seen), _copy(there, writer))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()
