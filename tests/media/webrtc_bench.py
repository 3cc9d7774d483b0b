"""A link and an engine of its own, what the link is told, and what a tone has become."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np

from dialerd.media.engine_settings import Codec, Dialect
from dialerd.media.playout import FRAME
from dialerd.media.samples import to_mu_law
from dialerd.media.webrtc import LinkSettings, LinkTiming, WebRtcLink
from dialerd.media.webrtc_signalling import Door, signalling
from tests.media.webrtc_engine import Engine

PATIENT = LinkTiming(connect=20.0)
"""A busy machine must fail nothing."""
BOTH: tuple[Codec, ...] = ("pcmu", "opus")
TONE = to_mu_law((8_000 * np.sin(2 * np.pi * 1_000 * np.arange(FRAME) / 8_000)).astype(np.int16))


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.voice: list[tuple[float, bytes]] = []
        self.messages: list[Mapping[str, Any]] = []
        self.ends: list[str] = []

    def on_voice(self, audio: bytes) -> None:
        self.voice.append((time.monotonic(), audio))

    def on_message(self, message: Mapping[str, Any]) -> None:
        self.messages.append(message)

    def on_left(self) -> None:
        self.ends.append("left")

    def on_broken(self, detail: str) -> None:
        self.ends.append(detail)


class Bench:
    """A link and an engine."""

    def __init__(self, engine: Engine, http: aiohttp.ClientSession) -> None:
        self.engine = engine
        self.listener = Listener()
        self._http = http

    def link(
        self,
        dialect: Dialect = "json",
        path: str = "",
        *,
        token: str = "",
        codecs: tuple[Codec, ...] = BOTH,
        timing: LinkTiming = PATIENT,
        **settings: Any,
    ) -> WebRtcLink:
        path = path or ("/whip" if dialect == "sdp" else "/api/offer")
        door = Door(self.engine.url + path, dialect, token)
        chosen = LinkSettings(codecs=codecs, timing=timing, **settings)
        return WebRtcLink(signalling(self._http, door), {"call": "c1"}, self.listener, chosen)


@asynccontextmanager
async def bench(engine: Engine | None = None) -> AsyncIterator[Bench]:
    async with (engine or Engine()).serving() as serving, aiohttp.ClientSession() as http:
        yield Bench(serving, http)


async def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def say_for(link: WebRtcLink, seconds: float, frame: bytes = TONE) -> float:
    """Let the engine hear `frame`; gives for how many seconds this process was not served, the engine in it neither."""
    begun, last, stalled = time.monotonic(), time.monotonic(), 0.0
    for number in range(round(seconds * 50)):
        link.hear(frame)
        await asyncio.sleep(max(0.0, begun + (number + 1) * 0.020 - time.monotonic()))
        late = time.monotonic() - last - 0.020
        stalled += late if late > 0.010 else 0.0
        last = time.monotonic()
    return stalled


def frequency_and_level(samples: np.ndarray[Any, Any], rate: int) -> tuple[float, float]:
    """The strongest frequency in Hz, and the level in dB against the tone's own."""
    wave = samples.astype(float)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    level = 20 * np.log10(np.sqrt((wave**2).mean()) / (8_000 / np.sqrt(2)))
    return float(spectrum.argmax() * rate / len(wave)), float(level)
