"""Server-sent events: what is told, to whom, and how a listener comes back to where it was."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from dialerd.core.effects import Announce
from dialerd.engine.feed import BEHIND, KEPT, Feed, Listener
from tests.control.installation import Clock, Installation
from tests.control.test_engine_rules import body


async def told(listener: Listener, count: int) -> list[str]:
    found = [await listener.next(1.0) for _ in range(count)]
    return [happening.kind for happening in found if happening is not None]


def parsed(text: str) -> list[dict[str, Any]]:
    """The events of a stream; comments left out."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append({"id": lines.get("id"), "event": lines["event"], **orjson.loads(lines["data"])})
    return found


async def stream(
    api: httpx.AsyncClient, daemon: Installation, path: str, **headers: str
) -> list[dict[str, Any]]:
    """All that a stream tells until the daemon closes it."""
    asked = asyncio.create_task(api.get(path, headers=headers))
    async with asyncio.timeout(20):
        while not daemon.service.feed.listeners and not asked.done():
            await asyncio.sleep(0.01)
    daemon.service.feed.close()
    answer = await asked
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parsed(answer.text)


@pytest.fixture
async def campaign(api: httpx.AsyncClient, daemon: Installation) -> str:
    await daemon.add_script()
    return str((await api.post("/v1/campaigns", json=body())).json()["campaign_id"])


async def test_what_happens_is_told_with_ids_in_order_and_in_the_words_of_the_api(
    api: httpx.AsyncClient, daemon: Installation, campaign: str
) -> None:
    await api.post(f"/v1/campaigns/{campaign}/start", json={"now": True})
    feed = daemon.service.feed
    with feed.listen(after=None) as listener:
        await api.post("/v1/dnc", json={"phone": "+15550100199", "reason": "asked"})
        (kind,) = await told(listener, 1)
    assert kind == "dnc.added"
    first = feed._kept[0].id
    assert first is not None
    events = await stream(api, daemon, "/v1/events", **{"Last-Event-ID": first})
    assert [event["event"] for event in events] == ["campaign.started", "dnc.added"]
    assert events[0]["type"] == "campaign.started"
    assert events[0]["data"]["campaign_id"] == campaign
    assert events[1]["data"]["phone"] == "+15550100199"
    assert events[0]["timestamp"].endswith("Z")
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)


async def test_a_campaign_s_stream_tells_of_that_campaign_alone(
    api: httpx.AsyncClient, daemon: Installation, campaign: str
) -> None:
    other = (await api.post("/v1/campaigns", json=body())).json()["campaign_id"]
    start = daemon.service.feed._kept[0].id
    assert start is not None
    events = await stream(api, daemon, f"/v1/campaigns/{other}/events", **{"Last-Event-ID": start})
    assert [event["data"]["campaign_id"] for event in events] == [other]
    assert (await api.get("/v1/campaigns/cmp_000000000099/events")).status_code == 404


async def test_an_event_that_is_not_known_any_more_is_a_gap(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    for unknown in ("1-1", "nonsense", "-", "é"):
        feed = daemon.service.feed
        with feed.listen(after=unknown) as listener:
            assert await told(listener, 1) == ["feed.gap"]
    events = await stream(api, daemon, "/v1/events", **{"Last-Event-ID": "other-5"})
    assert [(event["event"], event["id"]) for event in events] == [("feed.gap", None)]


async def test_a_listener_that_comes_back_misses_nothing_that_is_kept() -> None:
    feed = Feed(Clock())
    feed.hear(Announce("before", {}))
    seen: list[str] = []
    last = None
    for round_ in range(5):
        with feed.listen(after=last) as listener:
            for number in range(3):
                feed.hear(Announce(f"e{round_}.{number}", {}))
            for _ in range(3 if round_ == 0 else 4):
                happening = await listener.next(1.0)
                assert happening is not None
                seen.append(happening.kind)
                last = happening.id
        feed.hear(Announce(f"away{round_}", {}))
    wanted = [kind for n in range(5) for kind in (f"e{n}.0", f"e{n}.1", f"e{n}.2", f"away{n}")]
    assert seen == wanted[:-1]


async def test_memory_is_bounded_and_a_slow_listener_is_let_go() -> None:
    feed = Feed(Clock())
    with feed.listen() as listener:
        for number in range(BEHIND + 10):
            feed.hear(Announce("tick", {"n": number}))
        for number in range(BEHIND):
            happening = await listener.next(1.0)
            assert happening is not None
            assert happening.data == {"n": number}
        with pytest.raises(StopAsyncIteration):
            await listener.next(1.0)
    for number in range(KEPT):
        feed.hear(Announce("tock", {"n": number}))
    assert len(feed._kept) == KEPT
    assert feed.listeners == 0


async def test_a_changed_campaign_s_figures_are_told_within_a_second_or_so(
    api: httpx.AsyncClient, daemon: Installation, campaign: str
) -> None:
    asked = asyncio.create_task(api.get(f"/v1/campaigns/{campaign}/events"))
    async with asyncio.timeout(20):
        while not daemon.service.feed.listeners:
            await asyncio.sleep(0.01)
        await api.post(f"/v1/campaigns/{campaign}/start", json={"now": True})
        await asyncio.sleep(1.3)
        daemon.service.feed.close()
        events = parsed((await asked).text)
    assert [event["event"] for event in events] == ["campaign.started", "campaign.progress"]
    figures = events[1]["data"]
    assert (figures["status"], figures["progress"]["total_contacts"]) == ("running", 4)
    assert figures["metrics"].keys() >= {"connect_rate", "retry_rate"}


async def test_figures_are_told_though_events_never_pause(
    api: httpx.AsyncClient, daemon: Installation, campaign: str
) -> None:
    feed = daemon.service.feed
    asked = asyncio.create_task(api.get(f"/v1/campaigns/{campaign}/events"))
    async with asyncio.timeout(20):
        while not feed.listeners:
            await asyncio.sleep(0.01)
        for _ in range(30):
            feed.hear(Announce("call.answered", {"campaign": campaign}))
            await asyncio.sleep(0.05)
        feed.close()
        kinds = [event["event"] for event in parsed((await asked).text)]
    assert kinds.count("call.answered") == 30
    assert kinds.count("campaign.progress") == 1
