"""A bot that greets and then repeats what it hears, for as many calls as come: Twilio Media Streams, or AudioSocket.

A process of its own, and as cheap as it can be made, so that what is measured is not the bot.

    python -m benchmarks.echo_bot --kind twilio-stream --port PORT

It prints `ready` and works until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
from typing import cast

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.rtp_callee import TONE
from dialerd.core.mulaw import decode_sample

GREETING = 1
"""Frames of tone, by which callees learn that somebody is there. More would stand before every echo."""
SLIN = b"".join((decode_sample(code) & 0xFFFF).to_bytes(2, "little") for code in TONE)
FRAME_KIND, WIDE_KIND, UUID_KIND = 0x10, 0x12, 0x01


class TwilioBot(WSListener):
    """One call over Twilio Media Streams."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message of the call."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        if frame.msg_type is not WSMsgType.TEXT:
            return
        said = orjson.loads(frame.get_payload_as_bytes())
        if said["event"] == "start":
            self._sid = said["streamSid"]
            self._say(transport, base64.b64encode(TONE * GREETING).decode())
        elif said["event"] == "media":
            self._say(transport, said["media"]["payload"])

    def _say(self, transport: WSTransport, payload: str) -> None:
        words = {"event": "media", "streamSid": self._sid, "media": {"payload": payload}}
        transport.send(WSMsgType.TEXT, orjson.dumps(words))


class AudioSocketBot(asyncio.Protocol):
    """One call over AudioSocket."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A call has come."""
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Kind, length in two bytes, content."""
        self._buffer += data
        while len(self._buffer) >= 3:
            size = 3 + int.from_bytes(self._buffer[1:3], "big")
            if len(self._buffer) < size:
                return
            message = bytes(self._buffer[:size])
            del self._buffer[:size]
            if message[0] in (FRAME_KIND, WIDE_KIND):
                self._transport.write(message)
            elif message[0] == UUID_KIND:
                for _ in range(GREETING):
                    self._transport.write(bytes((FRAME_KIND,)) + len(SLIN).to_bytes(2, "big") + SLIN)


def _greet(_request: WSUpgradeRequest) -> WSListener:
    return TwilioBot()


async def _serve(kind: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    if kind == "audiosocket":
        server = await loop.create_server(AudioSocketBot, "127.0.0.1", port, backlog=512)
    else:
        server = await ws_create_server(_greet, "127.0.0.1", port, backlog=512)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Parse the command line, serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=("twilio-stream", "audiosocket"), required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvloop.run(_serve(options.kind, options.port))


if __name__ == "__main__":
    main()
