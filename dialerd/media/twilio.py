"""Engines of the kind `twilio-stream`: our side of Twilio Media Streams, so that bots written for Twilio work here.

We play Twilio: we connect to the bot's WebSocket for each call, tell it whose call it is, and carry mu-law audio, keys
and marks as JSON text. Nothing of it knows Asterisk, and nothing waits for the bot.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import secrets
import socket
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
import orjson
import structlog
from picows import WSError, WSInvalidStatusError, ws_connect

from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.core.twilio import call_sid, signature
from dialerd.core.twiml import Pause, Stream
from dialerd.media.about import about
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.reach import ask, place_of, reach, told
from dialerd.media.remote import Seat
from dialerd.media.stream_talk import StreamTalk
from dialerd.media.twilio_program import Pages, Pauses, Program
from dialerd.media.twilio_socket import BROKE_OFF, LONGEST_MESSAGE, BotSocket

MOST_UNSENT = 48 * 1024
"""Bytes that the bot may leave unread: about two seconds. What comes on top of them is not kept for it."""
QUIET = 2.0
"""Seconds without a word from the bot after which it is asked for a sign of life."""
SILENT = 6.0
"""Seconds without any after which it counts as dead."""
_NORMAL = (1000, 1005)
"""Codes with which a socket is closed when all was said (RFC 6455 §7.4.1)."""

_log = structlog.get_logger("dialerd.media")


class Way(Pages, Protocol):
    """The way to addresses that came with a call: only to where that is allowed."""

    async def connect(self, url: str) -> socket.socket:
        """A connected socket to a WebSocket's address. Raises `OSError`, `ValueError`."""
        ...


class TwilioStreamEngine:
    """A bot that takes calls at `settings.url`, or wherever a call says."""

    def __init__(self, settings: EngineSettings, way: Way) -> None:
        self._settings = settings
        self._way = way

    async def check(self) -> None:
        """See `dialerd.media.remote.RemoteEngine`."""
        settings = self._settings
        if settings.health_url:
            await ask(settings.health_url)
        elif settings.url:
            await reach(settings.url)

    def converse(self, order: AttachAgent, seat: Seat) -> TwilioTalk:
        """See `dialerd.media.remote.RemoteEngine`."""
        if not self._settings.url and not order.instructions:
            raise PortError(
                f"engine {self._settings.name} has no url, and the call brings none", retryable=False
            )
        return TwilioTalk(self._settings, self._way, order, seat)


