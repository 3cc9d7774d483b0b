"""A pipecat bot without services of others: it repeats what it hears. Run by pipecat's own Python, not by ours.

    python echo_bot.py -t webrtc --port 7860

Key 5 makes it report a label and the facts it was told, and hang up two seconds later if it was told `leave`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments, SmallWebRTCRunnerArguments
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport


class Echo(FrameProcessor):
    """Audio in is audio out."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """See pipecat."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)


async def bot(arguments: RunnerArguments) -> None:
    """Hold one call."""
    assert isinstance(arguments, SmallWebRTCRunnerArguments)
    told = {name: str(value) for name, value in (arguments.body or {}).items()}
    parameters = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = SmallWebRTCTransport(arguments.webrtc_connection, parameters)
    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    rates = PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=24_000)
    task = PipelineTask(pipeline, params=rates)

    @transport.event_handler("on_app_message")
    async def on_app_message(_transport: object, message: dict[str, Any], _sender: object) -> None:
        if message.get("dtmf") != "5":
            return
        words = {"type": "dialerd", "disposition": "interested", "captured": {"digit": "5", **told}}
        await task.queue_frame(OutputTransportMessageUrgentFrame(message=words))
        if "leave" in told:
            await asyncio.sleep(2)
            await task.queue_frame(EndFrame())

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
