"""Engines of the kind `twilio-stream`: our side of Twilio Media Streams, so that bots written for Twilio work here.

We play Twilio: we connect to the bot's WebSocket for each call, tell it whose call it is, and carry mu-law audio, keys
and marks as JSON text. Nothing of it knows Asterisk, and nothing waits for the bot.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.media.about import about
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.reach import ask, place, reach, told
from dialerd.media.remote import Seat
from dialerd.media.stream_talk import StreamTalk

LONGEST_MESSAGE = 1 << 20
MOST_UNSENT = 48 * 1024
"""Bytes that the bot may leave unread: about two seconds. What comes on top of them is not kept for it."""
QUIET = 2.0
"""Seconds without a word from the bot after which it is asked for a sign of life."""
SILENT = 6.0
"""Seconds without any after which it counts as dead."""
_NO_CODE = 1005
_NORMAL = (1000, _NO_CODE)
"""Codes with which a socket is closed when all was said (RFC 6455 §7.4.1)."""

Resolve = Callable[[str], Awaitable[socket.socket | None]]
"""Connects to where a URL that came with a call leads, if it may; None: as usual. Raises `OSError`, `ValueError`."""


def call_sid(call: str) -> str:
    """The name of a call in Twilio's terms: 32 hexadecimal digits, of which the last twelve are ours."""
    return f"CA{call.removeprefix('cal_'):0>32}"


def signature(url: str, token: str, parameters: Mapping[str, str] | None = None) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the form's fields in the order of their names."""
    text = url + "".join(f"{name}{value}" for name, value in sorted((parameters or {}).items()))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


class TwilioStreamEngine:
    """A bot that takes calls at `settings.url`, or wherever a call says."""

    def __init__(self, settings: EngineSettings, resolve: Resolve) -> None:
        self._settings = settings
        self._resolve = resolve

    async def check(self) -> None:
        """See `dialerd.media.remote.RemoteEngine`."""
        settings = self._settings
        if settings.health_url:
            await ask(settings.health_url)
        elif settings.url:
            await reach(settings.url)

    def converse(self, order: AttachAgent, seat: Seat) -> TwilioTalk:
        """See `dialerd.media.remote.RemoteEngine`."""
        url = str(order.instructions.get("stream_url") or self._settings.url)
        if not url:
            raise PortError(
                f"engine {self._settings.name} has no url, and the call brings none", retryable=False
            )
        return TwilioTalk(self._settings, url, self._resolve, order, seat)


