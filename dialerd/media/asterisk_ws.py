"""One call's media leg: a channel of Asterisk's chan_websocket, bridged with the call.

Asterisk paces the audio and keeps the queue: audio goes out in large messages, marks tell what was played, a
flush silences at once. The reader never waits for anything: a reader that stalls would stall the call's channel
inside Asterisk. It knows audio and keys, not conversations.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

import orjson
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from dialerd.core.errors import PortError
from dialerd.core.model import ChannelId
from dialerd.media.ari import MediaAri, Refused

JOIN_WAITS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between attempts to join: the leg enters our application a moment after its socket is fetched."""
CLOSE_DEADLINE = 3.0


class CalleeGone(Exception):
    """The call ended while its media leg was being made."""


class LegListener(Protocol):
    """Who is told what happens on a leg. Called from the reader: must not wait, must not raise."""

    def on_mark(self, number: int) -> None:
        """Everything sent before mark `number` was played."""
        ...

    def on_key(self, digit: str) -> None:
        """The callee pressed a key."""
        ...

    def on_audio(self, audio: bytes) -> None:
        """The callee's audio, 20 ms; only where the leg was asked to hear."""
        ...

    def on_lost(self, detail: str) -> None:
        """The leg has ended without our doing."""
        ...


class MediaLeg:
    """The leg of the call `channel`: `open`, then send; `close` in any case."""

    def __init__(self, ari: MediaAri, channel: ChannelId, listener: LegListener, *, hears: bool) -> None:
        self._ari = ari
        self._channel = channel
        self._listener = listener
        self._hears = hears
        self._socket: WSTransport | None = None
        self._clear = asyncio.Event()
        self._clear.set()
        self._begun = False
        self._closing = False

    async def open(self) -> None:
        """Make leg and bridge, and join them with the call.

        Raises `CalleeGone`, or `PortError` if Asterisk cannot or does not answer.
        """
        self._begun = True
        async with asyncio.TaskGroup() as tasks:
            bridge = tasks.create_task(_kept(self._ari.make_bridge(self._channel)))
            leg = tasks.create_task(_kept(self._fetch()))
        for failure in (bridge.result(), leg.result()):
            if failure is not None:
                raise failure
        await self._join()

    async def _fetch(self) -> None:
        url = self._ari.media_url(await self._ari.make_leg(self._channel))
        try:
            async with self._ari.fetching:
                self._socket, _ = await ws_connect(
                    lambda: _Reader(self),
                    url,
                    extra_headers={"Sec-WebSocket-Protocol": "media"},
                    websocket_handshake_timeout=2.0,
                    max_frame_size=1 << 20,
                )
        except (WSError, OSError) as error:
            raise PortError(
                f"the media socket of Asterisk cannot be fetched: {error}", retryable=True
            ) from error
        if not self._hears:
            # Asterisk before 22.9 does not know it, says so, and goes on sending what we then drop.
            self._command("SET_MEDIA_DIRECTION", direction="out")

    async def _join(self) -> None:
        for wait in (*JOIN_WAITS, None):
            try:
                return await self._ari.join(self._channel)
            except Refused as error:
                if wait is None or error.status >= 500:
                    await self._explain(error)
                await asyncio.sleep(wait or 0)

    async def _explain(self, error: Refused) -> None:
        if not await self._ari.is_live(self._channel):
            raise CalleeGone from error
        raise error

    # --- sending -------------------------------------------------------------------------------------

    async def wait_clear(self) -> None:
        """Return once Asterisk takes more audio."""
        await self._clear.wait()

    def send(self, audio: bytes) -> None:
        """Queue whole frames, at most 65,500 bytes."""
        if self._socket is not None and audio:
            self._socket.send(WSMsgType.BINARY, audio)

    def mark(self, number: int) -> None:
        """Have `on_mark(number)` called when all that was sent so far is played."""
        self._command("MARK_MEDIA", correlation_id=str(number))

    def flush(self) -> None:
        """Drop what is queued, marks included."""
        self._command("FLUSH_MEDIA")

    def _command(self, name: str, **parameters: str) -> None:
        # Asterisk ignores a text message of more than 128 bytes.
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, orjson.dumps({"command": name, **parameters}))

    # --- the end -------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Take down what `open` has made, as far as it came. Never raises, and ends within its deadline."""
        self._closing = True
        socket, self._socket = self._socket, None
        if socket is not None:
            # Asterisk ends the leg's channel with its socket.
            socket.disconnect()
        if not self._begun:
            return
        with contextlib.suppress(PortError, TimeoutError):
            async with asyncio.timeout(CLOSE_DEADLINE):
                await self._ari.drop_bridge(self._channel)
                if socket is None:
                    await self._ari.drop_leg(self._channel)

    # --- the reader ----------------------------------------------------------------------------------

    def take_text(self, text: bytes) -> None:
        """An event of chan_websocket; what is not understood is nothing."""
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if not isinstance(event, dict):
            return
        match event.get("event"):
            case "MEDIA_MARK_PROCESSED":
                mark = event.get("correlation_id")
                if isinstance(mark, str) and mark.isdecimal():
                    self._listener.on_mark(int(mark))
            case "DTMF_END":
                digit = event.get("digit")
                if isinstance(digit, str) and len(digit) == 1:
                    self._listener.on_key(digit)
            case "MEDIA_XOFF":
                self._clear.clear()
            case "MEDIA_XON":
                self._clear.set()

    def take_audio(self, frame: WSFrame) -> None:
        """20 ms of the callee's audio."""
        if self._hears:
            self._listener.on_audio(frame.get_payload_as_bytes())

    def take_end(self) -> None:
        """The socket is gone."""
        self._clear.set()
        if not self._closing:
            self._socket = None
            self._listener.on_lost("Asterisk closed the media socket")


class _Reader(WSListener):
    """Hands frames to the leg."""

    def __init__(self, leg: MediaLeg) -> None:
        self._leg = leg

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.BINARY:
            self._leg.take_audio(frame)
        elif kind is WSMsgType.TEXT:
            self._leg.take_text(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._leg.take_end()


async def _kept(work: Any) -> PortError | None:
    """Await `work`; its failure is a value, so that the other half is not torn down in the middle of a request."""
    try:
        await work
    except PortError as error:
        return error
    return None
