"""A pipecat bot for Twilio without services of others. Run by pipecat's own Python, not by ours.

    python twilio_bot.py -t twilio -x bot.invalid --port 7860

It repeats what it hears; a caller who is told `mode=speak` hears 700 Hz for twenty seconds instead. Key 5 interrupts it
and reports a label, key 7 ends the call, as pipecat ends it: over Twilio's REST interface, at $TWILIO_API.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

RATE = 8_000


def tone(seconds: float, hertz: int = 700) -> bytes:
    """Sound, 16 bit."""
    samples = range(round(RATE * seconds))
    return b"".join(
        struct.pack("<h", round(8_000 * math.sin(2 * math.pi * hertz * at / RATE))) for at in samples
    )


class Talk(FrameProcessor):
    """Repeats, or speaks, until a key is pressed."""

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
        if isinstance(frame, InputDTMFFrame):
            await self._key(frame.button)
        await self.push_frame(frame, direction)

    async def _key(self, key: KeypadEntry) -> None:
        if key is KeypadEntry.SEVEN:
            return await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        if not self.echoes:
            await self.broadcast_interruption()
        words = {"event": "dialerd", "disposition": "interested", "captured": {"key": key.value}}
        await self.push_frame(OutputTransportMessageUrgentFrame(message=words))


async def bot(arguments: RunnerArguments) -> None:
    """Hold one call."""
    assert isinstance(arguments, WebSocketRunnerArguments)
    kind, call = await parse_telephony_websocket(arguments.websocket)
    assert kind == "twilio"
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        account_sid=os.environ["TWILIO_ACCOUNT_SID"],
        auth_token=Path(os.environ["TWILIO_KEY_FILE"]).read_text().strip(),
        base_url=os.environ["TWILIO_API"],
    )
    transport = FastAPIWebsocketTransport(
        websocket=arguments.websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    speaks = call.body.get("mode") == "speak"
    pipeline = Pipeline([transport.input(), Talk(echoes=not speaks), transport.output()])
    rates = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    task = PipelineTask(pipeline, params=rates)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: object, _client: object) -> None:
        if speaks:
            await task.queue_frame(TTSAudioRawFrame(tone(20), RATE, 1))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
