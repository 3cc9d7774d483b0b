"""The events socket of ARI, which also carries our requests: half the CPU of HTTP, and one connection to lose.

It knows requests and replies, not calls. Nothing is ever sent twice: a request without a reply is reported as
such, and whoever asked decides. The reader waits for nothing but the socket, since Asterisk closes an events
socket whose reader stalls.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import structlog

from dialerd.asterisk.ari import (
    AriAccess,
    AriError,
    AriHttp,
    AriTiming,
    NoReply,
    Reply,
    Trouble,
    error_of,
    unreachable,
)
from dialerd.core.identity import InstanceId

_log = structlog.get_logger("dialerd.asterisk")

_CLOSE = 1.0
"""Seconds the closing handshake may take."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection, and the kernel forgets what it has not delivered."""

OnEvent = Callable[[Mapping[str, Any]], None]
OnReply = Callable[[Reply | NoReply], None]


@dataclass(eq=False, slots=True)
class _Request:
    done: OnReply
    deadline: float
    written: bool = False


class AriSocket:
    """One events socket, from its handshake to its loss; requests on it are answered in order by one thread there."""

    def __init__(
        self,
        websocket: aiohttp.ClientWebSocketResponse,
        access: AriAccess,
        timing: AriTiming,
        on_event: OnEvent,
    ) -> None:
        self._websocket = websocket
        self._access = access
        self._timing = timing
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._requests: dict[str, _Request] = {}
        self._unsent: deque[tuple[str, bytes]] = deque()
        self._wake = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._count = 0
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._open = True

    @classmethod
    async def connect(cls, http: AriHttp, app: InstanceId, on_event: OnEvent) -> AriSocket:
        """Open the socket and so register `app`; from now on events queue in it. Raises AriError."""
        access, timing = http.access, http.timing
        try:
            async with asyncio.timeout(timing.connect):
                websocket = await http.session.ws_connect(
                    access.root + "events",
                    params={"app": app, "subscribeAll": "false"},
                    heartbeat=timing.heartbeat,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, access) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(access, error) from error
        # Requests that Asterisk has not read when this end is gone, however it goes, must not arrive after all.
        websocket.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return cls(websocket, access, timing, on_event)

    def request(
        self,
        method: str,
        uri: str,
        done: OnReply,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a request; `done` is called once, from the event loop, with its reply or why there is none.

        `body` is JSON; it and `query` exclude each other.
        """
        if not self._open:
            done(NoReply.UNSENT)
            return
        self._count += 1
        name = str(self._count)
        frame: dict[str, object] = {
            "type": "RESTRequest", "transaction_id": "", "request_id": name, "method": method, "uri": uri,
        }  # fmt: skip
        if body is not None:
            frame["content_type"] = "application/json"
            frame["message_body"] = body.decode()
        if query is not None:
            frame["query_strings"] = [{"name": key, "value": value} for key, value in query.items()]
        self._requests[name] = _Request(done, self._loop.time() + self._timing.request)
        self._unsent.append((name, orjson.dumps(frame)))
        self._wake.set()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._timing.sweep, self._sweep)

    async def run(self) -> None:
        """Carry events and requests until the socket is lost, which it always raises as AriError.

        What `on_event` raises as AriError ends the socket too. Every request has had its answer by then.
        """
        reader = self._loop.create_task(self._read())
        writer = self._loop.create_task(self._write())
        parts: list[asyncio.Future[None]] = [reader, writer, self._failure]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
        finally:
            self._open = False
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._abandon()
            await self._websocket.close()

    async def _read(self) -> None:
        receive = self._websocket.receive
        while True:
            message = await receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is not aiohttp.WSMsgType.BINARY:
                raise self._loss()

    def _take(self, text: str) -> None:
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            _log.warning("ari.event_unreadable", size=len(text))
        elif event.get("type") == "RESTResponse":
            self._answer(event)
        else:
            self._on_event(event)

    def _answer(self, response: Mapping[str, Any]) -> None:
        name, status = response.get("request_id"), response.get("status_code")
        request = self._requests.pop(name, None) if isinstance(name, str) else None
        if request is None:
            _log.debug("ari.reply_late", status=status)
        elif not isinstance(status, int):
            _log.warning("ari.reply_unreadable")
            request.done(NoReply.UNANSWERED)
        else:
            request.done(Reply(status, response.get("message_body") or ""))

    async def _write(self) -> None:
        """Write what is queued. One that fails ends the socket: whether the rest would arrive is not known."""
        try:
            while True:
                while self._unsent:
                    name, frame = self._unsent.popleft()
                    request = self._requests.get(name)
                    if request is not None:
                        request.written = True
                        await self._websocket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                self._wake.clear()
                await self._wake.wait()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise AriError(
                Trouble.LOST, f"writing to the events socket at {self._access.url} failed: {error}"
            ) from error

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        late = [
            self._requests.pop(name) for name, asked in list(self._requests.items()) if asked.deadline <= now
        ]
        for request in late:
            request.done(NoReply.UNANSWERED if request.written else NoReply.UNSENT)
        if any(request.written for request in late) and not self._failure.done():
            # As long as this socket stands Asterisk may still come to act on them.
            self._failure.set_exception(
                AriError(
                    Trouble.SILENT,
                    f"Asterisk at {self._access.url} left an ARI request unanswered for "
                    f"{self._timing.request:g} s: is it overloaded or stuck?",
                )
            )
        elif self._requests and self._open:
            self._sweeper = self._loop.call_later(self._timing.sweep, self._sweep)

    def _abandon(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        requests, self._requests = self._requests, {}
        for request in requests.values():
            request.done(NoReply.UNANSWERED if request.written else NoReply.UNSENT)

    def _loss(self) -> AriError:
        error = self._websocket.exception()
        if isinstance(error, aiohttp.ServerTimeoutError):
            return AriError(
                Trouble.SILENT,
                f"Asterisk at {self._access.url} does not answer pings: it hangs, or the network to it is cut",
            )
        code = self._websocket.close_code
        return AriError(
            Trouble.LOST,
            f"Asterisk at {self._access.url} closed the events socket (code {code}): is it running?",
        )
