"""A pipecat bot over WebRTC without services of others. Run by pipecat's own Python, not by ours.

    python webrtc_bot.py -t webrtc --port 7860

It repeats what it hears; a caller who is told `mode=speak` hears 700 Hz for twenty seconds instead. Key 5 interrupts it
and reports a label and what it was told, key 7 makes it hang up.
"""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import (
    EndFrame,
    OutputTransportMessageUrgentFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.runner.types import RunnerArguments, SmallWebRTCRunnerArguments
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from talk import Talk, tone

RATE = 24_000


async def bot(arguments: RunnerArguments) -> None:
    """Hold one call."""
    assert isinstance(arguments, SmallWebRTCRunnerArguments)
    told = {name: str(value) for name, value in (arguments.body or {}).items()}
    speaks = told.get("mode") == "speak"
    parameters = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = SmallWebRTCTransport(arguments.webrtc_connection, parameters)
    talk = Talk(echoes=not speaks)
    pipeline = Pipeline([transport.input(), talk, transport.output()])
    rates = PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=RATE)
    task = PipelineTask(pipeline, params=rates)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: object, _client: object) -> None:
        if speaks:
            await task.queue_frame(TTSAudioRawFrame(tone(20, RATE), RATE, 1))

    @transport.event_handler("on_app_message")
    async def on_app_message(_transport: object, message: dict[str, Any], _sender: object) -> None:
        if message.get("dtmf") == "5":
            if speaks:
                await talk.broadcast_interruption()
            words = {"type": "dialerd", "disposition": "interested", "captured": {"key": "5", **told}}
            await task.queue_frame(OutputTransportMessageUrgentFrame(message=words))
        elif message.get("dtmf") == "7":
            await task.queue_frame(EndFrame())

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
