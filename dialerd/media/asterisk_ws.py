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
from dialerd.core.identity import ChannelId
from dialerd.media.ari import LEG_SUFFIX, MediaAri, Refused
from dialerd.media.formats import ULAW, Format
from dialerd.media.reception import PATH, Awaited, Reception, part_with

JOIN_WAITS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between attempts to join: the leg enters our application a moment after its socket has come."""
ARRIVAL_DEADLINE = 1.5
"""Seconds in which a leg's socket must come: less than a callee who hears nothing is given."""
CLOSE_DEADLINE = 3.0
MOST_UNSENT = 1 << 20
"""Bytes that Asterisk may leave unread: twice what is sent ahead of the playing, in any format."""

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
    """The leg of the call `channel`: `open`, then send; `close` in any case.

    While the phone rings it may be made without a listener: `prepare`, and `give` it one when the call is answered.
    """

    def __init__(
        self,
        ari: MediaAri,
        reception: Reception,
        channel: ChannelId,
        listener: LegListener | None = None,
        *,
        hears: bool = False,
        form: Format = ULAW,
    ) -> None:
        self.form = form
        self._ari = ari
        self._reception = reception
        self.channel = channel
        self._listener = listener
        self._hears = hears
        self._making: tuple[asyncio.Task[PortError | None], ...] = ()
        self._preparing: asyncio.Task[PortError | None] | None = None
        self._lost = False
        """The socket has gone while nobody listened."""
        self._parted = 0
        """Sockets that we have closed ourselves, and whose end has not been told yet."""
        self._awaited: Awaited | None = None
        self._socket: WSTransport | None = None
        self._clear = asyncio.Event()
        self._clear.set()
        self._choked = False
        """Asterisk has left too much unread: the call is lost."""
        self._closing = False

    def prepare(self) -> None:
        """Make leg and bridge and put the one into the other: all that does not need the answer."""
        self._begin()
        self._preparing = asyncio.get_running_loop().create_task(_kept(self._enter()))

    def give(self, listener: LegListener, *, hears: bool) -> None:
        """The call is answered: whose leg it is from here on."""
        self._listener, self._hears = listener, hears
        if not hears:
            self.deafen()

    async def open(self) -> None:
        """Join leg and bridge with the call, and make them first if they are not prepared.

        Raises `CalleeGone`, or `PortError` if Asterisk cannot or does not answer.
        """
        if await self._is_prepared():
            return await self._join(leg=False)
        self._begin()
        await self._made()
        await self._join()

    async def _is_prepared(self) -> bool:
        """Whether all is ready that does not need the answer. What has failed of it is taken down."""
        if self._preparing is None:
            return False
        # Who gives up waiting does not break off a request: Asterisk would carry it out after its undoing.
        await asyncio.wait((self._preparing,))
        failure = self._preparing.result()
        if failure is None and not self._lost:
            return True
        _log.info("media.not_prepared", channel=self.channel, detail=str(failure or "its socket has gone"))
        await self._take_down()
        await self._ari.vacated(self.channel)
        self._awaited, self._socket, self._preparing, self._lost = None, None, None, False
        return False

    def _begin(self) -> None:
        self._awaited = self._reception.expect(self.channel + LEG_SUFFIX, self)
        loop = asyncio.get_running_loop()
        # As above.
        self._making = (
            loop.create_task(_kept(self._ari.make_bridge(self.channel))),
            loop.create_task(_kept(self._make_leg(self._awaited))),
        )

    async def _made(self) -> None:
        await asyncio.wait(self._making)
        for made in self._making:
            failure = made.result()
            if failure is not None:
                raise failure

    async def _enter(self) -> None:
        """Put the leg into the bridge."""
        await self._made()
        if self._awaited is not None and not self._awaited.renounced:
            await self._join(call=False)

    async def _make_leg(self, awaited: Awaited) -> None:
        socket = await bring(self._ari, self._reception, self.channel, awaited, self.form)
        if self._closing:
            return
        self._socket = socket
        if self._listener is not None and not self._hears:
            self.deafen()

    async def _join(self, *, call: bool = True, leg: bool = True) -> None:
        for wait in (*JOIN_WAITS, None):
            try:
                return await self._ari.join(self.channel, call=call, leg=leg)
            except Refused as error:
                if wait is None or error.status >= 500:
                    if call:
                        await self._explain(error)
                    raise
                await asyncio.sleep(wait or 0)

    async def _explain(self, error: Refused) -> None:
        if not await self._ari.is_live(self.channel):
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
        if audio:
            self._put(WSMsgType.BINARY, audio)

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
        self._put(WSMsgType.TEXT, orjson.dumps({"command": name, **parameters}))

    def _put(self, kind: WSMsgType, message: bytes) -> None:
        if self._socket is None or self._choked:
            return
        if self._socket.underlying_transport.get_write_buffer_size() > MOST_UNSENT:
            self._choked = True
            if self._listener is not None:
                self._listener.on_lost(f"Asterisk reads no audio: {MOST_UNSENT:,} bytes wait for it")
            return
        self._socket.send(kind, message)

    # --- the end -------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Take down what was made, as far as it came. Never raises, and ends within its deadline."""
        self._closing = True
        self._socket = None
        await self._take_down()

    async def vacate(self) -> None:
        """Take down what was made, and return once it is gone: the call is to have another leg. Raises `PortError`."""
        await self.close()
        if self._awaited is not None:
            await self._ari.vacated(self.channel)

    async def _take_down(self) -> None:
        if self._awaited is None:
            return
        socket = self._awaited.renounce()
        if socket is not None:
            # Asterisk ends the leg's channel with its socket.
            part_with(socket)
            self._parted += not self._lost
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await asyncio.wait(
                    self._making if self._preparing is None else (*self._making, self._preparing)
                )
                await self._ari.drop_bridge(self.channel)
                if socket is None:
                    await self._ari.drop_leg(self.channel)
        except (PortError, TimeoutError) as error:
            _log.info("media.not_removed", channel=self.channel, detail=str(error) or "no answer in time")
        finally:
            for making in self._making:
                making.cancel()
            if self._preparing is not None:
                self._preparing.cancel()
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
        listener = self._listener or _NOBODY
        match event.get("event"):
            case "MEDIA_MARK_PROCESSED":
                mark = event.get("correlation_id")
                if isinstance(mark, str) and mark.isdecimal():
                    listener.on_mark(int(mark))
            case "DTMF_END":
                digit = event.get("digit")
                if isinstance(digit, str) and len(digit) == 1:
                    listener.on_key(digit)
            case "MEDIA_XOFF":
                self._clear.clear()
            case "MEDIA_XON":
                self._clear.set()

    def take_audio(self, frame: WSFrame) -> None:
        """20 ms of the callee's audio."""
        if self._hears and self._listener is not None:
            self._listener.on_audio(frame.get_payload_as_bytes())

    def take_end(self) -> None:
        """The socket is gone."""
        self._clear.set()
        if self._parted:
            self._parted -= 1
            return
        if self._closing:
            return
        self._socket = None
        if self._listener is not None:
            self._listener.on_lost("Asterisk closed the media socket")
        else:
            self._lost = True


class _Nobody:
    """Listens to a leg whose call is not answered yet."""

    def on_mark(self, number: int) -> None:
        """See `LegListener`."""

    def on_key(self, digit: str) -> None:
        """See `LegListener`."""


_NOBODY = _Nobody()


async def bring(
    ari: MediaAri, reception: Reception, channel: ChannelId, awaited: Awaited, form: Format = ULAW
) -> WSTransport | None:
    """Have Asterisk make the media leg of `channel` and bring its socket; None: it was renounced meanwhile.

    Raises `PortError` if Asterisk cannot or does not.
    """
    await ari.make_leg(channel, awaited.token, form.name)
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
