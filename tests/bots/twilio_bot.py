"""A pipecat bot for Twilio without services of others. Run by pipecat's own Python, not by ours.

    python twilio_bot.py -t twilio -x bot.invalid --port 7860

It repeats what it hears; a caller who is told `mode=speak` hears 700 Hz for twenty seconds instead. Key 5 interrupts it
and reports a label, key 7 ends the call, as pipecat ends it: over Twilio's REST interface, at $TWILIO_API.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputDTMFFrame,
    OutputTransportMessageUrgentFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from talk import Talk, tone

RATE = 8_000


class KeyTalk(Talk):
    """Repeats, or speaks, until a key is pressed."""

    async def take(self, frame: Frame) -> None:
        """See `Talk`."""
        if not isinstance(frame, InputDTMFFrame):
            return
        if frame.button is KeypadEntry.SEVEN:
            return await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        if not self.echoes:
            await self.broadcast_interruption()
        words = {"event": "dialerd", "disposition": "interested", "captured": {"key": frame.button.value}}
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
    pipeline = Pipeline([transport.input(), KeyTalk(echoes=not speaks), transport.output()])
    rates = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    task = PipelineTask(pipeline, params=rates)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: object, _client: object) -> None:
        if speaks:
            await task.queue_frame(TTSAudioRawFrame(tone(20, RATE), RATE, 1))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
