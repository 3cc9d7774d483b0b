"""The network between dialerd and a server it needs, which can be cut, stall, or go half-open; in a thread of its own.

The server is Asterisk or PostgreSQL, on loopback. It carries bytes and knows nothing of them, but which connection is
ARI's events socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from tests.listening import stop

_CHUNK = 65_536
_EVENTS = b"GET /ari/events"
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, and nothing that was still to go."""


class Way(Enum):
    """A direction of the traffic."""

    TO_SERVER = "to the server"
    TO_DAEMON = "to the daemon"


class Proxy:
    """Listens at `port` and passes everything on to the server's port; use `proxy` to make one."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._connections: set[_Connection] = set()
        self._stalled: frozenset[Way] = frozenset()
        self._half_open = False
        self._lag = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    def cut(self) -> None:
        """Reset every connection; new ones are passed on."""
        self._do(self._reset)

    def stall(self, *ways: Way) -> None:
        """Hold back what goes these ways until `heal`."""

        def begin() -> None:
            self._stalled = frozenset(ways)
            self._apply()

        self._do(begin)

    def strand(self) -> None:
        """Hold back until `heal` what goes to Asterisk on the events socket that is open now; all else passes.

        So is a request that Asterisk's thread for one connection is slow to take, or that the network retransmits.
        """

        def begin() -> None:
            for connection in self._connections:
                connection.stranded = connection.events
            self._apply()

        self._do(begin)

    def slow(self, seconds: float) -> None:
        """Pass on what comes from the server so much later, until `heal`."""

        def begin() -> None:
            self._lag = seconds
            self._apply()

        self._do(begin)

    def half_open(self) -> None:
        """From now on nothing passes and nobody is told; connections of this time stay dumb even after `heal`."""

        def begin() -> None:
            self._half_open = True
            for connection in self._connections:
                connection.dumb = True

        self._do(begin)

    def heal(self) -> None:
        """Pass on everything again, and what was held back first."""

        def end() -> None:
            self._half_open = False
            self._stalled = frozenset()
            self._lag = 0.0
            for connection in self._connections:
                connection.stranded = False
            self._apply()

        self._do(end)

    # --- the thread --------------------------------------------------------------------------------

    def open(self) -> None:
        """Start to listen."""
        self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """Reset what is left and end the thread."""
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _do(self, change: Callable[[], None]) -> None:
        async def carry_out() -> None:
            change()

        self._run(carry_out())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            await stop(self._server)
        self._reset()
        pumps = [pump for connection in self._connections for pump in connection.pumps]
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    def _reset(self) -> None:
        for connection in self._connections:
            connection.reset()

    def _apply(self) -> None:
        for connection in self._connections:
            connection.lag = self._lag
            connection.hold(self._stalled | ({Way.TO_SERVER} if connection.stranded else set()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((reader, writer), server)
        connection.dumb = self._half_open
        self._connections.add(connection)
        self._apply()
        try:
            await connection.carry()
        finally:
            self._connections.discard(connection)


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """One connection through the proxy. `dumb`: what comes is swallowed, an end is told to nobody."""

    def __init__(self, daemon: _Ends, server: _Ends) -> None:
        self._daemon = daemon
        self._server = server
        self._free = {way: asyncio.Event() for way in Way}
        self.events = False
        self.stranded = False
        self.dumb = False
        self.lag = 0.0
        """Seconds by which the server's words are late."""
        self.pumps: list[asyncio.Task[None]] = []

    def hold(self, ways: frozenset[Way]) -> None:
        """Hold back what goes these ways, pass on the others."""
        for way, free in self._free.items():
            if way in ways:
                free.clear()
            else:
                free.set()

    def reset(self) -> None:
        """End it on both sides, without a farewell."""
        for _, writer in (self._daemon, self._server):
            end = writer.get_extra_info("socket")
            if not writer.transport.is_closing():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            writer.transport.abort()

    async def carry(self) -> None:
        """Carry bytes until both sides have ended."""
        (daemon_in, daemon_out), (server_in, server_out) = self._daemon, self._server
        self.pumps = [
            asyncio.ensure_future(self._pump(Way.TO_SERVER, daemon_in, server_out)),
            asyncio.ensure_future(self._pump(Way.TO_DAEMON, server_in, daemon_out)),
        ]
        for pump in self.pumps:
            pump.add_done_callback(self._broke)
        await asyncio.gather(*self.pumps, return_exceptions=True)
        self.reset()

    def _broke(self, pump: asyncio.Task[None]) -> None:
        """A reset is passed on, unless nobody is told of anything."""
        if not pump.cancelled() and pump.exception() is not None and not self.dumb:
            self.reset()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            # It may be any request of a connection that was used for others before.
            self.events = self.events or data.startswith(_EVENTS)
            if way is Way.TO_DAEMON:
                await asyncio.sleep(self.lag)
            await self._free[way].wait()
            if reader.exception() is not None:
                # Its end reset the connection: a kernel sends no more of it.
                return self.reset()
            if not self.dumb:
                writer.write(data)
                await writer.drain()
        await self._free[way].wait()
        if not self.dumb:
            with contextlib.suppress(OSError):
                writer.write_eof()


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy to a port of this machine until the block ends."""
    made = Proxy(target)
    made.open()
    try:
        yield made
    finally:
        made.close()
