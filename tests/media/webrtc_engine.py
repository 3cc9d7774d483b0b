"""A WebRTC engine for tests, on aiortc as engines are: it takes offers over HTTP in both dialects.

It says a tone, repeats what it hears, or is as bad an engine as a test wants.
"""

from __future__ import annotations

import asyncio
import fractions
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from tests.web_server import web_server

Samples = np.ndarray[Any, np.dtype[np.int16]]


class ToneTrack(MediaStreamTrack):
    """20 ms frames at 48 kHz of what `wave` gives for the sample numbers, in real time."""

    kind = "audio"

    def __init__(self, wave: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> None:
        super().__init__()
        self._wave = wave
        self._at = 0
        self._begun: float | None = None

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        self._begun = now if self._begun is None else self._begun
        await asyncio.sleep(max(0.0, self._begun + self._at / 48_000 - now))
        samples = self._wave(np.arange(self._at, self._at + 960)).astype(np.int16)
        # Of mono the library's Opus encoder takes 3 dB.
        frame = AudioFrame.from_ndarray(samples.repeat(2)[None, :], layout="stereo")
        frame.sample_rate, frame.pts = 48_000, self._at
        frame.time_base = fractions.Fraction(1, 48_000)
        self._at += 960
        return frame


def tone(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1 kHz, a quarter of full scale."""
    return 8_000 * np.sin(2 * np.pi * 1_000 * numbers / 48_000)


class Engine:
    """Answers offers; what came of them is recorded. `wave` None: it repeats what it hears."""

    def __init__(self, wave: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = tone) -> None:
        self.wave = wave
        self.peers: list[RTCPeerConnection] = []
        self.messages: list[dict[str, Any]] = []
        self.pings = 0
        self.heard: list[Samples] = []
        self.rate = 0
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.deleted: list[str] = []
        self.channel: RTCDataChannel | None = None
        self.status = 200
        self.body: str | None = None
        self.delay = 0.0
        self.answering = 0
        """Offers that are being answered."""
        self.url = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def answer(self, sdp: str) -> RTCSessionDescription:
        """Answer an offer."""
        self.answering += 1
        try:
            return await self._answer(sdp)
        finally:
            self.answering -= 1

    async def _answer(self, sdp: str) -> RTCSessionDescription:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)

        @peer.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if self.wave is None:
                peer.addTrack(track)
            else:
                self._tasks.append(asyncio.ensure_future(self._listen(track)))

        @peer.on("datachannel")
        def on_datachannel(channel: RTCDataChannel) -> None:
            self.channel = channel
            channel.on("message", self._on_message)

        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if self.wave is not None:
            peer.addTrack(ToneTrack(self.wave))
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription

    def _on_message(self, text: str) -> None:
        if text.startswith("ping"):
            self.pings += 1
        else:
            self.messages.append(json.loads(text))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                self.rate = frame.sample_rate
                samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
                self.heard.append(samples[:, 0].astype(np.int16))
        except MediaStreamError:
            pass

    def say(self, message: object) -> None:
        """Send a message over the data channel."""
        assert self.channel is not None
        self.channel.send(message if isinstance(message, str) else json.dumps(message))

    # --- HTTP ----------------------------------------------------------------------------------------

    async def _taken(self, request: web.Request) -> str:
        text = await request.text()
        self.requests.append((request.method, request.path, dict(request.headers), text))
        if self.delay:
            await asyncio.sleep(self.delay)
        return text

    async def _offer(self, request: web.Request) -> web.Response:
        body = json.loads(await self._taken(request))
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, text=self.body or "")
        answer = await self.answer(body["sdp"])
        return web.json_response({"sdp": answer.sdp, "type": answer.type, "pc_id": "one"})

    async def _start(self, request: web.Request) -> web.Response:
        await self._taken(request)
        return web.json_response({"sessionId": "abc-1"})

    async def _whip(self, request: web.Request) -> web.Response:
        sdp = await self._taken(request)
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, text=self.body or "")
        answer = await self.answer(sdp)
        headers = {"Location": "/whip/calls/7"}
        return web.Response(status=201, text=answer.sdp, content_type="application/sdp", headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        await self._taken(request)
        self.deleted.append(request.path)
        return web.Response()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Engine]:
        """The engine at `url`; `url` + `/api/offer`, `/start` and `/whip` take offers."""
        app = web.Application()
        app.router.add_post("/api/offer", self._offer)
        app.router.add_post("/sessions/abc-1/api/offer", self._offer)
        app.router.add_post("/start", self._start)
        app.router.add_post("/whip", self._whip)
        app.router.add_delete("/whip/calls/7", self._delete)
        try:
            async with web_server(app) as address:
                self.url = f"http://{address}"
                yield self
        finally:
            # Offers that were on their way are answered by now.
            await self.hang_up()

    async def hang_up(self) -> None:
        """Close all links as an engine that has done: one that is being made once it is made, or its sockets stay."""
        async with asyncio.timeout(20):
            while self.answering:
                await asyncio.sleep(0.005)
        await asyncio.gather(*(_close(peer) for peer in self.peers))
        self.peers = [peer for peer in self.peers if peer.connectionState != "closed"]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose(self, every: int) -> None:
        """Let one packet in so many not arrive."""
        for peer in self.peers:
            for transceiver in peer.getTransceivers():
                transport = transceiver.sender.transport.transport
                transport._send = _Lossy(transport._send, every)

    async def vanish(self) -> None:
        """Be gone without a word: its sockets are closed under it."""
        for peer in self.peers:
            for transceiver in peer.getTransceivers():
                for protocol in transceiver.receiver.transport.transport._connection._protocols:
                    protocol.transport.abort()


class _Lossy:
    def __init__(self, send: Callable[[bytes], Awaitable[None]], every: int) -> None:
        self._send = send
        self._every = every
        self._count = 0

    async def __call__(self, data: bytes) -> None:
        self._count += 1
        if self._count % self._every:
            await self._send(data)


async def _close(peer: RTCPeerConnection) -> None:
    # aioice leaves a task behind where it is closed in the middle of connecting.
    for _ in range(30):
        if peer.connectionState not in ("new", "connecting"):
            break
        await asyncio.sleep(0.01)
    await peer.close()
