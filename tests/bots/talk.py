"""What the pipecat bots have in common: the sound they make, and a processor that repeats what it hears.

Run by pipecat's own Python, in the folder of the bots.
"""

from __future__ import annotations

import math
import struct

from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


def tone(seconds: float, rate: int, hertz: int = 700) -> bytes:
    """Sound, 16 bit."""
    samples = range(round(rate * seconds))
    return b"".join(
        struct.pack("<h", round(8_000 * math.sin(2 * math.pi * hertz * at / rate))) for at in samples
    )


class Talk(FrameProcessor):
    """Repeats, or says nothing of its own."""

    def __init__(self, *, echoes: bool) -> None:
        super().__init__()
        self.echoes = echoes

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """See pipecat."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if self.echoes:
                await self.push_frame(OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels))
            return
        await self.take(frame)
        await self.push_frame(frame, direction)

    async def take(self, frame: Frame) -> None:
        """A frame other than audio is about to be passed on."""
