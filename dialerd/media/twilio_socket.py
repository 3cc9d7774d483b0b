"""One WebSocket to a bot: whole messages from it, messages to it, and a leave-taking that waits for nobody.

Whatever a bot does with its socket costs its own call alone: the size of a message and its pieces, the time that its
messages take, and what it leaves unread are bounded. What is said is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from typing import Protocol

import structlog
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from dialerd.media.ration import Ration

LONGEST_MESSAGE = 1 << 20
MOST_PIECES = 1_000
"""Frames of one message."""
MOST_UNREAD = 1 << 20
"""Bytes that the bot may leave unread: more than all the marks of a call that are given back at once."""
GOODBYE = 1.0
"""Seconds in which what was said last may still reach the bot. Then the connection is dropped."""
RECEIVED = 64 * 1024
"""Bytes that the kernel is asked to keep of what the bot sends: seconds of audio."""
_NO_CODE = 1005

_log = structlog.get_logger("dialerd.media")
_Frame = tuple[WSMsgType, bool, bytes]
PACED, SMALL = 0.01, 2_048
"""Seconds between a bot's messages, and bytes of one, with which it cannot take much time: audio as it is spoken."""
BROKE_OFF = "it broke off the conversation"


class SocketOwner(Protocol):
    """Who holds the conversation. None of it may wait."""

    def take_text(self, text: bytes) -> None:
        """A message of the bot's."""
        ...

    def take_close(self, code: int) -> None:
        """The bot has closed the socket (RFC 6455 §7.4)."""
        ...

    def take_fault(self, detail: str) -> None:
        """The bot has done what it must not, or is gone. The socket is of no use any more."""
        ...


