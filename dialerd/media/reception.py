"""Where Asterisk brings the calls' media sockets: an address of the worker's own that it listens at.

Asterisk connects, never the worker: looking up a socket that is fetched from Asterisk can lock chan_websocket for
good (docs/adr/0009). A socket says whose it is in its first words, MEDIA_START: the leg's channel, and among its
variables the token that this worker gave to that leg. Who knows no token of a leg that is awaited is shut out.

The handshake is answered at once and by nobody's leave: until then Asterisk holds the leg's channel, and with it
every originate. For the same reason nothing here waits, and a socket that stays silent is closed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from dialerd.core.errors import PortError
from dialerd.media.address import Address

PATH = "/media"
TOKEN = "DIALERD_TOKEN"
"""The channel variable that carries a leg's token.

Not a URI parameter (option `v()` of chan_websocket): Asterisk 22.10 keeps that in the client's shared configuration,
where two legs made at the same instant take each other's.
"""
INTRODUCTION = 2.0
"""Seconds in which a socket must say whose it is."""
GOODBYE = 1.0
"""Seconds in which a socket that is closed may still send what it has."""
STRANGERS = 512
"""Sockets at a time that have not said so yet."""
BACKLOG = 1024
"""Connections that may wait to be accepted: a burst of answers must not be refused."""

_log = structlog.get_logger("dialerd.media")


class SocketReader(Protocol):
    """Who reads a leg's socket. None of it may wait or raise."""

    def take_audio(self, frame: WSFrame) -> None:
        """Audio from the call."""
        ...

    def take_text(self, text: bytes) -> None:
        """An event of chan_websocket."""
        ...

    def take_end(self) -> None:
        """The socket is gone."""
        ...


