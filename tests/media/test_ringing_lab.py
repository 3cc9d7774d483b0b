"""On the real Asterisk: media is ready before the answer, and ringing in vain leaves nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dialerd.core.identity import call_of
from dialerd.core.messages import AgentHeard, MediaFailed, TryAnswered
from scripts.running import Lab, lab
from tests.adapters.waiting import until
from tests.media.test_media_lab import Dialer, carrier_saw, dialing

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


async def bridges(dialer: Dialer) -> dict[str, list[str]]:
    """What is in each bridge."""
    async with (
        aiohttp.ClientSession(headers=dialer.ari.headers) as http,
        http.get(f"{dialer.ari.root}bridges") as reply,
    ):
        found: list[dict[str, Any]] = await reply.json()
    return {entry["id"]: entry["channels"] for entry in found}


async def channel_names(dialer: Dialer) -> list[str]:
    """What Asterisk calls each channel."""
    async with (
        aiohttp.ClientSession(headers=dialer.ari.headers) as http,
        http.get(f"{dialer.ari.root}channels") as reply,
    ):
        return [str(entry["name"]) for entry in await reply.json()]


def has_ended(running_lab: Lab, number: str) -> bool:
    """Whether the carrier has noted the call to `number`."""
    path = running_lab.facts["cdr"]["carrier"]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
        return bool(database.execute("SELECT 1 FROM cdr WHERE dst = ?", (number,)).fetchall())


async def prepared(dialer: Dialer, *channels: str) -> None:
    """Return once each has its leg in its bridge, alone."""
    wanted = {f"{channel}-b": [f"{channel}-m"] for channel in channels}
    async with asyncio.timeout(10):
        while await bridges(dialer) != wanted:
            await asyncio.sleep(0.02)


async def test_what_rings_is_prepared_and_what_rings_in_vain_leaves_nothing(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with dialing(running_lab, tmp_path) as dialer:
        assert dialer.telephony is not None
        late, vain = dialer.call("15550100185"), dialer.call("15550100155")
        await prepared(dialer, dialer.channel(late), dialer.channel(vain))
        assert dialer.heard.of(TryAnswered) == []
        legs = [name for name in await channel_names(dialer) if name.startswith("WebSocket/")]
        assert len(legs) == 2
        assert all(name.startswith("WebSocket/lab-media/") for name in legs), "a worker sweeps its own by it"
        dialer.telephony.hang_up(dialer.channel(vain))
        await dialer.ended(vain)
        await prepared(dialer, dialer.channel(late))
        await dialer.heard.wait(AgentHeard, seconds=10)
        await dialer.ended(late)
        assert dialer.label(late) == "not_interested"
        assert dialer.heard.of(MediaFailed) == []
        await dialer.nothing_is_left()
        await until(lambda: has_ended(running_lab, "15550100185"))
        assert carrier_saw(running_lab, "15550100185")["heard"] == "yes"


async def test_early_media_is_ringing_too(running_lab: Lab, tmp_path: Path) -> None:
    async with dialing(running_lab, tmp_path) as dialer:
        call = dialer.call("15550100180")
        await prepared(dialer, dialer.channel(call))
        assert dialer.heard.of(AgentHeard) == []
        await until(lambda: [call_of(each.channel) for each in dialer.heard.of(TryAnswered)] == [call], 10)
        await dialer.ended(call)
        assert dialer.label(call) == "interested"
        await dialer.nothing_is_left()
