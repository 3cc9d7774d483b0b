"""The audio side of every callee: one UDP port that hears all calls' RTP, and may talk back into each of them.

A process of its own, so that its time is not counted as dialerd's. What it says is numbered frame by frame, so that an
echo tells which frames came back, when, and whether bit for bit. For codecs that keep no bits it says a tone a frame
instead, eight of them in turn. It lets the agent speak first and then
never stops; each call has its own instant within 20 ms, as telephones have, so that they do not all speak at once. It
knows no SIP: who answers the calls names this port in the session description.

    python -m benchmarks.rtp_callee --port PORT [--talk [--tones]] --keep FILE

It prints `ready`, works until its standard input ends, writes what it heard to FILE and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import pickle
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from dialerd.core.mulaw import encode_sample

FRAME = 160
"""Samples, and bytes, of 20 ms of mu-law at 8 kHz."""
FRAME_SECONDS = 0.02
PCMU = 0
HEADER = 12
MAGIC = b"\x10\x90\x11\x91"
"""How a numbered frame begins; four bytes with its number follow, then a tone of 1 kHz."""
TONE = bytes((0xFF, 0x95, 0x8E, 0x95, 0x7F, 0x15, 0x0E, 0x15)) * 20
"""1 kHz in mu-law (ITU-T G.711), one frame."""
HERTZ = tuple(range(600, 2_200, 200))
"""Of the tones that frames are told apart by, one after the other and again."""
MOST_CALLS = 1_000
UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for this process. Asked for; how much it gets is the kernel's limit (net.core.rmem_max)."""
SLOTS = 10
"""Instants within the time of a frame at which calls speak."""
MANNERS = 0.5
"""Seconds for which the callee listens first."""
_NIBBLES = 8
_CODES = bytes(0x20 + 4 * nibble for nibble in range(16))
"""Mu-law codes for the digits of a number: far from silence, each decodes to itself."""
_ONE_ZERO = bytes(0xFF if code == 0x7F else code for code in range(256))
"""Mu-law has two codes for 0; who passes on linear samples knows one."""


@dataclass
class Stream:
    """One call's RTP, as it came."""

    source: tuple[str, int]
    ssrc: int
    arrivals: list[float] = field(default_factory=list)
    """On the machine's monotonic clock, which its processes share."""
    sequence: list[int] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    said: list[float] = field(default_factory=list)
    """When each numbered frame left."""


def numbered(number: int) -> bytes:
    """A frame that carries its number."""
    digits = bytes(_CODES[number >> 4 * place & 0xF] for place in range(_NIBBLES))
    head = MAGIC + digits
    return head + TONE[len(head) :]


def number_of(frame: bytes) -> int | None:
    """The number of a frame; None: it has none, or is not what was said, bit for bit."""
    digits = frame[len(MAGIC) : len(MAGIC) + _NIBBLES]
    if not frame.startswith(MAGIC) or any(code not in _CODES for code in digits):
        return None
    number = sum(_CODES.index(code) << 4 * place for place, code in enumerate(digits))
    return number if frame.translate(_ONE_ZERO) == numbered(number).translate(_ONE_ZERO) else None


def hummed(hertz: int) -> bytes:
    """A frame that is a tone."""
    turns = (2 * math.pi * hertz * at / 8_000 for at in range(FRAME))
    return bytes(encode_sample(round(8_000 * math.sin(turn))) for turn in turns)


class RtpCallee(asyncio.DatagramProtocol):
    """Hears every stream that comes, and talks back into it if it is to: in numbers, or in tones."""

    def __init__(self, talks: bool, tones: bool) -> None:
        self.streams: dict[tuple[tuple[str, int], int], Stream] = {}
        self._slots: list[list[Stream]] = [[] for _ in range(SLOTS)]
        self._talks = talks
        self._tones = [hummed(hertz) for hertz in HERTZ] if tones else []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """RTP (RFC 3550) of mu-law; keys and comfort noise are passed over."""
        if len(data) <= HEADER or data[1] & 0x7F != PCMU:
            return
        key = (addr, int.from_bytes(data[8:12], "big"))
        stream = self.streams.get(key)
        if stream is None:
            if len(self.streams) == MOST_CALLS:
                return
            self._slots[len(self.streams) % SLOTS].append(stream := Stream(*key))
            self.streams[key] = stream
        stream.arrivals.append(time.monotonic())
        stream.sequence.append(int.from_bytes(data[2:4], "big"))
        stream.audio += data[HEADER:]

    async def talk(self) -> None:
        """Say a frame into each call, every 20 ms."""
        begun = time.monotonic()
        for tick in range(1 << 31):
            await asyncio.sleep(begun + tick * FRAME_SECONDS / SLOTS - time.monotonic())
            for stream in self._slots[tick % SLOTS]:
                if time.monotonic() - stream.arrivals[0] >= MANNERS:
                    self._say(stream)

    def _say(self, stream: Stream) -> None:
        number = len(stream.said)
        head = bytes((0x80, PCMU)) + (number & 0xFFFF).to_bytes(2, "big")
        head += (number * FRAME & 0xFFFFFFFF).to_bytes(4, "big") + stream.ssrc.to_bytes(4, "big")
        stream.said.append(time.monotonic())
        tones = self._tones
        audio = tones[number % len(tones)] if tones else numbered(number)
        self._transport.sendto(head + audio, stream.source)


async def _serve(port: int, talks: bool, tones: bool) -> list[Stream]:
    loop = asyncio.get_running_loop()
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # One socket stands for many phones: what the kernel drops while this process waits for a core would count as lost.
    phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
    phone.setblocking(False)
    phone.bind(("127.0.0.1", port))
    _, callee = await loop.create_datagram_endpoint(lambda: RtpCallee(talks, tones), sock=phone)
    talking = loop.create_task(callee.talk()) if talks else None
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    if talking is not None:
        talking.cancel()
    return list(callee.streams.values())


def main() -> None:
    """Parse the command line, serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--talk", action="store_true", help="talk back into every call")
    parser.add_argument("--tones", action="store_true", help="in tones, not in numbers")
    parser.add_argument("--keep", type=Path, required=True, help="where to write what was heard")
    options = parser.parse_args()
    # Nothing here is a cycle, and a look at it all would make every call late.
    gc.disable()
    heard = uvloop.run(_serve(options.port, options.talk, options.tones))
    options.keep.write_bytes(pickle.dumps([vars(stream) for stream in heard]))


if __name__ == "__main__":
    main()
