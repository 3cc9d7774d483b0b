"""The bare baseline: an ARI script that only places calls. No gate, no journal, no outcome, no metrics.

It originates over the events WebSocket with the same cap of unanswered requests as the daemon, paced evenly at
`--rate`. With `--media` it does what the daemon's media worker does for an answered call, and no more: media
leg, bridge, one prompt; the callee hangs up. Prints one line of JSON: calls, seconds, calls a second, and CPU
milliseconds a call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from typing import Any

import aiohttp
import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

UNANSWERED = 16
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
        self.media_up: dict[str, asyncio.Event] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, float]:
        url = self.options.ari_url
        async with (
            aiohttp.ClientSession(headers=self.headers, connector=aiohttp.TCPConnector(limit=6)) as self.http,
            self.http.ws_connect(
                f"{url.replace('http', 'ws', 1)}/ari/events?app={self.app}", max_msg_size=0, compress=0
            ) as self.socket,
        ):
            filters = {"disallowed": [{"type": kind} for kind in QUIET]}
            await self.http.put(f"{url}/ari/applications/{self.app}/eventFilter", json=filters)
            reader = asyncio.create_task(self.read())
            started, cpu = time.perf_counter(), time.process_time()
            await self.place_all()
            async with asyncio.timeout(120):
                await self.done.wait()
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            reader.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
        calls = self.options.calls
        return {
            "calls": calls,
            "seconds": round(seconds, 3),
            "calls_per_second": round(calls / seconds, 1),
            "cpu_ms_per_call": round(1000 * cpu / calls, 3),
            "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }

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
                self.media_up.setdefault(channel, asyncio.Event()).set()
            else:
                self.spawn(self.answered(channel))
        elif kind == "ChannelDestroyed" and not event["channel"]["id"].endswith("-m"):
            if self.options.media:
                self.spawn(self.release(event["channel"]["id"]))
            self.over()

    def over(self) -> None:
        """A call has ended, or was refused."""
        self.channels.release()
        self.ended += 1
        if self.ended == self.options.calls:
            self.done.set()

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answered(self, channel: str) -> None:
        """What the daemon's media worker does for an answered call, and no more. The callee hangs up."""
        if not self.options.media:
            await self.request("DELETE", f"channels/{channel}", None, f"d{channel}")
            return
        leg, bridge = f"{channel}-m", f"{channel}-b"
        up = self.media_up.setdefault(leg, asyncio.Event())
        params = {
            "channelId": leg, "app": self.app, "external_host": "INCOMING", "transport": "websocket",
            "encapsulation": "none", "connection_type": "server", "format": "ulaw", "transport_data": "f(json)",
        }  # fmt: skip
        made = await self.post("channels/externalMedia", params)
        connection = made["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"]
        transport, _ = await ws_connect(
            _Ear,
            f"{self.options.ari_url.replace('http', 'ws', 1)}/media/{connection}",
            extra_headers={"Sec-WebSocket-Protocol": "media"},
        )
        await up.wait()
        await self.post(f"bridges/{bridge}", {"type": "mixing"})
        await self.post(f"bridges/{bridge}/addChannel", {"channel": [channel, leg]})
        transport.send(WSMsgType.BINARY, b"\x7f" * 8000)

    async def release(self, channel: str) -> None:
        """Remove what `answered` has made."""
        await self.http.delete(f"{self.options.ari_url}/ari/channels/{channel}-m")
        await self.http.delete(f"{self.options.ari_url}/ari/bridges/{channel}-b")

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(f"{self.options.ari_url}/ari/{path}", json=body) as reply:
            return await reply.json() if reply.status == 200 else {}


class _Ear(WSListener):  # type: ignore[misc]
    """Receives the callee's audio and forgets it."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        frame.get_payload_as_memoryview()


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--ari-url", "--ari-user", "--ari-password"):
        parser.add_argument(name, required=True)
    parser.add_argument("--endpoint", default="lab")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0, help="calls a second offered; 0: as many as go")
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--media", action="store_true")
    print(json.dumps(uvloop.run(Bare(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
