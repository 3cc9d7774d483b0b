"""One call's link to an engine over WebRTC: audio both ways, and a data channel for keys and messages.

`open`, then `hear`, `press` and `tell`; `close` in any case. What the engine says arrives at the listener. Telephone
audio is offered as mu-law before Opus: it costs less and loses nothing. The callee's audio never waits for the engine,
and every way in which an engine can fail has words of its own. What is said on the link is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import structlog
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import SessionDescription
from av import AudioFrame

from dialerd.core.errors import PortError
from dialerd.media.engine_settings import CODECS, DATA_CHANNEL, Codec
from dialerd.media.formats import ULAW, Format
from dialerd.media.webrtc_callee import CalleeTrack
from dialerd.media.webrtc_signalling import Signalling
from dialerd.media.webrtc_voice import EngineVoice

LONGEST_MESSAGE = 64 * 1024
MOST_UNSENT = 256 * 1024
"""Bytes of messages that an engine may leave unread before further ones are dropped."""
MOST_EARLY = 100
"""Messages that wait for the data channel."""
CLOSE_DEADLINE = 10.0
"""Seconds; gathering goes on for five where a STUN or TURN server does not answer, and cannot be broken off."""
SETTLE = 0.5
"""Seconds that a link which is just being made is given before it is closed: aioice leaves a task behind otherwise."""

_log = structlog.get_logger("dialerd.media")
_NO_ADDRESS = (
    "this host has no address but 127.0.0.1, which WebRTC does not use: "
    "give it a network address (`ip address add 127.0.0.2/8 dev lo` will do for engines on this host)"
)


class LinkListener(Protocol):
    """Who is told what an engine does. Must not wait, must not raise."""

    def on_voice(self, audio: bytes) -> None:
        """Whole frames for the callee, in the link's format, in their time; between spurts nothing comes."""
        ...

    def on_message(self, message: Mapping[str, Any]) -> None:
        """A JSON object from the data channel, unchecked."""
        ...

    def on_left(self) -> None:
        """The engine has closed the link: it has done with the call."""
        ...

    def on_broken(self, detail: str) -> None:
        """The link is of no use any more."""
        ...


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Limits in seconds."""

    connect: float = 1.5
    """From the offer to audio that can flow."""
    silent: float = 10.0
    """Without a single packet: a living peer sends reports (RTCP) at least every 7.5 s."""
    look: float = 1.0
    """Between looks at whether the engine lives, and between signs of life to it."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How engines of this kind are linked with."""

    ice_servers: tuple[RTCIceServer, ...] = ()
    codecs: tuple[Codec, ...] = CODECS
    """In the order of preference."""
    form: Format = ULAW
    """Of the audio here; with samples of 16 kHz Opus alone is offered."""
    label: str = DATA_CHANNEL
    first: Mapping[str, Any] = field(default_factory=dict)
    """What an engine is told on the data channel before anything else but the call; empty: nothing."""
    pings: bool = True
    """Whether the engine is sent `ping` again and again, as SmallWebRTC wants it."""
    timing: LinkTiming = LinkTiming()


