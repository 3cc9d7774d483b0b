"""Engines of the kind `webrtc`: bots that take calls over WebRTC, as browsers bring them.

It joins a link with a conversation: what is heard, pressed and said goes to the bot, what it says and tells comes
back. How the link works is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import structlog
from aiortc import RTCIceServer

from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.media.about import about
from dialerd.media.cushion import Cushion
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.formats import SLIN16, ULAW, is_wide
from dialerd.media.reach import ask, reach
from dialerd.media.remote import Seat
from dialerd.media.stream_talk import StreamTalk
from dialerd.media.webrtc import LinkSettings, LinkTiming, WebRtcLink
from dialerd.media.webrtc_signalling import Door, signalling

_log = structlog.get_logger("dialerd.media")


class WebRtcEngine:
    """A bot that takes offers at `settings.url`."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._partings: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """See `dialerd.media.remote.RemoteEngine`. An offer alone would open a session, so none is made."""
        if self._settings.health_url:
            await ask(self._settings.health_url)
        else:
            await reach(self._settings.url)

    def converse(self, order: AttachAgent, seat: Seat) -> WebRtcTalk:
        """See `dialerd.media.remote.RemoteEngine`."""
        return WebRtcTalk(self._settings, order, seat, self._partings)


class WebRtcTalk(StreamTalk):
    """One call's conversation. `partings` keeps what is still being taken down."""

    def __init__(
        self, settings: EngineSettings, order: AttachAgent, seat: Seat, partings: set[asyncio.Task[None]]
    ) -> None:
        super().__init__(order, seat, SLIN16 if is_wide(order.codec, settings.format) else ULAW)
        # What comes over a link is evened out already.
        self._cushion = Cushion(0)
        self._settings = settings
        self._partings = partings
        # One for each call: it holds what the bot's HTTP server keeps open, and nothing of it is left after the call.
        self._http = aiohttp.ClientSession(trust_env=False)
        door = Door(settings.url, settings.dialect, settings.token)
        self._link = WebRtcLink(
            signalling(self._http, door),
            about(order, settings.parameters),
            self,
            LinkSettings(
                ice_servers=tuple(_ice_server(url, settings) for url in settings.ice_servers),
                codecs=settings.codecs,
                form=self.form,
                label=settings.data_channel,
                first=settings.first_message,
                pings=settings.dialect == "json",
                timing=LinkTiming(connect=settings.connect),
            ),
        )

    async def connect(self) -> None:
        """See `dialerd.media.conversation.RemoteConversation`."""
        try:
            await self._link.open()
        except PortError as error:
            self.seat.failed(str(error))
            raise PortError(f"engine {self._settings.name}: {error}", retryable=True) from error
        if self.fault is not None:
            raise self.fault

    # --- to the bot ---------------------------------------------------------------------------------

    def send_audio(self, audio: bytes) -> None:
        """See `StreamTalk`."""
        self._link.hear(audio)

    def send_key(self, digit: str) -> None:
        """See `StreamTalk`."""
        self._link.press(digit)

    def send_words(self, message: Mapping[str, Any]) -> None:
        """See `StreamTalk`."""
        self._link.tell({"type": "dialerd", **message})

    def part(self) -> None:
        """See `StreamTalk`."""
        parting = asyncio.get_running_loop().create_task(self._part())
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)

    async def _part(self) -> None:
        link = self._link
        await link.close()
        await self._http.close()
        if link.voice.dropped or link.callee.dropped or link.ignored:
            _log.info(
                "engine.dropped",
                call=self.order.call,
                engine=self.order.engine,
                engine_frames=link.voice.dropped,
                callee_frames=link.callee.dropped,
                messages=link.ignored,
            )

    # --- from the bot -------------------------------------------------------------------------------

    def on_voice(self, audio: bytes) -> None:
        """See `LinkListener`."""
        self.take_audio(audio)

    def on_message(self, message: Mapping[str, Any]) -> None:
        """See `LinkListener`. What is not for the dialer is nothing: bots talk to browsers, too."""
        if message.get("type") == "dialerd":
            words = {name: value for name, value in message.items() if name != "type"}
            self.take_words({"event": "dialerd", **words})
        elif message.get("event") == "dialerd":
            self.take_words(message)

    def on_left(self) -> None:
        """See `LinkListener`."""
        if self.has_spoken:
            self.finish()
        else:
            self.take_fault("it ended the conversation before it said anything")

    def on_broken(self, detail: str) -> None:
        """See `LinkListener`."""
        self.take_fault(detail)


def _ice_server(url: str, settings: EngineSettings) -> RTCIceServer:
    if url.startswith("stun"):
        return RTCIceServer(urls=url)
    return RTCIceServer(url, settings.ice_username or None, settings.ice_credential or None)
