"""Asterisk's own opinion on callees of the lab's carrier: a recorded greeting, a person, and one who says nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from dialerd.core.identity import ChannelId, InstanceId
from dialerd.core.model import AnsweredBy
from dialerd.media.amd import judge
from dialerd.media.ari import AriLogin, MediaAri
from scripts.running import Lab, lab

pytestmark = pytest.mark.lab

_calls = itertools.count(int(time.time()))
DEADLINE = 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("amd")) as up:
        yield up


@asynccontextmanager
async def answered(running: Lab, number: str) -> AsyncIterator[tuple[MediaAri, ChannelId]]:
    """A call that the carrier's callee has answered, in our application."""
    about = running.facts["ari"]
    app, channel = "lab", ChannelId(f"lab-cal_{next(_calls):012x}-1")
    headers = {"Authorization": aiohttp.encode_basic_auth(about["user"], about["password"])}
    ari = MediaAri(AriLogin(about["url"], about["user"], about["password"]), InstanceId(app))
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"{about['url']}/ari/events?app={app}") as events,
    ):
        body = {"endpoint": f"PJSIP/{number}@lab", "app": app, "callerId": "+15550100100", "formats": "ulaw"}
        async with http.post(f"{about['url']}/ari/channels/{channel}", json=body) as reply:
            assert reply.ok, await reply.text()
        async with asyncio.timeout(DEADLINE):
            while (await events.receive_json())["type"] != "StasisStart":
                pass
        try:
            yield ari, channel
        finally:
            await ari.hang_up(channel)
            await ari.close()
            # No channel that listens in is left.
            async with asyncio.timeout(DEADLINE):
                while await listening(http, about["url"]):
                    await asyncio.sleep(0.02)


async def listening(http: aiohttp.ClientSession, url: str) -> list[str]:
    """The channels that listen in on others."""
    async with http.get(f"{url}/ari/channels") as reply:
        return [one["id"] for one in await reply.json() if one["id"].endswith("-a")]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("15550100075", {AnsweredBy.MACHINE}),
        # Its hello is 0.6 s long: one word, and then it listens.
        ("15550100001", {AnsweredBy.HUMAN}),
        ("15550100031", {None}),
    ],
)
async def test_asterisk_says_who_has_answered(
    running: Lab, tmp_path: Path, number: str, expected: set[AnsweredBy | None]
) -> None:
    async with answered(running, number) as (ari, channel):
        async with asyncio.timeout(DEADLINE):
            verdict = await judge(ari, channel)
        assert (None if verdict is None else verdict[0]) in expected, verdict
