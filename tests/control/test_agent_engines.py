"""Agents and their engines over the API: who needs a script, who stands in, what a full engine answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from dialerd.core.engine import EngineState
from dialerd.core.identity import CallId
from dialerd.core.messages import AgentStoodIn, MediaCapacity, TryAnswered
from tests.control.installation import Installation
from tests.control.test_engine_rules import body

BOT = {"agent_id": "bot", "agent_name": "Bot", "engine": "pipecat"}
PRIYA = {"agent_id": "priya", "agent_name": "Priya", "script_id": "loan"}


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def add(api: httpx.AsyncClient, **fields: Any) -> None:
    answer = await api.post("/v1/agents", json=fields)
    assert answer.status_code == 201, answer.text


def campaign(**fields: Any) -> dict[str, Any]:
    request = {**body(), **fields}
    del request["script_id"]
    return request


async def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {fault["loc"]: fault["msg"] for fault in answer.json()["errors"]}


async def test_an_agent_whose_engine_needs_no_script_dials_without_one(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await add(api, **PRIYA)
    await add(api, **BOT, fallback="priya")
    made = await api.post("/v1/campaigns", json=campaign(agent_id="bot", language="hi-IN"))
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["script_id"], shown["script_version"], shown["engine"]) == (None, None, "pipecat")
    assert shown["fallbacks"] == ["priya"]
    again = (await api.get(f"/v1/campaigns/{shown['campaign_id']}")).json()
    assert (again["script_id"], again["engine"]) == (None, "pipecat")
    more = await api.post(
        f"/v1/campaigns/{shown['campaign_id']}/contacts", json={"contacts": [{"phone": "+919876543299"}]}
    )
    assert more.status_code == 201, more.text
    copy = await api.post(f"/v1/campaigns/{shown['campaign_id']}/clone", json={"contacts": "all"})
    assert copy.status_code == 201, copy.text
    assert copy.json()["engine"] == "pipecat"
    used = await api.delete("/v1/agents/priya")
    assert used.status_code == 409, "it stands in for the campaign's agent"


async def test_a_script_that_is_named_all_the_same_must_fit(api: httpx.AsyncClient) -> None:
    await add(api, **BOT)
    refused = await api.post(
        "/v1/campaigns", json=campaign(agent_id="bot", language="ta-IN") | {"script_id": "loan"}
    )
    assert "has no texts for ta-IN" in (await faults(refused))["language"]
    taken = await api.post("/v1/campaigns", json=campaign(agent_id="bot", language="ta-IN"))
    assert taken.status_code == 201, "an engine that names no languages speaks all of them"


async def test_an_engine_speaks_the_languages_that_the_settings_say(api: httpx.AsyncClient) -> None:
    await add(api, agent_id="brit", agent_name="Brit", engine="english")
    refused = await api.post("/v1/campaigns", json=campaign(agent_id="brit", language="hi-IN"))
    assert (await faults(refused))[
        "language"
    ] == "the engine english does not speak hi-IN; it speaks: en-IN, en-US"
    refused = await api.post("/v1/agents", json={"agent_name": "B", "engine": "english", "language": "fr-FR"})
    assert "does not speak fr-FR" in (await faults(refused))["language"]
    refused = await api.post("/v1/agents", json={"agent_name": "B", "engine": "nothing"})
    assert "there are: embedded, pipecat, english" in (await faults(refused))["engine"]


async def test_a_fallback_must_be_able_to_hold_the_conversation(api: httpx.AsyncClient) -> None:
    await add(api, agent_id="mute", agent_name="Mute")
    await add(api, **BOT, fallback="mute")
    refused = await api.post("/v1/campaigns", json=campaign(agent_id="bot", language="hi-IN"))
    assert (await faults(refused))[
        "agent_id"
    ] == "its fallback mute: script_id: required: the agent mute names none"


async def test_a_call_for_an_engine_that_is_not_ready_is_refused_by_name(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    await add(api, agent_id="brit", agent_name="Brit", engine="english", language="en-IN")
    refused = await api.post("/v1/calls", json={"phone": "+919876543210", "agent_id": "brit"})
    assert refused.status_code == 409, refused.text
    assert refused.json()["why"] == [
        {"reason": "engine-session", "detail": "engine english: it cannot be reached", "until": None}
    ]


async def test_calls_show_their_engine_and_who_took_them_over(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    await add(api, **PRIYA)
    await add(api, **BOT, language="hi-IN", fallback="priya")
    made = await api.post("/v1/calls", json={"phone": "+919876543210", "agent_id": "bot"})
    assert made.status_code == 201, made.text
    call = made.json()
    assert (call["engine"], call["script_id"], call["taken_over_by"]) == ("pipecat", None, None)
    engines = {one["engine"]: one for one in (await api.get("/v1/engines")).json()["data"]}
    assert {name: (one["healthy"], one["sessions_in_use"], one["sessions_limit"]) for name, one in engines.items()} == {
        "embedded": (True, 0, 100), "pipecat": (True, 1, 2), "english": (False, 0, 0),
    }  # fmt: skip
    assert engines["english"]["state"] == "it cannot be reached"
    assert (engines["pipecat"]["needs_script"], engines["embedded"]["needs_script"]) == (False, True)
    daemon.engine.post(TryAnswered(daemon.telephony.originated[-1].channel))
    daemon.engine.post(AgentStoodIn(CallId(call["id"]), "priya", "embedded", "pipecat does not answer"))
    async with asyncio.timeout(10):
        while (shown := (await api.get(f"/v1/calls/{call['id']}")).json())["taken_over_by"] is None:
            await asyncio.sleep(0)
    assert shown["taken_over_by"] == {
        "agent_id": "priya", "engine": "embedded", "detail": "pipecat does not answer",
    }  # fmt: skip
    (order,) = daemon.media.attached
    assert (order.engine, order.agent_id, order.stand_ins[0].script_id) == ("pipecat", "bot", "loan")


async def test_an_engine_that_can_hold_calls_tells_what_became_of_the_last_one(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    said = "its last call failed: it broke off the conversation"
    daemon.engine.post(MediaCapacity(100, "", {"pipecat": EngineState(2, said)}))
    async with asyncio.timeout(10):
        while (engine := await engine_named(api, "pipecat"))["state"] != said:
            await asyncio.sleep(0)
    assert (engine["healthy"], engine["sessions_limit"]) == (True, 2)


async def engine_named(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    engines = (await api.get("/v1/engines")).json()["data"]
    (found,) = (one for one in engines if one["engine"] == name)
    return dict(found)
