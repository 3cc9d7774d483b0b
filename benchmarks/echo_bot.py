"""A bot that greets and then repeats what it hears, for as many calls as come, as an engine of any kind.

A process of its own, and as cheap as it can be made, so that what is measured is not the bot. Over WebRTC it is one on
aiortc, as many are, with its buffer.

    python -m benchmarks.echo_bot --kind twilio-stream [--port PORT]

It prints the port at which it takes calls, and works until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from benchmarks.rtp_callee import TONE
from dialerd.core.mulaw import decode_sample

GREETING = 1
"""Frames of tone, by which callees learn that somebody is there."""
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


class AsteriskBot(WSListener):
    """One call that Asterisk itself brings, by its chan_websocket."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Audio, or a word about the call."""
        match frame.msg_type:
            case WSMsgType.BINARY:
                transport.send(WSMsgType.BINARY, frame.get_payload_as_bytes())
            case WSMsgType.TEXT:
                if orjson.loads(frame.get_payload_as_bytes())["event"] == "MEDIA_START":
                    transport.send(WSMsgType.BINARY, TONE * GREETING)
            case WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()


@asynccontextmanager
async def _serving(kind: str, port: int) -> AsyncIterator[int]:
    """Calls are taken; gives the port."""
    if kind == "webrtc":
        # Imported only where it is needed: its libraries take their time.
        from benchmarks.webrtc_bot import WebRtcBot

        async with WebRtcBot().serving(port) as chosen:
            yield chosen
        return
    if kind == "audiosocket":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(AudioSocketBot, "127.0.0.1", port, backlog=512)
    else:
        bot = AsteriskBot if kind == "asterisk" else TwilioBot
        server = await ws_create_server(lambda _request: bot(), "127.0.0.1", port, backlog=512)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _serve(kind: str, port: int) -> None:
    async with _serving(kind, port) as chosen:
        # What is there by now stays: a look at it all would make every call late.
        gc.freeze()
        print(chosen, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Parse the command line, serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kind", choices=("twilio-stream", "audiosocket", "webrtc", "asterisk"), required=True
    )
    parser.add_argument("--port", type=int, default=0, help="where it takes calls; 0: any")
    options = parser.parse_args()
    uvloop.run(_serve(options.kind, options.port))


if __name__ == "__main__":
    main()
