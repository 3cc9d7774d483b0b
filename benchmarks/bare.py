"""The bare baseline: an ARI script that only places calls. No gate, no journal, no outcome, no metrics.

It originates over the events WebSocket with the same cap of unanswered requests as the daemon, paced evenly at
`--rate`. With `--media` it does what the daemon's media worker does for an answered call, and no more: media
leg, bridge, one prompt; the callee hangs up. With `--hold` too it talks for so many seconds and forgets what it
hears, then hangs up: a bare sink of calls' audio. Prints one line of JSON: calls, seconds, calls a second, CPU
milliseconds a call, and of the answered calls how many ended before their bridge was made (`late`) and how many
never got one because Asterisk did not answer (`unbridged`). Every wait has a deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

UNANSWERED = 16
LEG_DEADLINE = 5.0
"""Seconds that a media leg, or a request about one, may take."""
MESSAGE_SECONDS = 5
"""Of audio at a time, where calls are held; Asterisk holds 20."""
CLEAN_UP = 10.0
"""Seconds after the last call's end in which the last legs and bridges may still be made and removed."""
QUIET = (
    "ChannelVarset", "ChannelDialplan", "ChannelCallerId", "ChannelConnectedLine", "ChannelHangupRequest",
    "ChannelEnteredBridge", "ChannelLeftBridge", "BridgeCreated", "BridgeDestroyed", "ChannelCreated",
)  # fmt: skip


class Bare:
    """One run of the bare script."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.app = f"bare{int(time.time() * 1000) % 10**9}"
        credentials = aiohttp.encode_basic_auth(options.ari_user, options.ari_password)
        self.headers = {"Authorization": credentials}
        self.unanswered = asyncio.Semaphore(UNANSWERED)
        self.channels = asyncio.Semaphore(options.channels)
        self.ended = 0
        self.done = asyncio.Event()
        self.legs: dict[str, Leg] = {}
        self.bridging: dict[str, asyncio.Task[None]] = {}
        self.answered_count = 0
        self.bridged_count = 0
        self.late_count = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, float]:
        url = self.options.ari_url
        timeout = aiohttp.ClientTimeout(total=LEG_DEADLINE)
        async with (
            self.listening(),
            aiohttp.ClientSession(
                headers=self.headers, connector=aiohttp.TCPConnector(limit=6), timeout=timeout
            ) as self.http,
            self.http.ws_connect(
                f"{url.replace('http', 'ws', 1)}/ari/events?app={self.app}", max_msg_size=0, compress=0
            ) as self.socket,
        ):
            filters = {"disallowed": [{"type": kind} for kind in QUIET]}
            await self.http.put(f"{url}/ari/applications/{self.app}/eventFilter", json=filters)
            started, cpu = time.perf_counter(), time.process_time()
            reader = asyncio.create_task(self.read())
            try:
                async with asyncio.timeout(self.options.deadline):
                    await self.place_all()
                    await self.done.wait()
                seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
                await self.clean_up()
            except TimeoutError:
                ended = f"{self.ended} of {self.options.calls} calls"
                raise SystemExit(f"only {ended} had ended after {self.options.deadline:g} s") from None
            finally:
                reader.cancel()
        calls = self.options.calls
        settled = self.bridged_count + self.late_count
        return {
            "calls": calls,
            "seconds": round(seconds, 3),
            "calls_per_second": round(calls / seconds, 1),
            "cpu_ms_per_call": round(1000 * cpu / calls, 3),
            "late": self.late_count,
            "unbridged": self.answered_count - settled if self.options.media else 0,
            "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Asterisk can bring media sockets while the block lasts."""
        if not self.options.media:
            yield
            return
        host, _, port = self.options.media.rpartition(":")

        def greet(_request: WSUpgradeRequest) -> WSListener:
            return self.ear()

        server = await ws_create_server(greet, host, int(port), backlog=1024)
        try:
            yield
        finally:
            server.close()

    async def clean_up(self) -> None:
        """Let the last bridges be made and removed; what then still waits would wait for ever."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CLEAN_UP)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def place_all(self) -> None:
        interval = 1 / self.options.rate if self.options.rate else 0.0
        due = time.perf_counter()
        for number in range(self.options.calls):
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            due += interval
            await self.channels.acquire()
            await self.unanswered.acquire()
            body = {
                "endpoint": f"PJSIP/1555{number:07d}@{self.options.endpoint}", "app": self.app, "appArgs": "dialed",
                "callerId": "+15550100100", "timeout": 30, "formats": "ulaw",
            }  # fmt: skip
            await self.request("POST", f"channels/{self.app}-{number}", body, f"o{number}")

    async def request(self, method: str, uri: str, body: dict[str, Any] | None, ident: str) -> None:
        message = {"type": "RESTRequest", "request_id": ident, "method": method, "uri": uri}
        if body is not None:
            message |= {"content_type": "application/json", "message_body": orjson.dumps(body).decode()}
        await self.socket.send_str(orjson.dumps(message).decode())

    async def read(self) -> None:
        async for frame in self.socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            self.take(orjson.loads(frame.data))

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "RESTResponse":
            if event["request_id"].startswith("o"):
                self.unanswered.release()
                if event["status_code"] >= 400:
                    self.over()
        elif kind == "StasisStart":
            channel = event["channel"]["id"]
            if channel.endswith("-m"):
                self.leg(channel).entered.set()
            else:
                self.answered_count += 1
                self.bridging[channel] = self.spawn(self.answered(channel))
        elif kind == "ChannelDestroyed" and not event["channel"]["id"].endswith("-m"):
            if self.options.media:
                self.spawn(self.release(event["channel"]["id"]))
            self.over()

    def ear(self) -> WSListener:
        """What takes a media socket that Asterisk brings."""
        return Ear(self)

    def leg(self, channel: str) -> Leg:
        """What is known of the media leg `channel`."""
        return self.legs.setdefault(channel, Leg())

    def over(self) -> None:
        """A call has ended, or was refused."""
        self.channels.release()
        self.ended += 1
        if self.ended == self.options.calls:
            self.done.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def answered(self, channel: str) -> None:
        """What the daemon's media worker does for an answered call, and no more. The callee hangs up."""
        if not self.options.media:
            await self.request("DELETE", f"channels/{channel}", None, f"d{channel}")
            return
        name, bridge = f"{channel}-m", f"{channel}-b"
        params = {
            "channelId": name, "app": self.app, "external_host": self.options.media_client, "format": "ulaw",
            "transport": "websocket", "encapsulation": "none", "connection_type": "client",
            "transport_data": "f(json)",
        }  # fmt: skip
        leg = self.leg(name)
        async with asyncio.timeout(LEG_DEADLINE):
            await asyncio.gather(
                self.post("channels/externalMedia", params),
                self.post(f"bridges/{bridge}", {"type": "mixing"}),
                leg.entered.wait(),
            )
        if leg.socket is None or not await self.post(
            f"bridges/{bridge}/addChannel", {"channel": [channel, name]}
        ):
            self.late_count += 1
            return
        self.bridged_count += 1
        if not self.options.hold:
            leg.socket.send(WSMsgType.BINARY, b"\x7f" * 8000)
            return
        await self.hold(leg)
        await self.request("DELETE", f"channels/{channel}", None, f"d{channel}")

    async def hold(self, leg: Leg) -> None:
        """Talk with a callee for as long as is wanted."""
        ends = time.perf_counter() + self.options.hold
        while time.perf_counter() < ends and leg.socket is not None:
            leg.socket.send(WSMsgType.BINARY, b"\x7f" * (8_000 * MESSAGE_SECONDS))
            await asyncio.sleep(MESSAGE_SECONDS)

    async def release(self, channel: str) -> None:
        """Remove what `answered` has made, once it has. Asterisk ends a leg with its socket."""
        bridging = self.bridging.pop(channel, None)
        if bridging is None:
            return
        await asyncio.wait({bridging})
        leg = self.legs.pop(f"{channel}-m", None)
        if leg is not None and leg.socket is not None:
            leg.socket.disconnect()
        await self.http.delete(f"{self.options.ari_url}/ari/bridges/{channel}-b")

    async def post(self, path: str, body: dict[str, Any]) -> bool:
        """Whether Asterisk did it; it does not for a call that has ended. Raises if it does not answer."""
        async with self.http.post(f"{self.options.ari_url}/ari/{path}", json=body) as reply:
            return reply.ok


