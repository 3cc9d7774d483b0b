"""The echo bot over WebRTC: one on aiortc, as many are, that takes offers as pipecat's SmallWebRTC does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import cast

import numpy as np
import orjson
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from benchmarks.echo_bot import SLIN

RATE = 8_000
PTIME = 0.020
GREETING = 5
"""Frames: as many as links hold back before they play anything, and more."""


class Parrot(MediaStreamTrack):
    """One call over WebRTC: the greeting, then what `heard` brings."""

    kind = "audio"

    def __init__(self, heard: MediaStreamTrack, wide: bool) -> None:
        """`wide`: it comes as Opus does, in stereo at 48 kHz; the greeting must be alike."""
        super().__init__()
        self._heard = heard
        self._wide = wide
        self._said = 0

    async def recv(self) -> AudioFrame:
        """See aiortc."""
        if self._said < GREETING:
            await asyncio.sleep(PTIME if self._said else 0.0)
            frame = _greeting(self._wide)
        else:
            frame = cast(AudioFrame, await self._heard.recv())
        frame.pts, frame.time_base = self._said * frame.samples, Fraction(1, frame.sample_rate)
        self._said += 1
        return frame


class WebRtcBot:
    """All calls over WebRTC: takes offers as pipecat's SmallWebRTC does."""

    def __init__(self) -> None:
        self._peers: set[RTCPeerConnection] = set()

    async def _offer(self, request: web.Request) -> web.Response:
        offer = await request.json(loads=orjson.loads)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(peer)
        wide = "PCMU/8000" not in offer["sdp"]
        peer.on("track", lambda track: peer.addTrack(Parrot(track, wide)))
        await peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return web.json_response({"sdp": peer.localDescription.sdp, "type": "answer", "pc_id": "bench"})

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[int]:
        """Takes calls at `port`, 0 for any; gives it."""
        app = web.Application()
        app.router.add_post("/api/offer", self._offer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield int(runner.addresses[0][1])
        finally:
            await asyncio.gather(*(peer.close() for peer in self._peers))
            await runner.cleanup()


def _greeting(wide: bool) -> AudioFrame:
    samples = np.frombuffer(SLIN, np.int16).repeat(12 if wide else 1)
    frame = AudioFrame.from_ndarray(samples[None, :], layout="stereo" if wide else "mono")
    frame.sample_rate = 6 * RATE if wide else RATE
    return frame