class WebRtcLink:
    """The link of one call; `about` is what the engine is told of it."""

    def __init__(
        self,
        signalling: Signalling,
        about: Mapping[str, Any],
        listener: LinkListener,
        settings: LinkSettings = LinkSettings(),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._signalling = signalling
        self._about = about
        self._listener = listener
        self._settings = settings
        self._peer: RTCPeerConnection | None = None
        self._gathering: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._channel: RTCDataChannel | None = None
        self._unsent: list[bytes] = []
        self._state: asyncio.Future[str] = self._loop.create_future()
        """Connected, failed or closed: what became of the attempt to connect."""
        self._over = False
        self.ignored = 0
        """Messages that were no JSON objects, or too long."""
        self.callee = CalleeTrack(settings.form)
        self.voice = EngineVoice(self._play, self._loop.time, settings.form)
        self.codec: Codec | None = None
        """What the callee's audio is sent as; None: not agreed yet."""

    # --- opening -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect. Raises `PortError`, naming what failed; `close` must follow all the same."""
        timing = self._settings.timing
        step = "gathering addresses for ICE"
        try:
            async with asyncio.timeout(timing.connect):
                self._peer = peer = self._new_peer()
                transceiver = self._prepare(peer)
                # Broken off, it would leave sockets behind that nobody knows.
                self._gathering = self._loop.create_task(_gather(peer))
                await asyncio.shield(self._gathering)
                offer = peer.localDescription.sdp
                if "a=candidate:" not in offer:
                    raise PortError(_NO_ADDRESS, retryable=True)
                step = "waiting for the engine's answer"
                answer = await self._signalling.exchange(offer, self._about)
                await self._agree(peer, answer)
                if transceiver.receiver.track is None:
                    raise PortError("the engine's SDP answer has no audio for the callee", retryable=True)
                step = "connecting with the engine (ICE)"
                await self._connected()
        except TimeoutError:
            raise PortError(f"{step} took more than {timing.connect:g} s", retryable=True) from None
        if self._over:
            raise PortError("the call ended while its engine was being connected", retryable=False)
        self._start(self._read(transceiver.receiver.track))
        self._start(self._watch(peer))

    def _new_peer(self) -> RTCPeerConnection:
        # Never the library's default, a public STUN server.
        servers = list(self._settings.ice_servers)
        configuration = RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        return RTCPeerConnection(configuration)

    def _prepare(self, peer: RTCPeerConnection) -> RTCRtpTransceiver:
        peer.on("connectionstatechange", self._on_state)
        self._attend(peer)
        transceiver = peer.addTransceiver(self.callee, direction="sendrecv")
        known = {codec.mimeType.lower(): codec for codec in RTCRtpSender.getCapabilities("audio").codecs}
        transceiver.setCodecPreferences([known[f"audio/{codec}"] for codec in self._codecs])
        _shorten(transceiver.receiver)
        channel = peer.createDataChannel(self._settings.label)
        channel.on("open", self._on_channel)
        channel.on("message", self._on_message)
        self._channel = channel
        return transceiver

    def _attend(self, peer: RTCPeerConnection) -> None:
        """Have an attempt to connect that breaks end this one by name.

        The library makes it in a task of its own, whose exception reaches nobody.
        """
        name = "_RTCPeerConnection__connect"
        connect = getattr(peer, name)

        async def attempt() -> None:
            try:
                await connect()
            except Exception as error:  # noqa: BLE001 - closed meanwhile, or tripped over what the engine has sent
                _log.debug("media.engine_not_connected", detail=repr(error))
                if not self._state.done():
                    self._state.set_result("failed")

        setattr(peer, name, attempt)

    @property
    def _codecs(self) -> tuple[Codec, ...]:
        """What is offered."""
        return self._settings.codecs if self._settings.form == ULAW else ("opus",)

    async def _agree(self, peer: RTCPeerConnection, answer: str) -> None:
        self.codec = codec = _codec_of(answer)
        self.callee.encode_as(codec)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        except Exception as error:
            # The library checks an answer with whatever it trips over.
            raise PortError(
                f"the engine's SDP answer does not fit the offer: {error!r}", retryable=True
            ) from error

    async def _connected(self) -> None:
        state = await asyncio.shield(self._state)
        if state == "failed":
            raise PortError("no way to the engine was found (ICE or DTLS failed)", retryable=True)
        if state == "closed":
            raise PortError("the engine closed the link while it was being made", retryable=True)

    # --- to the engine -------------------------------------------------------------------------------

    def hear(self, audio: bytes) -> None:
        """20 ms of the callee's audio, in the link's format."""
        self.callee.put(audio)

    def press(self, digit: str) -> None:
        """The callee pressed a key."""
        self.tell({"type": "dialerd", "dtmf": digit})

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message; what the engine does not read for long is dropped."""
        self._send(orjson.dumps(message))

    def _send(self, text: bytes) -> None:
        channel = self._channel
        if self._over:
            return
        if channel is None or channel.readyState == "connecting":
            if len(self._unsent) < MOST_EARLY:
                self._unsent.append(text)
        elif channel.readyState == "open" and channel.bufferedAmount <= MOST_UNSENT:
            channel.send(text.decode())

    # --- from the engine -----------------------------------------------------------------------------

    def _on_channel(self) -> None:
        self.tell({"type": "dialerd", "call": dict(self._about)})
        if self._settings.first:
            self.tell(self._settings.first)
        unsent, self._unsent = self._unsent, []
        for text in unsent:
            self._send(text)

    def _on_message(self, text: str | bytes) -> None:
        if self._over:
            return
        try:
            message = orjson.loads(text) if len(text) <= LONGEST_MESSAGE else None
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.ignored += 1
        elif message.get("type") == "signalling":
            # SmallWebRTC's own: it says goodbye this way before it closes.
            inner = message.get("message")
            if isinstance(inner, dict) and inner.get("type") == "peerLeft":
                self._leave()
        else:
            self._listener.on_message(message)

    def _play(self, audio: bytes) -> None:
        if not self._over:
            self._listener.on_voice(audio)

    def _on_state(self) -> None:
        state = self._peer.connectionState if self._peer is not None else ""
        if state not in ("connected", "failed", "closed"):
            return
        if not self._state.done():
            self._state.set_result(state)
        elif state == "failed":
            self._break("the way to the engine was lost (ICE or DTLS failed)")
        elif state == "closed":
            self._leave()

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, AudioFrame):
                    self.voice.take(frame)
        except MediaStreamError:
            self._leave()
        except Exception as error:  # noqa: BLE001 - whatever the engine sent costs its call, not the worker
            _log.error("media.engine_audio_broken", exc_info=error)
            self._break(f"the engine's audio cannot be read: {error!r}")

    async def _watch(self, peer: RTCPeerConnection) -> None:
        timing = self._settings.timing
        seen, since = -1, self._loop.time()
        while True:
            if self._settings.pings and self._channel is not None and self._channel.readyState == "open":
                self._send(b"ping")
            await asyncio.sleep(timing.look)
            packets = await _packets(peer)
            now = self._loop.time()
            if packets != seen:
                seen, since = packets, now
            elif now - since >= timing.silent:
                self._break(f"nothing came from the engine for {timing.silent:g} s")

    def _leave(self) -> None:
        if not self._over:
            self.voice.finish()
            self._over = True
            self._listener.on_left()

    def _break(self, detail: str) -> None:
        if not self._over:
            self._over = True
            self._listener.on_broken(detail)

    # --- the end -------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._loop.create_task(work))

    async def close(self) -> None:
        """Take all down, as far as it has come. Never raises, and ends within its deadlines."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.callee.stop()
        await self._signalling.goodbye()
        if self._peer is None:
            return
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                if self._gathering is not None:
                    await asyncio.gather(self._gathering, return_exceptions=True)
                if self._peer.signalingState == "stable" and self.codec is not None:
                    await asyncio.wait([self._state], timeout=SETTLE)
                await self._peer.close()
        except Exception as error:  # noqa: BLE001 - a bug in taking one link down must not cost another call
            _log.warning("media.engine_link_not_closed", detail=str(error) or type(error).__name__)
        with contextlib.suppress(Exception):
            self._peer.remove_all_listeners()


def _shorten(receiver: RTCRtpReceiver) -> None:
    """Have packets reordered within 80 ms, not 320.

    The library's own buffer holds 80 ms back, and after the first lost packet 280 for the rest of the call; it cannot
    be told otherwise. Uneven arrival is made even later (`EngineVoice`).
    """
    name = "_RTCRtpReceiver__jitter_buffer"
    if name in vars(receiver):
        vars(receiver)[name] = JitterBuffer(capacity=4, prefetch=1)


async def _gather(peer: RTCPeerConnection) -> None:
    try:
        await peer.setLocalDescription(await peer.createOffer())
    except OSError as error:
        raise PortError(
            f"this host's addresses cannot be found: {error} (is AF_NETLINK allowed to this process?)",
            retryable=True,
        ) from error


async def _packets(peer: RTCPeerConnection) -> int:
    """How many packets have come, of whatever kind."""
    report = await peer.getStats()
    return sum(each.packetsReceived for each in report.values() if each.type == "transport")


def _codec_of(answer: str) -> Codec:
    """What the engine wants to be sent: the first of its answer that was offered. Raises `PortError`."""
    try:
        media = SessionDescription.parse(answer).media
    except Exception as error:
        # The library reads an answer with whatever it trips over.
        raise PortError(f"the engine answered the offer with no SDP: {error!r}", retryable=True) from error
    for section in media:
        if section.kind == "audio" and section.port:
            for codec in section.rtp.codecs:
                match codec.name.lower():
                    case "pcmu":
                        return "pcmu"
                    case "opus":
                        return "opus"
    raise PortError("the engine's SDP answer takes no audio that was offered", retryable=True)
