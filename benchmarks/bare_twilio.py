"""The bare relay: `benchmarks.bare` that holds its calls by a bot over Twilio Media Streams, and does nothing else.

What it hears of a callee it passes on as JSON with base64, and what comes back it plays, frame by frame: no cushion
against jitter, no marks, no watch over the audio, no deadlines. So it tells what the protocol costs, which a sink of
audio does not have to speak.

    python -m benchmarks.bare_twilio --ari-url URL … --media HOST:PORT --hold 60 --bot ws://127.0.0.1:PORT/
"""

from __future__ import annotations

import asyncio
import binascii
import json

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.bare import Bare, Ear, Leg, arguments


class Relay(Bare):
    """One run of it."""

    relayed = 0
    """Frames that came back from the bot."""

    async def run(self) -> dict[str, float]:
        """See `Bare`."""
        return {**await super().run(), "relayed": self.relayed}

    def ear(self) -> WSListener:
        """See `Bare`."""
        return _Mouth(self)

    async def hold(self, leg: Leg) -> None:
        """See `Bare`."""
        transport, _ = await ws_connect(lambda: _BotSide(self, leg), self.options.bot)
        transport.send(WSMsgType.TEXT, b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {"streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"]}
        transport.send(WSMsgType.TEXT, orjson.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
        leg.bot = transport
        await asyncio.sleep(self.options.hold)
        leg.bot = None
        transport.disconnect()


class _Mouth(Ear):
    """Passes the callee's audio on to the bot."""

    leg: Leg | None = None
    said = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.BINARY:
            super().on_ws_frame(transport, frame)
            self.leg = self.leg or next(
                (leg for leg in self.bare.legs.values() if leg.socket is transport), None
            )
        elif self.leg is not None and self.leg.bot is not None:
            self.said += 1
            payload = binascii.b2a_base64(frame.get_payload_as_bytes(), newline=False)
            self.leg.bot.send(
                WSMsgType.TEXT,
                b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
                b'"timestamp":"%d","payload":"%b"},"streamSid":"MZ1"}'
                % (self.said, self.said, 20 * self.said, payload),
            )


class _BotSide(WSListener):
    """Plays what the bot says."""

    def __init__(self, relay: Relay, leg: Leg) -> None:
        self.relay = relay
        self.leg = leg

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT and self.leg.socket is not None:
            message = orjson.loads(frame.get_payload_as_bytes())
            if message["event"] == "media":
                self.relay.relayed += 1
                self.leg.socket.send(WSMsgType.BINARY, binascii.a2b_base64(message["media"]["payload"]))


def main() -> None:
    """Parse the command line, run, print."""
    parser = arguments()
    parser.description = __doc__
    parser.add_argument("--bot", required=True, help="where the bot takes calls")
    print(json.dumps(uvloop.run(Relay(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
