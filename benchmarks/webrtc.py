"""What a call that an engine holds over WebRTC costs, and how late it is: by mu-law and by Opus.

Calls are linked with an engine in a process of its own, which repeats what it hears, and each hears 50 frames a second.
Counted is this process alone: what a media worker spends on the engine's side of a call, all its threads included. Late
is the first sound of a word on its way to the engine and back to where Asterisk would play it. A second engine says a
tone as soon as it has a call: how long after the offer is it heard?

    python -m benchmarks.webrtc [--json] [--calls 10] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import numpy as np
import uvloop

from benchmarks.figures import Figure, percentile, report
from benchmarks.sizes import WHOLE, sized
from dialerd.media.engine_settings import CODECS, Codec
from dialerd.media.playout import FRAME, SILENCE
from dialerd.media.samples import to_mu_law
from dialerd.media.webrtc import LinkSettings, LinkTiming, WebRtcLink
from dialerd.media.webrtc_signalling import Door, signalling
from tests.media.lo_address import usable_address
from tests.media.webrtc_engine import Engine

TONE = to_mu_law((8_000 * np.sin(2 * np.pi * 1_000 * np.arange(FRAME) / 8_000)).astype(np.int16))
PATIENT = LinkTiming(connect=30.0)
PTIME = 0.020
WORDS = 8
"""In which the delay is measured, half a second each, with silence between them."""
MS = 1_000


class Callee:
    """A call: what comes back from the engine, and when."""

    def __init__(self, http: aiohttp.ClientSession, url: str, codec: Codec) -> None:
        self.frames = 0
        self.first: float | None = None
        """When the first sound came since this was last cleared."""
        self.spoken_to = asyncio.Event()
        door = Door(url)
        settings = LinkSettings(codecs=(codec,), timing=PATIENT)
        self.link = WebRtcLink(signalling(http, door), {}, self, settings)

    def on_voice(self, audio: bytes) -> None:
        """See `LinkListener`."""
        self.frames += len(audio) // FRAME
        self.spoken_to.set()
        if self.first is None:
            self.first = time.monotonic()

    def on_message(self, message: Mapping[str, Any]) -> None:
        """See `LinkListener`."""

    def on_left(self) -> None:
        """See `LinkListener`."""
        raise SystemExit("the engine has hung up")

    def on_broken(self, detail: str) -> None:
        """See `LinkListener`."""
        raise SystemExit(detail)


async def hear(callees: Sequence[Callee], frame: bytes, seconds: float) -> None:
    """Let them all hear `frame`, over and over."""
    begun = time.monotonic()
    for number in range(round(seconds / PTIME)):
        for callee in callees:
            callee.link.hear(frame)
        await asyncio.sleep(max(0.0, begun + (number + 1) * PTIME - time.monotonic()))


@asynccontextmanager
async def linked(url: str, codec: Codec, calls: int) -> AsyncIterator[list[Callee]]:
    """So many calls that the engine holds."""
    async with aiohttp.ClientSession() as http:
        callees = [Callee(http, url, codec) for _ in range(calls)]
        try:
            for callee in callees:
                await callee.link.open()
            yield callees
        finally:
            await asyncio.gather(*(callee.link.close() for callee in callees))


async def cost(url: str, codec: Codec, calls: int, seconds: float) -> list[Figure]:
    """CPU of calls that talk all the time, and frames that they lost."""
    async with linked(url, codec, calls) as callees:
        await hear(callees, TONE, 1.0)
        dropped = sum(callee.link.voice.dropped + callee.link.callee.dropped for callee in callees)
        came = sum(callee.frames for callee in callees)
        spent, begun = time.process_time(), time.monotonic()
        await hear(callees, TONE, seconds)
        spent, took = time.process_time() - spent, time.monotonic() - begun
        dropped = sum(callee.link.voice.dropped + callee.link.callee.dropped for callee in callees) - dropped
        came = sum(callee.frames for callee in callees) - came
    each = MS * spent / took / calls
    expected = took / PTIME * calls
    return [
        Figure(f"{codec}: CPU a call", each, "ms/s", note=f"{calls} calls, {took:.1f} s"),
        Figure(f"{codec}: frames dropped", dropped, note=f"{came:,} came back of {expected:,.0f}"),
    ]


async def delay(url: str, codec: Codec) -> Figure:
    """From a word's first sound to where Asterisk would play it, by way of the engine."""
    times: list[float] = []
    async with linked(url, codec, 1) as callees:
        (callee,) = callees
        await hear(callees, SILENCE, 1.0)
        for _ in range(WORDS):
            callee.first = None
            begun = time.monotonic()
            await hear(callees, TONE, 0.5)
            await hear(callees, SILENCE, 0.7)
            if callee.first is not None:
                times.append(MS * (callee.first - begun))
    note = f"p95 {percentile(times, 95):.0f} ms, of {len(times)} words; the engine's own buffer is in it"
    return Figure(f"{codec}: there and back", percentile(times, 50), "ms", note=note)


async def opening(url: str, codec: Codec, calls: int) -> Figure:
    """From the moment that an engine is asked to take a call until its first sound is there to be played."""
    times: list[float] = []
    for _ in range(calls):
        begun = time.monotonic()
        async with linked(url, codec, 1) as (callee,):
            await callee.spoken_to.wait()
            times.append(MS * (time.monotonic() - begun))
    note = f"p95 {percentile(times, 95):.0f} ms, of {len(times)} calls, one at a time"
    return Figure(f"{codec}: asked → first sound", percentile(times, 50), "ms", note=note)


async def measure(echo: str, tone: str, calls: int, seconds: float) -> list[Figure]:
    """Everything, one codec after the other."""
    figures = []
    for codec in CODECS:
        figures += await cost(echo, codec, calls, seconds)
        figures.append(await delay(echo, codec))
        figures.append(await opening(tone, codec, 2 * calls))
    return figures


@contextmanager
def engine() -> Iterator[tuple[str, str]]:
    """An engine that repeats what it hears, and one that says a tone; gives where they take offers."""
    command = [sys.executable, "-m", "benchmarks.webrtc", "--engine"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        echo, tone = process.stdout.readline().split()
        yield echo, tone
    finally:
        process.stdin.close()
        process.wait(10.0)
        process.stdout.close()


async def serve() -> None:
    """Be the engine until the input ends."""
    async with Engine(wave=None).serving() as echo, Engine().serving() as tone:
        print(f"{echo.url}/api/offer {tone.url}/api/offer", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="benchmarks.webrtc", description="Calls held over WebRTC.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--calls", type=int, default=sized(10, 2))
    parser.add_argument("--seconds", type=float, default=max(2.0, 20 * WHOLE))
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        uvloop.run(serve())
        return 0
    with usable_address(), engine() as (echo, tone):
        figures = uvloop.run(measure(echo, tone, options.calls, options.seconds))
    report("WebRTC engines", figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
