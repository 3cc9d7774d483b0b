"""The callee's audio on its way to a WebRTC engine, as a track that aiortc's sender draws packets from.

Packets are encoded here, as mu-law (nothing to do) or as Opus of the telephone's bandwidth: an eighth of what encoding
48 kHz stereo costs. The stream never pauses and never runs ahead of the clock: what does not come in time is silence,
what comes late on top of that is dropped and counted. It never makes who brings the audio wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import Any, Protocol

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, CodecContext
from av.packet import Packet

from dialerd.media.engine_settings import Codec
from dialerd.media.formats import FRAMES_PER_SECOND, SLIN, ULAW, Format
from dialerd.media.playout import FRAME
from dialerd.media.transcoding import conversion

RATE = 8_000
"""Of the track's clock, whatever it carries."""
TIME_BASE = Fraction(1, RATE)
BIT_RATES = {8_000: 24_000, 16_000: 32_000}
"""Of Opus, by the samples a second."""
LONGEST_QUEUE = 10
"""Frames of 20 ms that wait for the sender."""
PATIENCE = 0.060
"""Seconds without audio of the callee after which silence goes out in its place."""
PTIME = 0.020
MOST_LEAD = 0.060
"""Seconds of audio more than time has passed: beyond it the engine would hear the callee late for ever after."""


class Encoder(Protocol):
    """Makes the payload of 20 ms."""

    def encode(self, frame: bytes) -> bytes:
        """The payload of one frame."""
        ...


class PcmuEncoder:
    """Of mu-law: the frame itself."""

    def encode(self, frame: bytes) -> bytes:
        """See `Encoder`."""
        return frame


class OpusEncoder:
    """Opus, mono, of the bandwidth that `form` has: its clock is 48 kHz on the wire all the same (RFC 7587)."""

    def __init__(self, form: Format = ULAW) -> None:
        self._rate = form.rate
        self._linear = conversion(form, SLIN if form == ULAW else form)
        self._codec = CodecContext.create("libopus", "w")
        self._codec.bit_rate = BIT_RATES[form.rate]
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = form.rate
        self._codec.time_base = Fraction(1, form.rate)
        self._codec.options = {"application": "voip", "frame_duration": "20", "compression_level": "5"}
        self._pts = 0

    def encode(self, frame: bytes) -> bytes:
        """See `Encoder`."""
        count = self._rate // FRAMES_PER_SECOND
        samples = AudioFrame(format="s16", layout="mono", samples=count)
        samples.sample_rate = self._rate
        samples.pts = self._pts
        samples.time_base = Fraction(1, self._rate)
        samples.planes[0].update(self._linear(frame))
        self._pts += count
        # One frame in, one packet out: both are 20 ms.
        return b"".join(bytes(packet) for packet in self._codec.encode(samples))


def encoder(codec: Codec, form: Format) -> Encoder:
    """An encoder for one call."""
    return OpusEncoder(form) if codec == "opus" else PcmuEncoder()


class CalleeTrack(MediaStreamTrack):
    """20 ms packets of the callee's audio; `codec` must be set before the sender draws the first.

    Frames are of the format `form`: mu-law, or samples, of which only Opus is made.
    """

    kind = "audio"

    def __init__(self, form: Format = ULAW) -> None:
        super().__init__()
        self._form = form
        self.dropped = 0
        """Frames that came too late, or faster than they could leave."""
        self.invented = 0
        """Frames of silence that went out in the place of audio which did not come."""
        self._queue: deque[bytes] = deque()
        self._due: asyncio.Future[bytes | None] | None = None
        self._encoder: Encoder | None = None
        self._inventing = False
        self._pts = 0
        self._begun = 0.0

    def encode_as(self, codec: Codec) -> None:
        """Use `codec`, which the engine agreed to."""
        self._encoder = encoder(codec, self._form)

    def put(self, frame: bytes) -> None:
        """20 ms of the callee's audio. Returns at once."""
        if self.readyState != "live":
            return
        if self._due is not None and not self._due.done():
            self._due.set_result(frame)
            return
        if len(self._queue) >= LONGEST_QUEUE:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(frame)

    async def recv(self) -> Packet[Any]:
        """See aiortc: the next packet, in its own time."""
        if self.readyState != "live" or self._encoder is None:
            raise MediaStreamError
        frame = await self._next()
        while self._lead() > MOST_LEAD:
            self.dropped += 1
            frame = await self._next()
        packet = Packet(self._encoder.encode(frame))
        packet.pts = self._pts
        packet.time_base = TIME_BASE
        self._pts += FRAME
        return packet

    def stop(self) -> None:
        """End the stream."""
        super().stop()
        self._queue.clear()

    async def _next(self) -> bytes:
        """The next frame that is there or comes; silence if none comes in time."""
        if self._queue:
            self._inventing = False
            return self._queue.popleft()
        loop = asyncio.get_running_loop()
        due: asyncio.Future[bytes | None] = loop.create_future()
        self._due = due
        # Once silence goes out, it keeps the pace of audio.
        limit = loop.call_later(PTIME if self._inventing else PATIENCE, _resolve, due)
        try:
            frame = await due
        finally:
            limit.cancel()
            self._due = None
        self._inventing = frame is None
        if frame is not None:
            return frame
        self.invented += 1
        return self._form.silence

    def _lead(self) -> float:
        """Seconds by which the audio that has left is ahead of the clock."""
        now = asyncio.get_running_loop().time()
        lead = self._begun + self._pts / RATE - now
        if self._pts == 0 or lead < -LONGEST_QUEUE * PTIME:
            # More than the queue holds cannot come late: it is lost, and no credit for a later burst.
            self._begun = now - self._pts / RATE
            return 0.0
        return lead


def _resolve(due: asyncio.Future[bytes | None]) -> None:
    if not due.done():
        due.set_result(None)