class Reception:
    """Listens at `wanted` from `open` to `close`."""

    def __init__(self, wanted: Address) -> None:
        self._wanted = wanted
        self._server: asyncio.Server | None = None
        self._awaited: dict[str, Awaited] = {}
        self._strangers: set[_Socket] = set()

    @property
    def address(self) -> Address:
        """Where it listens, or is to."""
        if self._server is None or not self._server.sockets:
            return self._wanted
        return Address(self._wanted.host, self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Listen; again is no error. Raises `PortError` where the address cannot be had."""
        if self._server is not None:
            return
        try:
            self._server = await ws_create_server(
                self._greet,
                self._wanted.host,
                self._wanted.port,
                backlog=BACKLOG,
                websocket_handshake_timeout=INTRODUCTION,
                max_frame_size=1 << 20,
                # Whoever is cancelled from here on leaves a server that `close` knows of.
                start_serving=False,
                # Who has not said whose it is, is answered nothing.
                enable_auto_pong=False,
            )
            await self._server.start_serving()
        except OSError as error:
            self.close()
            why = os.strerror(error.errno) if error.errno else str(error)
            raise PortError(
                f"cannot listen at {self._wanted} for the calls' audio: {why}; free that address, or set "
                "media.listen to another and the uri in Asterisk's websocket_client.conf to the same",
                retryable=True,
            ) from error

    def close(self) -> None:
        """Listen no more. Sockets that have been let in stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for stranger in tuple(self._strangers):
            stranger.shut()

    def expect(self, leg: str, reader: SocketReader) -> Awaited:
        """Await the socket of the channel `leg`, for `reader`. The caller must `forget` it in the end."""
        awaited = Awaited(leg, secrets.token_hex(16), reader, asyncio.get_running_loop().create_future())
        self._awaited[awaited.token] = awaited
        return awaited

    def forget(self, awaited: Awaited) -> None:
        """The socket is not wanted any more, or has served."""
        self._awaited.pop(awaited.token, None)

    # --- sockets -------------------------------------------------------------------------------------

    def _greet(self, request: WSUpgradeRequest) -> WSListener | None:
        path = request.path.decode(errors="replace")
        if path != PATH:
            _log.warning("media.socket_refused", detail=f"it asks for {path[:80]!r}, not for {PATH}")
            return None
        if len(self._strangers) >= STRANGERS:
            _log.warning("media.socket_refused", detail=f"{STRANGERS} others have not said whose they are")
            return None
        return _Socket(self)

    def met(self, socket: _Socket) -> None:
        """A socket that has yet to say whose it is."""
        self._strangers.add(socket)

    def parted(self, socket: _Socket) -> None:
        """It has said so, or is gone."""
        self._strangers.discard(socket)

    def admit(self, words: bytes, transport: WSTransport) -> SocketReader | Rejection:
        """Whose socket it is that begins with these words, or why it is nobody's."""
        start = _parsed(words)
        variables = start.get("channel_variables")
        token = variables.get(TOKEN) if isinstance(variables, dict) else None
        awaited = self._awaited.get(token) if isinstance(token, str) else None
        if start.get("event") != "MEDIA_START" or awaited is None:
            return Rejection("it belongs to no call of this worker")
        if start.get("channel_id") != awaited.leg:
            return Rejection("it shows the token of another call")
        if awaited.renounced:
            return Rejection("its call has ended", is_late=True)
        if awaited.arrival.done():
            return Rejection("its call has a socket already")
        awaited.arrival.set_result(transport)
        return awaited.reader


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a socket is not let in; `is_late` is no sign of anything wrong."""

    why: str
    is_late: bool = False


@dataclass(eq=False, slots=True)
class Awaited:
    """A socket that Asterisk was asked to bring."""

    leg: str
    token: str
    reader: SocketReader
    arrival: asyncio.Future[WSTransport]

    async def wait(self, seconds: float) -> WSTransport | None:
        """The socket; None if it has not come in time, or is not wanted any more."""
        done, _ = await asyncio.wait((self.arrival,), timeout=seconds)
        return self.arrival.result() if done and not self.renounced else None

    @property
    def renounced(self) -> bool:
        """Whether it is not wanted any more."""
        return self.arrival.cancelled()

    def renounce(self) -> WSTransport | None:
        """Let it in no more; returns it if it has come."""
        self.arrival.cancel()
        return None if self.renounced else self.arrival.result()


def part_with(socket: WSTransport) -> None:
    """Close a socket. Asterisk warns in its log of one that ends without a word; one that reads nothing hears none."""
    socket.send_close(WSCloseCode.OK)
    socket.disconnect()
    if not socket.is_disconnected:
        asyncio.get_running_loop().call_later(GOODBYE, _abort, socket)


def _abort(socket: WSTransport) -> None:
    if not socket.is_disconnected:
        socket.disconnect(graceful=False)


class _Socket(WSListener):
    """Hands frames to the leg that the socket belongs to."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._transport: WSTransport | None = None
        self._reader: SocketReader | None = None
        self._limit: asyncio.TimerHandle | None = None

    def shut(self) -> None:
        """Close it."""
        if self._transport is not None:
            part_with(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._reception.met(self)
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(INTRODUCTION, self._reject, Rejection("it does not say whose it is"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        reader = self._reader
        if kind is WSMsgType.CLOSE:
            transport.disconnect()
        elif reader is None:
            self._introduce(transport, frame)
        elif kind is WSMsgType.BINARY:
            reader.take_audio(frame)
        elif kind is WSMsgType.TEXT:
            reader.take_text(frame.get_payload_as_bytes())
        elif kind is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._leave_strangers()
        if self._reader is not None:
            self._reader.take_end()

    def pause_writing(self) -> None:
        """Asterisk reads slowly: that is seen where something is sent."""

    def resume_writing(self) -> None:
        """See above."""

    def _introduce(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._limit is None:
            return  # Rejected, and not gone yet.
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        found = self._reception.admit(frame.get_payload_as_bytes(), transport)
        if isinstance(found, Rejection):
            self._reject(found)
            return
        self._reader = found
        self._leave_strangers()

    def _reject(self, rejection: Rejection) -> None:
        self._leave_strangers()
        tell = _log.info if rejection.is_late else _log.warning
        tell("media.socket_refused", detail=rejection.why)
        self.shut()

    def _leave_strangers(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._reception.parted(self)


def _parsed(words: bytes) -> dict[str, Any]:
    try:
        start = orjson.loads(words)
    except orjson.JSONDecodeError:
        return {}
    return start if isinstance(start, dict) else {}