@dataclass
class Leg:
    """A media leg: its socket, and whether it has entered our application."""

    socket: WSTransport | None = None
    bot: WSTransport | None = None
    """Who talks with its callee, where somebody else does."""
    entered: asyncio.Event = field(default_factory=asyncio.Event)


class Ear(WSListener):
    """Learns from Asterisk's first words whose socket this is; receives the callee's audio and forgets it."""

    def __init__(self, bare: Bare) -> None:
        self.bare = bare

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.BINARY:
            frame.get_payload_as_memoryview()
        elif frame.msg_type is WSMsgType.TEXT:
            event = orjson.loads(frame.get_payload_as_bytes())
            if event["event"] == "MEDIA_START":
                self.bare.leg(event["channel_id"]).socket = transport
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()


def arguments() -> argparse.ArgumentParser:
    """What the command line may say."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--ari-url", "--ari-user", "--ari-password"):
        parser.add_argument(name, required=True)
    parser.add_argument("--endpoint", default="lab")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0, help="calls a second offered; 0: as many as go")
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--deadline", type=float, default=120, help="seconds that all calls may take")
    parser.add_argument(
        "--media", metavar="HOST:PORT", help="bridge each call; Asterisk connects to this address"
    )
    parser.add_argument("--hold", type=float, default=0, help="seconds of talk with each callee")
    parser.add_argument("--media-client", default="bare-media", help="the websocket_client that does so")
    return parser


def main() -> None:
    """Parse the command line, run, print."""
    print(json.dumps(uvloop.run(Bare(arguments().parse_args()).run())))


if __name__ == "__main__":
    main()