class BotSocket(WSListener):
    """Serves `owner` until one of both has taken leave; from then on nothing that comes from the bot is told."""

    def __init__(self, owner: SocketOwner) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner: SocketOwner | None = owner
        self._transport: WSTransport | None = None
        self._end: asyncio.Task[None] | None = None
        self._begun: bytearray | None = None
        """Of a message that comes in several frames."""
        self._pieces = 0
        self._ration = Ration()
        self._waiting: deque[_Frame] = deque()
        """Came while the bot had to wait."""
        self._pause: asyncio.TimerHandle | None = None
        self._gone = ""
        """How the connection was lost."""
        self._abort: asyncio.TimerHandle | None = None
        self.last_word = self._loop.time()
        """When the bot has last given a sign of life."""

    # --- to the bot ---------------------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """Bytes that the bot has not read, as far as they are kept here."""
        if self._transport is None:
            return 0
        unread: int = self._transport.underlying_transport.get_write_buffer_size()
        return unread

    def send(self, text: bytes) -> None:
        """A message to the bot. One that reads none of them has broken off the conversation."""
        if self._owner is None or self._transport is None:
            return
        if self.unread > MOST_UNREAD:
            return self._misuse(f"it reads nothing: {MOST_UNREAD:,} bytes wait for it")
        self._transport.send(WSMsgType.TEXT, text)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._owner is not None and self._transport is not None:
            self._transport.send_ping()

    def part(self) -> None:
        """Let the connection go: what was sent may still arrive, for a moment."""
        self._owner = None
        self._waiting.clear()
        if self._pause is not None:
            self._pause.cancel()
        transport = self._transport
        if transport is not None and self._abort is None and not transport.is_disconnected:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            self._abort = self._loop.call_later(GOODBYE, transport.disconnect, False)

    # --- from the bot -------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See `WSListener`."""
        self._transport = transport
        self._end = self._loop.create_task(_ended(transport))
        if self._owner is None:
            # The call was sent elsewhere meanwhile.
            return self.part()
        kept: socket.socket | None = transport.underlying_transport.get_extra_info("socket")
        if kept is not None:
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See `WSListener`."""
        if self._owner is None:
            return
        came = (frame.msg_type, frame.fin, frame.get_payload_as_bytes())
        if self._pause is not None:
            self._waiting.append(came)
        else:
            self._take(came)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See `WSListener`."""
        if self._abort is not None:
            self._abort.cancel()
        self._gone = _how(transport)
        if self._pause is None:
            self._misuse(self._gone)

    def pause_writing(self) -> None:
        """The bot reads slowly: that is seen where something is sent."""

    def resume_writing(self) -> None:
        """See above."""

    def _take(self, frame: _Frame) -> None:
        now = self._loop.time()
        paced = now - self.last_word >= PACED and len(frame[2]) <= SMALL
        self.last_word = now
        if paced:
            return self._heed(frame)
        # Of the processor: a worker that had no core for a while has not worked for this bot.
        began = time.thread_time()
        self._heed(frame)
        wait = self._ration.spend(now, time.thread_time() - began)
        if wait and self._owner is not None:
            self._halt()
            self._pause = self._loop.call_later(wait, self._go_on)

    def _heed(self, frame: _Frame) -> None:
        try:
            self._sort(*frame)
        except Exception as error:  # noqa: BLE001 - a bug costs its call, not the worker
            _log.error("engine.broken", exc_info=error)
            self._misuse(f"{type(error).__name__}: {error}")

    def _go_on(self) -> None:
        """The bot has waited long enough."""
        self._pause = None
        while self._waiting and self._owner is not None and self._pause is None:
            self._take(self._waiting.popleft())
        if self._owner is None or self._pause is not None:
            return
        if self._gone:
            self._misuse(self._gone)
        elif self._transport is not None and not self._transport.underlying_transport.is_closing():
            self._transport.underlying_transport.resume_reading()

    def _halt(self) -> None:
        transport = self._transport
        if transport is not None and not transport.underlying_transport.is_closing():
            transport.underlying_transport.pause_reading()

    def _sort(self, kind: WSMsgType, fin: bool, payload: bytes) -> None:
        match kind:
            case WSMsgType.TEXT | WSMsgType.CONTINUATION:
                self._take_piece(payload, begins=kind is WSMsgType.TEXT, ends=fin)
            case WSMsgType.PING:
                self._answer(payload)
            case WSMsgType.CLOSE:
                owner = self._owner
                self.part()
                if owner is not None:
                    owner.take_close(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_CODE)
            case WSMsgType.BINARY:
                self._misuse("it sends what is no text")

    def _take_piece(self, payload: bytes, *, begins: bool, ends: bool) -> None:
        if begins is not (self._begun is None):
            return self._misuse("it sends the pieces of its messages out of their order")
        if self._begun is None:
            self._begun, self._pieces = bytearray(), 0
        self._pieces += 1
        if len(self._begun) + len(payload) > LONGEST_MESSAGE:
            return self._misuse(_TOO_LONG)
        if self._pieces > MOST_PIECES:
            return self._misuse(f"it sends a message in more than {MOST_PIECES:,} pieces")
        if not ends:
            self._begun += payload
            return
        text = bytes(self._begun) + payload if self._begun else payload
        self._begun = None
        if self._owner is not None:
            self._owner.take_text(text)

    def _answer(self, ping: bytes) -> None:
        if self._transport is None:
            return
        if self.unread > MOST_UNREAD:
            return self._misuse(f"it reads nothing: {MOST_UNREAD:,} bytes wait for it")
        self._transport.send_pong(ping)

    def _misuse(self, detail: str) -> None:
        """Nothing more is taken from the bot."""
        owner, self._owner = self._owner, None
        if owner is not None:
            self._waiting.clear()
            self._halt()
            owner.take_fault(detail)


_TOO_LONG = f"it sends a message of more than {LONGEST_MESSAGE:,} bytes"


def _how(transport: WSTransport) -> str:
    """How the connection ended without a word of ours: what the bot has sent may have been no WebSocket's."""
    sent = transport.close_handshake.sent if transport.close_handshake is not None else None
    if sent is None:
        return BROKE_OFF
    return (
        _TOO_LONG
        if sent.code is WSCloseCode.MESSAGE_TOO_BIG
        else f"it breaks WebSocket's rules: {sent.reason}"
    )


async def _ended(transport: WSTransport) -> None:
    """Wait for the end, so that what was wrong with the bot's frames is no fault that nobody looks at."""
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()
