"""Record what the lab's Asterisk says on the events socket, one file a scenario, into `ari/`.

    python -m tests.transcripts.record_ari LAB_DIR

All events are recorded, also those that the daemon filters out. Ids, times of day and secrets are replaced.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from picows import WSListener, ws_create_server

INSTANCE = "lab"
CHANNEL = f"{INSTANCE}-cal_0000000000a1-1"
MEDIA_LEG = f"{CHANNEL}-m"

_FOLDER = Path(__file__).parent / "ari"
_LAB = Path(__file__).parents[2] / "asterisk" / "lab" / "lab"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:(\d\d:\d\d\.\d{3}[+-]\d{4})")


@dataclass(frozen=True)
class Session:
    """An open events socket, and everything that has come from it."""

    url: str
    http: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    heard: list[dict[str, Any]]
    media: tuple[str, str]
    """Host and port where Asterisk brings media sockets."""

    async def originate(self, number: str, ring: int = 10, endpoint: str = "lab") -> None:
        """Dial as the daemon does."""
        body = {
            "endpoint": f"PJSIP/{number}@{endpoint}",
            "app": INSTANCE,
            "appArgs": "dialed",
            "callerId": "+15550100100",
            "timeout": ring,
            "formats": "ulaw",
            "variables": {"TIMEOUT(absolute)": "60"},
        }
        await self.socket.send_json(
            {
                "type": "RESTRequest",
                "transaction_id": "",
                "request_id": "1",
                "method": "POST",
                "uri": f"channels/{CHANNEL}",
                "content_type": "application/json",
                "message_body": json.dumps(body),
            }
        )

    async def hang_up(self) -> None:
        """End the call."""
        async with self.http.delete(f"{self.url}/ari/channels/{CHANNEL}?reason_code=16"):
            pass

    async def wait(self, kind: str, **fields: object) -> None:
        """Read until such an event has come."""
        while True:
            message = await self.socket.receive_json(timeout=20)
            self.heard.append(message)
            if message["type"] == kind and all(message.get(name) == value for name, value in fields.items()):
                return


Scenario = Callable[[Session], Awaitable[None]]


def ends_by_itself(number: str, ring: int = 10) -> Scenario:
    """Dial and wait for the end."""

    async def play(session: Session) -> None:
        await session.originate(number, ring)
        await session.wait("ChannelDestroyed")

    return play


async def answered(session: Session) -> None:
    """Answered; we hang up."""
    await session.originate("15550100130")
    await session.wait("StasisStart")
    await session.hang_up()
    await session.wait("ChannelDestroyed")


async def cancelled(session: Session) -> None:
    """We give up while it rings."""
    await session.originate("15550100155")
    await session.wait("Dial", dialstatus="RINGING")
    await session.hang_up()
    await session.wait("ChannelDestroyed")


async def no_such_endpoint(session: Session) -> None:
    """Asterisk cannot make the channel."""
    await session.originate("15550100130", endpoint="no-such")
    await session.wait("RESTResponse")


async def media_leg(session: Session) -> None:
    """An answered call gets a media leg, which enters the application under its own id."""
    await session.originate("15550100130")
    await session.wait("StasisStart")
    query = {
        "app": INSTANCE,
        "external_host": f"{INSTANCE}-media",
        "transport": "websocket",
        "encapsulation": "none",
        "connection_type": "client",
        "format": "ulaw",
        "channelId": MEDIA_LEG,
    }
    server = await ws_create_server(lambda _request: WSListener(), *session.media)
    async with session.http.post(f"{session.url}/ari/channels/externalMedia", params=query):
        await session.wait("StasisStart")
    await session.hang_up()
    await session.wait("ChannelDestroyed")
    server.close()


async def replaced(session: Session) -> None:
    """Another client connects under the same name."""
    query = {"app": INSTANCE, "subscribeAll": "false"}
    async with session.http.ws_connect(f"{session.url}/ari/events", params=query):
        await session.wait("ApplicationReplaced")


SCENARIOS: dict[str, Scenario] = {
    "answered": answered,
    "busy_486": ends_by_itself("15550100150"),
    "unknown_404": ends_by_itself("15550100165"),
    "declined_603": ends_by_itself("15550100160"),
    "congested_503": ends_by_itself("15550100170"),
    "ring_timeout": ends_by_itself("15550100155", ring=1),
    "cancelled": cancelled,
    "callee_hangs_up": ends_by_itself("15550100140"),
    "early_media": ends_by_itself("15550100180", ring=1),
    "no_such_endpoint": no_such_endpoint,
    "media_leg": media_leg,
    "replaced": replaced,
}


def scrub(line: str) -> str:
    """Without what tells of this installation; the channel's own id is fixed anyway."""
    line = _UUID.sub("00000000-0000-4000-8000-000000000000", line)
    return _TIME.sub(
        r"2026-01-01T12:\1", re.sub(r'"asterisk_id": "[^"]*"', '"asterisk_id": "02:00:00:00:00:01"', line)
    )


async def record(name: str, play: Scenario, url: str, auth: dict[str, str], media: tuple[str, str]) -> None:
    """One scenario on a socket of its own."""
    async with (
        aiohttp.ClientSession(headers=auth) as http,
        http.ws_connect(f"{url}/ari/events", params={"app": INSTANCE, "subscribeAll": "false"}) as socket,
    ):
        session = Session(url, http, socket, [], media)
        await play(session)
        lines = [json.dumps(message) for message in session.heard]
    (_FOLDER / f"{name}.jsonl").write_text("".join(f"{scrub(line)}\n" for line in lines))


async def main(env: dict[str, str]) -> None:
    """Record all scenarios, one after the other."""
    login = f"{env['DIALERD_ASTERISK__ARI_USER']}:{env['DIALERD_ASTERISK__ARI_PASSWORD']}"
    auth = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    host, _, port = env["DIALERD_MEDIA__LISTEN"].rpartition(":")
    _FOLDER.mkdir(exist_ok=True)
    for name, play in SCENARIOS.items():
        await record(name, play, env["DIALERD_ASTERISK__ARI_URL"], auth, (host, port))
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    told = subprocess.run(
        [str(_LAB), "status", "--dir", sys.argv[1], "--json"], check=True, capture_output=True, text=True
    )
    asyncio.run(main(json.loads(told.stdout)["env"]))