class TwilioTalk(StreamTalk):
    """One call's stream."""

    def __init__(
        self, settings: EngineSettings, url: str, resolve: Resolve, order: AttachAgent, seat: Seat
    ) -> None:
        super().__init__(order, seat)
        self._settings = settings
        self._url = url
        self._resolve = resolve
        self._stream = "MZ" + secrets.token_hex(16)
        self._call = call_sid(order.call)
        self._account = settings.account_sid
        self._socket: WSTransport | None = None
        self._sequence = 0
        self._begun = b""
        """Of a message that comes in several frames."""
        self._chunks = 0
        self._lost = 0
        """Frames that the bot did not take in time."""
        self._last_word = 0.0
        self._watch: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        """See `dialerd.media.conversation.RemoteConversation`."""
        name, limit = self._settings.name, self._settings.connect
        try:
            async with asyncio.timeout(limit):
                await self._open(limit)
        except TimeoutError:
            detail = f"{place(self._url)} does not take the call within {limit:g} s"
        except (OSError, ValueError, WSError) as error:
            detail = f"{place(self._url)} cannot be reached: {told(error)}"
        else:
            if self.fault is not None:
                raise self.fault
            return
        self.seat.failed(detail)
        raise PortError(f"engine {name}: {detail}", retryable=True)

    async def _open(self, limit: float) -> None:
        headers = {"User-Agent": "dialerd"}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        if self._settings.auth_token:
            headers["X-Twilio-Signature"] = signature(self._url, self._settings.auth_token)
        own = "stream_url" in self.order.instructions
        made = await self._resolve(self._url) if own else None
        await ws_connect(
            lambda: _Listener(self),
            self._url,
            websocket_handshake_timeout=limit,
            max_frame_size=LONGEST_MESSAGE,
            max_redirects=0,
            extra_headers=headers,
            socket_factory=None if made is None else lambda _url: made,
        )
        self._introduce()
        loop = asyncio.get_running_loop()
        self._last_word = loop.time()
        self._watch = loop.call_later(QUIET, self._look)

    def _introduce(self) -> None:
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": self._account,
            "streamSid": self._stream,
            "callSid": self._call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters(),
        }
        self._say({"event": "start", "start": start})

    def _parameters(self) -> dict[str, str]:
        """What the bot is told of its call."""
        parameters = about(self.order, self._settings.parameters)
        return {name: _text(value) for name, value in parameters.items()}

    # --- to the bot ---------------------------------------------------------------------------------

    def send_audio(self, audio: bytes) -> None:
        """See `StreamTalk`."""
        peer = self._socket
        if peer is None:
            return
        self._chunks += 1
        if peer.underlying_transport.get_write_buffer_size() > MOST_UNSENT:
            self._lost += 1
            return
        self._sequence += 1
        payload = binascii.b2a_base64(audio, newline=False)
        peer.send(
            WSMsgType.TEXT,
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
            b'"payload":"%b"},"streamSid":"%b"}'
            % (self._sequence, self._chunks, 20 * self._chunks, payload, self._stream.encode()),
        )

    def send_key(self, digit: str) -> None:
        """See `StreamTalk`."""
        self._say({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def send_mark(self, name: str) -> None:
        """See `StreamTalk`."""
        self._say({"event": "mark", "mark": {"name": name}})

    def send_words(self, message: Mapping[str, Any]) -> None:
        """See `StreamTalk`."""
        self._send({"event": "dialerd", **message})

    def part(self) -> None:
        """See `StreamTalk`."""
        if self._watch is not None:
            self._watch.cancel()
        peer = self._socket
        if peer is not None:
            self._say({"event": "stop", "stop": {"accountSid": self._account, "callSid": self._call}})
            self._socket = None
            peer.send_close(WSCloseCode.OK)
            peer.disconnect()

    def _say(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self._send({**message, "sequenceNumber": str(self._sequence), "streamSid": self._stream})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, orjson.dumps(message))

    def _look(self) -> None:
        """Whether the bot is still there: its socket alone does not tell."""
        loop, peer = asyncio.get_running_loop(), self._socket
        if peer is None:
            return
        quiet = loop.time() - self._last_word
        if quiet >= SILENT:
            return self.take_fault(f"{place(self._url)} gives no sign of life")
        if quiet >= QUIET:
            peer.send_ping()
        self._watch = loop.call_later(QUIET, self._look)

    # --- from the bot -------------------------------------------------------------------------------

    def connected(self, peer: WSTransport) -> None:
        """The socket is open."""
        self._socket = peer

    def take_frame(self, frame: WSFrame) -> None:
        """Anything from the bot."""
        self._last_word = asyncio.get_running_loop().time()
        kind = frame.msg_type
        if kind is WSMsgType.TEXT or kind is WSMsgType.CONTINUATION:
            self._begun += frame.get_payload_as_bytes()
            if len(self._begun) > LONGEST_MESSAGE:
                return self.take_fault(f"it sends a message of more than {LONGEST_MESSAGE:,} bytes")
            if frame.fin:
                text, self._begun = self._begun, b""
                self._take_text(text)
        elif kind is WSMsgType.CLOSE:
            self._take_close(_close_code(frame.get_payload_as_bytes()))
        elif kind not in (WSMsgType.PING, WSMsgType.PONG):
            self.take_fault("it sends what is no text")

    def lost(self) -> None:
        """The socket is gone, without a word of ours."""
        if self._socket is not None:
            self._socket = None
            self.take_fault("it broke off the conversation")

    def _take_close(self, code: int) -> None:
        peer, self._socket = self._socket, None
        if peer is not None:
            peer.send_close(WSCloseCode.OK)
            peer.disconnect()
        if code in _NORMAL:
            self.take_end()
        else:
            self.take_fault(f"it closed the conversation with the code {code}")

    def _take_text(self, text: bytes) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return self.take_fault("it sends text that is no JSON")
        if not isinstance(message, dict):
            return self.take_fault("it sends JSON that is no object")
        sid = message.get("streamSid", self._stream)
        if sid != self._stream:
            return self.take_fault("it names a stream that is not this call's")
        self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        match message.get("event"):
            case "media":
                self._take_media(message.get("media"))
            case "mark":
                mark = message.get("mark")
                name = mark.get("name") if isinstance(mark, dict) else None
                if not isinstance(name, str) or len(name) > 256:
                    return self.take_fault("it sends a mark without a name")
                self.take_mark(name)
            case "clear":
                self.take_clear()
            case "dialerd":
                self.take_words({key: value for key, value in message.items() if key != "streamSid"})
            case str():
                # Twilio ignores what it does not know, and bots rely on it.
                pass
            case _:
                self.take_fault("it sends a message without an event")

    def _take_media(self, media: object) -> None:
        payload = media.get("payload") if isinstance(media, dict) else None
        try:
            audio = base64.b64decode(payload, validate=True) if isinstance(payload, str) else None
        except (binascii.Error, ValueError):
            audio = None
        if audio is None:
            return self.take_fault("it sends media whose payload is no base64")
        self.take_audio(audio)


class _Listener(WSListener):
    """Hands frames to the call that the socket belongs to."""

    def __init__(self, talk: TwilioTalk) -> None:
        self._talk = talk

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._talk.connected(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._talk.take_frame(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._talk.lost()


def _close_code(payload: bytes) -> int:
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_CODE


def _text(value: object) -> str:
    """A parameter's value: Twilio's are text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
