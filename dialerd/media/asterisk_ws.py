"""One call's media leg: a channel of Asterisk's chan_websocket, bridged with the call.

Asterisk paces the audio and keeps the queue: audio goes out in large messages, marks tell what was played, a
flush silences at once. The reader never waits for anything: a reader that stalls would stall the call's channel
inside Asterisk. It knows audio and keys, not conversations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import orjson
import structlog
from picows import WSFrame, WSMsgType, WSTransport

from dialerd.core.errors import PortError
from dialerd.core.model import ChannelId
from dialerd.media.ari import LEG_SUFFIX, MediaAri, Refused
from dialerd.media.reception import PATH, Awaited, Reception, part_with

JOIN_WAITS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between attempts to join: the leg enters our application a moment after its socket has come."""
ARRIVAL_DEADLINE = 1.5
"""Seconds in which a leg's socket must come: less than a callee who hears nothing is given."""
CLOSE_DEADLINE = 3.0

_log = structlog.get_logger("dialerd.media")


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

    def __init__(
        self,
        ari: MediaAri,
        reception: Reception,
        channel: ChannelId,
        listener: LegListener,
        *,
        hears: bool,
    ) -> None:
        self._ari = ari
        self._reception = reception
        self._channel = channel
        self._listener = listener
        self._hears = hears
        self._making: tuple[asyncio.Task[PortError | None], ...] = ()
        self._awaited: Awaited | None = None
        self._socket: WSTransport | None = None
        self._clear = asyncio.Event()
        self._clear.set()
        self._closing = False

    async def open(self) -> None:
        """Make leg and bridge, and join them with the call.

        Raises `CalleeGone`, or `PortError` if Asterisk cannot or does not answer.
        """
        self._awaited = self._reception.expect(self._channel + LEG_SUFFIX, self)
        loop = asyncio.get_running_loop()
        # Who gives up waiting does not break off a request: Asterisk would carry it out after its undoing.
        self._making = (
            loop.create_task(_kept(self._ari.make_bridge(self._channel))),
            loop.create_task(_kept(self._make_leg(self._awaited))),
        )
        await asyncio.wait(self._making)
        for made in self._making:
            failure = made.result()
            if failure is not None:
                raise failure
        await self._join()

    async def _make_leg(self, awaited: Awaited) -> None:
        socket = await bring(self._ari, self._reception, self._channel, awaited)
        if self._closing:
            return
        self._socket = socket
        if not self._hears:
            self.deafen()

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

    @property
    def is_clear(self) -> bool:
        """Whether Asterisk takes more audio."""
        return self._clear.is_set()

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

    def deafen(self) -> None:
        """The callee's audio is not wanted any more."""
        self._hears = False
        # Asterisk before 22.9 does not know it, says so, and goes on sending what we then drop.
        self._command("SET_MEDIA_DIRECTION", direction="out")

    def _command(self, name: str, **parameters: str) -> None:
        # Asterisk ignores a text message of more than 128 bytes.
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, orjson.dumps({"command": name, **parameters}))

    # --- the end -------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Take down what `open` has made, as far as it came. Never raises, and ends within its deadline."""
        self._closing = True
        self._socket = None
        if self._awaited is None:
            return
        socket = self._awaited.renounce()
        if socket is not None:
            # Asterisk ends the leg's channel with its socket.
            part_with(socket)
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await asyncio.wait(self._making)
                await self._ari.drop_bridge(self._channel)
                if socket is None:
                    await self._ari.drop_leg(self._channel)
        except (PortError, TimeoutError) as error:
            _log.info("media.not_removed", channel=self._channel, detail=str(error) or "no answer in time")
        finally:
            for making in self._making:
                making.cancel()
            self._reception.forget(self._awaited)

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


async def bring(
    ari: MediaAri, reception: Reception, channel: ChannelId, awaited: Awaited
) -> WSTransport | None:
    """Have Asterisk make the media leg of `channel` and bring its socket; None: it was renounced meanwhile.

    Raises `PortError` if Asterisk cannot or does not.
    """
    await ari.make_leg(channel, awaited.token)
    socket = await awaited.wait(ARRIVAL_DEADLINE)
    what = "bring the socket of a media leg"
    if socket is not None:
        ari.health.answered(what)
    elif not awaited.renounced:
        detail = (
            f"it makes media legs, but does not connect to {reception.address}: in its websocket_client.conf, "
            f"[{ari.client}] must have uri = ws://{reception.address}{PATH}"
        )
        ari.health.missed(what, detail)
        raise PortError(f"Asterisk does not {what}: {detail}", retryable=True)
    return socket


async def _kept(work: Coroutine[Any, Any, None]) -> PortError | None:
    """Await `work`; its failure is a value, so that the other half is not torn down in the middle of a request."""
    try:
        await work
    except PortError as error:
        return error
    return None