class TwilioTalk(StreamTalk):
    """One call: what its TwiML says, or one stream to the engine's own address."""

    def __init__(self, settings: EngineSettings, way: Way, order: AttachAgent, seat: Seat) -> None:
        super().__init__(order, seat)
        self._settings = settings
        self._way = way
        self._account = settings.account_sid
        self._call = call_sid(order.call)
        self._performing: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """The first stream is open, the callee is told to wait, or the program was done without one."""
        self._pauses = Pauses()
        self._time_limit: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        """The bot has taken leave."""
        self._url = settings.url
        self._stream = ""
        self._socket: BotSocket | None = None
        self._sequence = 0
        self._chunks = 0
        self._lost = 0
        """Frames that the bot did not take in time."""
        self._watch: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        """See `dialerd.media.conversation.RemoteConversation`."""
        try:
            if self._performing is None:
                self._begin(self.order.instructions)
        except ValueError as error:
            raise PortError(f"the TwiML {error}", retryable=False) from None
        limit = self.order.instructions.get("time_limit")
        if limit is not None:
            self._time_limit = asyncio.get_running_loop().call_later(
                limit, self.take_words, {"event": "dialerd", "hangup": "now"}
            )
        await self._opened
        if self.fault is not None:
            raise self.fault

    def redirect(self, instructions: Mapping[str, Any]) -> None:
        """See `dialerd.media.conversation.Redirectable`."""
        if self._performing is not None:
            self._performing.cancel()
        self._part_with_bot()
        self.begin_anew()
        try:
            self._begin(instructions)
        except ValueError as error:
            self._give_up(f"the TwiML {error}")

    @property
    def meant_silence(self) -> float:
        """See `dialerd.media.conversation.Pausing`."""
        return self._pauses.seconds

    # --- the program --------------------------------------------------------------------------------

    def _begin(self, instructions: Mapping[str, Any]) -> None:
        """Carry out other instructions. Raises `ValueError` where they are none."""
        program = Program(self._settings, self._way, self.order, instructions)
        self._performing = asyncio.get_running_loop().create_task(self._perform(program))

    async def _perform(self, program: Program) -> None:
        held = False
        try:
            async with contextlib.aclosing(program.steps()) as steps:
                async for step in steps:
                    if isinstance(step, Pause):
                        self._begun_to_hold()
                        await self._pauses.wait(step.seconds)
                        continue
                    await self._open(step, own=program.is_own)
                    held = True
                    self._begun_to_hold()
                    await self._ended.wait()
        except TimeoutError:
            self._give_up(
                f"{place_of(program.at)} does not take the call within {self._settings.connect:g} s"
            )
        except WSInvalidStatusError as error:
            status = "no 101" if error.response is None else int(error.response.status)
            self._give_up(
                f"{place_of(program.at)} opens no WebSocket (HTTP {status}): check the path, "
                "and the token if it wants one"
            )
        except (OSError, ValueError, WSError, aiohttp.ClientError) as error:
            self._give_up(f"{place_of(program.at)} cannot be reached: {told(error)}")
        except Exception as error:  # noqa: BLE001 - a bug costs its call, not the worker
            _log.error("engine.broken", call=self.order.call, engine=self.order.engine, exc_info=error)
            self._give_up(f"{type(error).__name__}: {error}")
        else:
            self._begun_to_hold()
            if held and not self.has_spoken:
                return self.take_fault("it ended the conversation before it said anything")
            self.finish()

    def _begun_to_hold(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _give_up(self, detail: str) -> None:
        if self._opened.done():
            return self.take_fault(detail)
        self.seat.failed(detail)
        self._opened.set_exception(PortError(f"engine {self._settings.name}: {detail}", retryable=True))

    async def _open(self, stream: Stream, *, own: bool) -> None:
        limit = self._settings.connect
        self._url = stream.url
        self._stream = "MZ" + secrets.token_hex(16)
        self._sequence = self._chunks = 0
        self.forget_marks()
        self._ended.clear()
        headers = {"User-Agent": "dialerd"}
        if own and self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        if self._settings.auth_token:
            headers["X-Twilio-Signature"] = signature(stream.url, self._settings.auth_token)
        bot = BotSocket(self)
        try:
            async with asyncio.timeout(limit):
                made = None if own else await self._way.connect(stream.url)
                await ws_connect(
                    lambda: bot,
                    stream.url,
                    websocket_handshake_timeout=limit,
                    max_frame_size=LONGEST_MESSAGE,
                    max_redirects=0,
                    # It answers pings itself, within bounds.
                    enable_auto_pong=False,
                    extra_headers=headers,
                    socket_factory=None if made is None else lambda _url: made,
                )
        except BaseException:
            # It may be connected all the same, later.
            bot.part()
            raise
        self._socket = bot
        self._introduce(stream.parameters)
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.get_running_loop().call_later(QUIET, self._look)

    def _introduce(self, parameters: Mapping[str, str]) -> None:
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": self._account,
            "streamSid": self._stream,
            "callSid": self._call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters(parameters),
        }
        self._say({"event": "start", "start": start})

    def _parameters(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """What the bot is told of its call."""
        known = about(self.order, self._settings.parameters, parameters)
        return {name: _text(value) for name, value in known.items()}

    # --- to the bot ---------------------------------------------------------------------------------

    def send_audio(self, audio: bytes) -> None:
        """See `StreamTalk`."""
        peer = self._socket
        if peer is None:
            return
        self._chunks += 1
        if peer.unread > MOST_UNSENT:
            self._lost += 1
            return
        self._sequence += 1
        payload = binascii.b2a_base64(audio, newline=False)
        peer.send(
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
        if self._performing is not None:
            self._performing.cancel()
        if self._time_limit is not None:
            self._time_limit.cancel()
        if not self._opened.done():
            self._opened.cancel()
        self._part_with_bot()

    def _part_with_bot(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        peer = self._socket
        if peer is not None:
            self._say({"event": "stop", "stop": {"accountSid": self._account, "callSid": self._call}})
            self._socket = None
            peer.part()

    def _say(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self._send({**message, "sequenceNumber": str(self._sequence), "streamSid": self._stream})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._socket is not None:
            self._socket.send(orjson.dumps(message))

    def _look(self) -> None:
        """Whether the bot is still there: its socket alone does not tell."""
        loop, peer = asyncio.get_running_loop(), self._socket
        if peer is None:
            return
        quiet = loop.time() - peer.last_word
        if quiet >= SILENT:
            return self.take_fault(f"{place_of(self._url)} gives no sign of life")
        if quiet >= QUIET:
            peer.ping()
        self._watch = loop.call_later(QUIET, self._look)

    # --- from the bot -------------------------------------------------------------------------------

    def take_close(self, code: int) -> None:
        """See `SocketOwner`."""
        self._socket = None
        if code in _NORMAL:
            self._ended.set()
        else:
            self.take_fault(f"it closed the conversation with the code {code}")

    def take_fault(self, detail: str) -> None:
        """See `SocketOwner`. A bot that is gone before its first word has mostly told its own log why."""
        early = detail == BROKE_OFF and not self.has_spoken
        super().take_fault(detail + " before it said anything: look at its log" * early)

    def take_text(self, text: bytes) -> None:
        """See `SocketOwner`."""
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
            audio = binascii.a2b_base64(payload, strict_mode=True) if isinstance(payload, str) else None
        except (binascii.Error, ValueError):
            audio = None
        if audio is None:
            return self.take_fault("it sends media whose payload is no base64")
        self.take_audio(audio)


def _text(value: object) -> str:
    """A parameter's value: Twilio's are text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
