"""One connection to the API: who is at its other end, and how long and how much it may take to say what it wants.

Bodies have limits of their own (`bodies`). What is said here of a request that no route ever sees is a problem too.
"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dialerd.control.auth import peer_of
from dialerd.control.problems import ProblemResponse

HEAD_DEADLINE = 10.0
"""Seconds from the first byte of a request to the end of its headers."""
MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers; what was read with their end is not counted."""
LINGER = 5.0
"""Seconds for the rest of a body whose request is answered: its client may read the answer only then."""


class Connection(HttpToolsProtocol):
    """HTTP that knows its peer and does not wait for ever."""

    _late: asyncio.TimerHandle | None = None
    _in_head = True
    """The end of the headers has not been seen."""
    _in_body = False
    """The end of the request has not been seen."""
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; of a Unix socket the kernel tells who has connected."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            self.app_state = {**self.app_state, "peer": peer_of(connection)}
        self._within(HEAD_DEADLINE)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        if self._in_head:
            self._head += len(data)
            if self._late is None:
                self._within(HEAD_DEADLINE)
        super().data_received(data)
        if self._in_head and self._head > MAX_HEAD and not self.transport.is_closing():
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request line and the headers are larger than {MAX_HEAD:,} bytes",
            )

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        self._in_time()
        self._in_head, self._in_body, self._head = False, True, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_time()
        self._in_head, self._in_body = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The request is answered, be it whole or not."""
        super().on_response_complete()
        if self._in_body:
            self._within(LINGER)

    def send_400_response(self, msg: str) -> None:
        """What has arrived is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not a valid HTTP/1.1 request")

    def _within(self, seconds: float) -> None:
        self._in_time()
        self._late = self.loop.call_later(seconds, self._give_up)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self._in_head and self._head:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT, "the request line and the headers did not arrive in time"
            )
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer instead of a route, unless an answer is under way, and close."""
        if self.cycle is None or self.cycle.response_complete:
            code = status.phrase.lower().replace(" ", "-")
            answer = ProblemResponse(status, code, status.phrase, detail, headers={"Connection": "close"})
            lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
            lines += [name + b": " + value for name, value in answer.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
