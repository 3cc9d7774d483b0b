"""The other way to a call's audio, bare: Asterisk's AudioSocket application on the call itself, without a bridge.

It answers the question what a media leg through chan_websocket and a bridge costs beside it. Linear 16-bit audio both
ways over TCP, paced here, silence included: an AudioSocket without audio for two seconds ends its call.
Prints one line of JSON: calls that were held, frames heard.

    python -m benchmarks.bare_audiosocket --ari-url URL --ari-user USER --ari-password WORD --calls 100 --hold 60
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from typing import cast

import aiohttp
import uvloop

FRAME = 320
"""Bytes of 20 ms, linear at 8 kHz."""
AUDIO = b"\x10" + FRAME.to_bytes(2, "big") + bytes(FRAME)
KIND_AUDIO = 0x10
BYE = b"\x00\x00\x00"
UNANSWERED = 16


class Socket(asyncio.Protocol):
    """One call's audio: hears it and forgets it."""

    def __init__(self, sockets: set[Socket]) -> None:
        self.heard = 0
        self._sockets = sockets
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asterisk has brought a call."""
        self.transport = cast(asyncio.Transport, transport)
        self._sockets.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The call is over."""
        self._sockets.discard(self)

    def data_received(self, data: bytes) -> None:
        """Kind, length in two bytes, content."""
        self._buffer += data
        while len(self._buffer) >= 3:
            size = 3 + int.from_bytes(self._buffer[1:3], "big")
            if len(self._buffer) < size:
                return
            self.heard += self._buffer[0] == KIND_AUDIO
            del self._buffer[:size]


async def run(options: argparse.Namespace) -> dict[str, int]:
    """Place the calls, hold them, end them."""
    loop = asyncio.get_running_loop()
    sockets: set[Socket] = set()
    all_sockets: list[Socket] = []

    def made() -> Socket:
        all_sockets.append(socket := Socket(sockets))
        return socket

    server = await loop.create_server(made, "127.0.0.1", 0, backlog=512)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    headers = {"Authorization": aiohttp.encode_basic_auth(options.ari_user, options.ari_password)}
    limit = asyncio.Semaphore(UNANSWERED)
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as http:

        async def place(number: int) -> None:
            body = {
                "endpoint": f"PJSIP/1555{number:07d}@{options.endpoint}", "context": "lab-audiosocket",
                "extension": "s", "priority": 1, "callerId": "+15550100100", "timeout": 30, "formats": "ulaw",
                "variables": {"LAB_UUID": str(uuid.uuid4()), "LAB_ADDRESS": address},
            }  # fmt: skip
            async with limit, http.post(f"{options.ari_url}/ari/channels", json=body) as reply:
                reply.raise_for_status()

        talking = loop.create_task(talk(sockets))
        placing = []
        for number in range(options.calls):
            placing.append(loop.create_task(place(number)))
            await asyncio.sleep(1 / options.rate)
        await asyncio.gather(*placing)
        await asyncio.sleep(options.hold)
    talking.cancel()
    held = len(sockets)
    for socket in list(sockets):
        socket.transport.write(BYE)
    await asyncio.sleep(1.0)
    server.close()
    return {"held": held, "heard": sum(one.heard for one in all_sockets)}


async def talk(sockets: set[Socket]) -> None:
    """A frame into every call, each 20 ms."""
    begun = time.perf_counter()
    for tick in range(1 << 31):
        await asyncio.sleep(begun + tick * 0.02 - time.perf_counter())
        for socket in sockets:
            socket.transport.write(AUDIO)


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--ari-url", "--ari-user", "--ari-password"):
        parser.add_argument(name, required=True)
    parser.add_argument("--endpoint", default="lab")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20, help="calls a second at which they begin")
    parser.add_argument("--hold", type=float, default=60, help="seconds of talk once all have begun")
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
