"""Voice agents, what can be spoken, new versions of scripts and their end, and labels from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dialerd.core.clock import Instant
from dialerd.core.identity import CallId
from dialerd.core.messages import AgentFinished, AgentReported, LabelsDeclared, TryAnswered, TryEnded
from dialerd.core.model import AgentReport
from tests.control.installation import SCRIPT, Installation
from tests.control.test_engine_rules import body, soon

YAML = {"Content-Type": "application/yaml"}
PHONE = "+919876543210"
AGENT = {
    "agent_id": "priya",
    "agent_name": "Priya",
    "language": "hi-IN",
    "voice": "male",
    "script_id": "loan",
    "dispositions": {"site_visit": {"positive": True}, "call_later": {"terminal": False}},
}


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def placed(api: httpx.AsyncClient, daemon: Installation, **fields: Any) -> str:
    """A call that somebody has answered."""
    daemon.connect()
    asked = {"phone": PHONE, "variables": {"loan_amount": 5}, **fields}
    answer = await api.post("/v1/calls", json=asked)
    assert answer.status_code == 201, answer.text
    daemon.engine.post(TryAnswered(daemon.telephony.originated[-1].channel))
    ident = answer.json()["id"]
    await seen(api, f"/v1/calls/{ident}", lambda call: call["answered_at"] is not None)
    return str(ident)


async def seen(api: httpx.AsyncClient, path: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is at `path`, once it is as it is wanted."""
    async with asyncio.timeout(10):
        while not wanted(shown := (await api.get(path)).json()):
            await asyncio.sleep(0)
    return dict(shown)


# --- agents --------------------------------------------------------------------------------------


async def test_an_agent_is_created_shown_listed_changed_and_deleted(api: httpx.AsyncClient) -> None:
    made = await api.post("/v1/agents", json=AGENT)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/v1/agents/priya"
    shown = (await api.get("/v1/agents/priya")).json()
    assert {**shown, "warnings": []} == made.json()
    assert {key: shown[key] for key in ("agent_name", "language", "voice", "engine", "fallback")} == {
        "agent_name": "Priya",
        "language": "hi-IN",
        "voice": "male",
        "engine": "embedded",
        "fallback": None,
    }
    assert shown["dispositions"]["call_later"] == {"positive": False, "terminal": False}
    other = (await api.post("/v1/agents", json={"agent_name": "Asha", "fallback": "priya"})).json()
    assert other["agent_id"].startswith("agt_")
    listed = (await api.get("/v1/agents")).json()
    assert [agent["agent_id"] for agent in listed["data"]] == [other["agent_id"], "priya"]
    changed = await api.patch("/v1/agents/priya", json={"voice": None, "agent_name": "Asha"})
    assert (changed.json()["voice"], changed.json()["agent_name"], changed.json()["language"]) == (
        None,
        "Asha",
        "hi-IN",
    )
    used = await api.delete("/v1/agents/priya")
    assert (used.status_code, used.json()["used_by"]) == (409, [other["agent_id"]])
    assert (await api.delete(f"/v1/agents/{other['agent_id']}")).status_code == 204
    assert (await api.delete("/v1/agents/priya")).status_code == 204
    for answer in (
        await api.get("/v1/agents/priya"),
        await api.patch("/v1/agents/priya", json={}),
        await api.delete("/v1/agents/priya"),
    ):
        assert answer.status_code == 404


async def test_every_fault_of_an_agent_is_named(api: httpx.AsyncClient) -> None:
    wrong = {
        "agent_id": "a b",
        "language": "ta-IN",
        "script_id": "loan",
        "voice": "robot",
        "engine": "hal",
        "fallback": "nobody",
        "dispositions": {"interested": {}, "A": {}, "escalated": {}, "fine": {"positive": 1}},
        "more": 1,
    }
    answer = await api.post("/v1/agents", json=wrong)
    assert answer.status_code == 422
    assert {fault["loc"] for fault in answer.json()["errors"]} >= {
        *("agent_id", "agent_name", "voice", "more", "engine", "fallback", "dispositions.fine.positive"),
        "language",
    }
    labels = {"interested": {}, "A": {}, "escalated": {}}
    answer = await api.post("/v1/agents", json={"agent_name": "x", "dispositions": labels})
    assert {fault["loc"] for fault in answer.json()["errors"]} == {f"dispositions.{name}" for name in labels}


async def test_a_fallback_leads_somewhere_else(api: httpx.AsyncClient) -> None:
    for name, fallback in (("a", None), ("b", "a"), ("c", "b")):
        made = await api.post("/v1/agents", json={"agent_id": name, "agent_name": name, "fallback": fallback})
        assert made.status_code == 201, made.text
    answer = await api.patch("/v1/agents/a", json={"fallback": "c"})
    assert (answer.status_code, "circle" in answer.json()["errors"][0]["msg"]) == (422, True)


async def test_a_campaign_takes_script_and_voice_from_its_agent_and_keeps_them(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/agents", json=AGENT)
    fields = body(agent_id="priya")
    del fields["script_id"]
    created = await api.post("/v1/campaigns", json=fields)
    assert created.status_code == 201, created.text
    shown = created.json()
    assert (shown["agent_id"], shown["script_id"], shown["voice"]) == ("priya", "loan", "male")
    assert shown["language"] == "en-IN", "what the campaign says comes before the agent's"
    assert daemon.media.voices[-1] == "male"
    await api.patch("/v1/agents/priya", json={"voice": "female"})
    assert (await api.get(f"/v1/campaigns/{shown['campaign_id']}")).json()["voice"] == "male"
    used = await api.delete("/v1/agents/priya")
    assert (used.status_code, used.json()["used_by"]) == (409, [shown["campaign_id"]])
    await api.post(f"/v1/campaigns/{shown['campaign_id']}/stop")
    assert (await api.delete("/v1/agents/priya")).status_code == 204


async def test_a_request_that_names_neither_script_nor_agent_is_told_so(api: httpx.AsyncClient) -> None:
    await api.post("/v1/agents", json={"agent_id": "bare", "agent_name": "Bare"})
    for changes, loc in (
        ({"agent_id": "bare"}, "script_id"),
        ({"agent_id": "nobody"}, "agent_id"),
        ({}, "script_id"),
    ):
        fields = {key: value for key, value in body(**changes).items() if key != "script_id"}
        answer = await api.post("/v1/campaigns", json=fields)
        assert answer.status_code == 422
        assert loc in {fault["loc"] for fault in answer.json()["errors"]}


async def test_a_call_is_placed_with_an_agent_and_shows_it(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/agents", json=AGENT)
    ident = await placed(api, daemon, agent_id="priya")
    shown = (await api.get(f"/v1/calls/{ident}")).json()
    assert (shown["agent_id"], shown["voice"], shown["language"]) == ("priya", "male", "hi-IN")
    assert daemon.media.attached[-1].voice == "male"
    assert (await api.get("/v1/calls?language=hi-IN")).json()["total"] == 1
    assert (await api.get("/v1/calls?language=en-IN")).json()["total"] == 0


# --- what can be spoken --------------------------------------------------------------------------


async def test_languages_and_engines_are_told(api: httpx.AsyncClient, daemon: Installation) -> None:
    spoken = (await api.get("/v1/languages?limit=2")).json()
    assert (spoken["total"], [item["language"] for item in spoken["data"]]) == (4, ["en-IN", "en-US"])
    assert spoken["data"][0]["engines"] == ["embedded", "english"]
    assert (await api.get("/v1/languages?limit=1&offset=2")).json()["data"][0] == {
        "language": "hi",
        "name": "Hindi",
        "engines": ["embedded"],
        "voices": ["female", "male"],
    }
    engine = (await api.get("/v1/engines")).json()["data"][0]
    assert (engine["engine"], engine["healthy"], engine["sessions_limit"]) == ("embedded", False, 0)
    await placed(api, daemon, script_id="loan", language="en-IN")
    engine = (await api.get("/v1/engines")).json()["data"][0]
    assert (engine["healthy"], engine["sessions_in_use"], engine["sessions_limit"]) == (True, 1, 100)


# --- scripts -------------------------------------------------------------------------------------


async def test_a_new_version_is_for_what_is_created_from_then_on(api: httpx.AsyncClient) -> None:
    before = (await api.post("/v1/campaigns", json=body())).json()
    text = SCRIPT.replace("Our Bank", "Your Bank")
    replaced = await api.put("/v1/scripts/loan", content=text, headers=YAML)
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2), replaced.text
    assert (await api.put("/v1/scripts/loan", content=text, headers=YAML)).json()["version"] == 2
    after = (await api.post("/v1/campaigns", json=body())).json()
    assert (before["script_version"], after["script_version"]) == (1, 2)
    shown = (await api.get(f"/v1/campaigns/{before['campaign_id']}")).json()
    assert shown["script_version"] == 1
    assert (await api.get("/v1/scripts/loan?version=1")).json()["source"] == SCRIPT
    assert (await api.get("/v1/scripts/loan")).json()["source"] == text
    assert (await api.get("/v1/scripts")).json()["total"] == 1


@pytest.mark.parametrize(
    ("path", "request_", "status"),
    [
        ("/v1/scripts/none", {"content": SCRIPT, "headers": YAML}, 404),
        ("/v1/scripts/loan", {"content": "script_id: other\n" + SCRIPT, "headers": YAML}, 422),
        ("/v1/scripts/loan", {"json": {"script_id": "other", "body": SCRIPT}}, 422),
        ("/v1/scripts/loan", {"json": {"script_id": "loan", "body": SCRIPT, "name": "Mine"}}, 200),
        ("/v1/scripts/loan", {"content": "name: x", "headers": YAML}, 422),
        ("/v1/scripts/loan?version=9", None, 404),
        ("/v1/scripts/loan?version=0", None, 422),
    ],
)
async def test_a_wrong_replacement_is_refused(
    path: str, request_: dict[str, Any] | None, status: int, api: httpx.AsyncClient
) -> None:
    answer = await (api.get(path) if request_ is None else api.put(path, **request_))
    assert answer.status_code == status, answer.text


async def test_a_script_in_use_is_not_deleted_and_a_deleted_one_comes_back_as_a_new_version(
    api: httpx.AsyncClient,
) -> None:
    campaign = (await api.post("/v1/campaigns", json=body())).json()["campaign_id"]
    await api.post("/v1/agents", json={"agent_id": "priya", "agent_name": "Priya", "script_id": "loan"})
    used = await api.delete("/v1/scripts/loan")
    assert (used.status_code, used.json()["state"]) == (409, "used")
    assert used.json()["used_by"] == [campaign, "priya"]
    await api.post(f"/v1/campaigns/{campaign}/stop")
    await api.delete("/v1/agents/priya")
    assert (await api.delete("/v1/scripts/loan")).status_code == 204
    for answer in (
        await api.get("/v1/scripts/loan"),
        await api.delete("/v1/scripts/loan"),
        await api.put("/v1/scripts/loan", content=SCRIPT, headers=YAML),
    ):
        assert answer.status_code == 404
    assert (await api.get("/v1/scripts/loan?version=1")).status_code == 200
    again = await api.post("/v1/scripts?script_id=loan", content=SCRIPT, headers=YAML)
    assert (again.status_code, again.json()["version"]) == (201, 2)


# --- labels --------------------------------------------------------------------------------------


async def test_a_label_from_outside_stands(api: httpx.AsyncClient, daemon: Installation) -> None:
    await api.post("/v1/agents", json=AGENT)
    ident = await placed(api, daemon, agent_id="priya")
    answer = await api.post(
        f"/v1/calls/{ident}/disposition", json={"disposition": "site_visit", "captured": {"day": "monday"}}
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["disposition"], answer.json()["captured"]) == ("site_visit", {"day": "monday"})
    channel = daemon.telephony.originated[-1].channel
    daemon.engine.post(TryEnded(channel, 16))
    daemon.engine.post(AgentFinished(ident, AgentReport("not_interested", captured={"key": "2"})))  # type: ignore[arg-type]
    shown = await seen(api, f"/v1/calls/{ident}", lambda call: call["status"] != "in_progress")
    assert (shown["disposition"], shown["captured"]) == ("site_visit", {"key": "2", "day": "monday"})
    late = await api.post(f"/v1/calls/{ident}/disposition", json={"disposition": "interested"})
    assert (late.status_code, late.json()["state"]) == (409, "completed")


@pytest.mark.parametrize("by_engine", [True, False], ids=["engine", "rest"])
async def test_a_label_means_the_same_whoever_gives_it(
    by_engine: bool, api: httpx.AsyncClient, daemon: Installation
) -> None:
    labels = {"busy_now": {"positive": True, "terminal": False}}
    agent = {"agent_id": "bot", "agent_name": "Bot", "engine": "pipecat", "dispositions": labels}
    await api.post("/v1/agents", json=agent)
    asked = {**body(max_attempts=3, contacts=body()["contacts"][:1]), "agent_id": "bot"}
    del asked["script_id"]
    asked["schedule"] = {"start_time": soon(-1), "end_time": soon(5), "timezone": "UTC"}
    campaign = (await api.post("/v1/campaigns", json=asked)).json()["campaign_id"]
    daemon.connect()
    await seen(api, f"/v1/calls?campaign_id={campaign}", lambda page: bool(daemon.telephony.originated))
    channel = daemon.telephony.originated[0].channel
    daemon.engine.post(TryAnswered(channel))
    listed = await seen(
        api, f"/v1/calls?campaign_id={campaign}", lambda page: page["data"][0]["answered_at"] is not None
    )
    assert dict(daemon.media.attached[0].labels) == {"busy_now": True}
    call = CallId(listed["data"][0]["id"])
    if by_engine:
        daemon.engine.post(AgentReported(call, AgentReport("busy_now")))
    else:
        told = await api.post(f"/v1/calls/{call}/disposition", json={"disposition": "busy_now"})
        assert told.status_code == 200, told.text
    daemon.engine.post(TryEnded(channel, 16))
    daemon.engine.post(AgentFinished(call, AgentReport("busy_now" if by_engine else None)))
    await seen(api, f"/v1/calls/{call}", lambda shown: shown["status"] != "in_progress")
    (contact,) = (await api.get(f"/v1/campaigns/{campaign}/contacts")).json()["data"]
    assert (contact["state"], contact["disposition"]) == ("retry_waiting", "busy_now")
    shown = (await api.get(f"/v1/campaigns/{campaign}")).json()
    assert shown["metrics"]["conversion_rate"] == 1.0


async def test_calls_know_the_labels_as_they_are_declared_now(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/agents", json=AGENT)
    await placed(api, daemon, agent_id="priya")
    assert dict(daemon.media.attached[-1].labels) == {"site_visit": True, "call_later": False}
    await api.patch("/v1/agents/priya", json={"dispositions": {"sold": {"positive": True}}})
    await placed(api, daemon, agent_id="priya", phone="+919876543211")
    assert dict(daemon.media.attached[-1].labels) == {"sold": True}


async def test_a_daemon_that_starts_again_knows_what_is_declared(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    for number in range(101):
        labels = {"sold": {"positive": True}} if number == 0 else {}
        agent = {**AGENT, "agent_id": f"priya{number}", "dispositions": labels}
        assert (await api.post("/v1/agents", json=agent)).status_code == 201
    daemon.engine.post(LabelsDeclared("priya0", {}))
    await daemon.service.agents.labels.restore()
    await placed(api, daemon, agent_id="priya0")
    assert dict(daemon.media.attached[-1].labels) == {"sold": True}


async def test_the_scripts_of_single_calls_are_known_too(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/agents", json=AGENT)
    assert daemon.engine.memory.scripts() == set()
    await placed(api, daemon, agent_id="priya")
    assert [ident for ident, _ in daemon.engine.memory.scripts()] == [AGENT["script_id"]]


@pytest.mark.parametrize(
    ("label", "loc"),
    [
        ({}, "disposition"),
        ({"disposition": "nonsense"}, "disposition"),
        ({"disposition": "not_reachable"}, "disposition"),
        ({"disposition": "interested", "callback_at": soon(1)}, "callback_at"),
        ({"disposition": "callback_requested", "callback_at": soon(-1)}, "callback_at"),
        ({"disposition": "callback_requested", "callback_at": "tomorrow"}, "callback_at"),
        ({"disposition": "paid", "captured": {"deep": {"a": 1}}}, "captured.deep"),
        ({"disposition": "paid", "captured": {"big": 10**400}}, "captured.big"),
        ({"disposition": "paid", "captured": {"a\nb": 1}}, "captured"),
        ({"disposition": "paid", "positive": True}, "positive"),
    ],
)
async def test_a_wrong_label_is_named_and_changes_nothing(
    label: dict[str, Any], loc: str, api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident = await placed(api, daemon, script_id="loan", language="en-IN")
    answer = await api.post(f"/v1/calls/{ident}/disposition", json=label)
    assert answer.status_code == 422, answer.text
    assert loc in {fault["loc"] for fault in answer.json()["errors"]}
    assert (await api.get(f"/v1/calls/{ident}")).json()["disposition"] is None


async def test_a_callback_that_cannot_be_is_refused_and_remembered(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    end = soon(2)
    schedule = {"start_time": soon(-1), "end_time": end, "timezone": "UTC"}
    campaign = (
        await api.post("/v1/campaigns", json=body(schedule=schedule, contacts=body()["contacts"][:1]))
    ).json()
    daemon.connect()
    calls = f"/v1/calls?campaign_id={campaign['campaign_id']}"
    await seen(api, calls, lambda page: bool(daemon.telephony.originated))
    daemon.engine.post(TryAnswered(daemon.telephony.originated[0].channel))
    listed = await seen(api, calls, lambda page: page["data"][0]["answered_at"] is not None)
    path = f"/v1/calls/{listed['data'][0]['id']}/disposition"
    refused = await api.post(path, json={"disposition": "callback_requested", "callback_at": soon(3)})
    assert (refused.status_code, refused.json()["state"]) == (409, "callback-unmet")
    latest = refused.json()["latest"]
    assert latest < end.replace("+00:00", "Z")
    fine = await api.post(path, json={"disposition": "callback_requested", "callback_at": latest})
    assert fine.status_code == 200, fine.text


async def test_a_callback_that_cannot_be_is_refused_to_the_calls_own_agent(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident = await placed(api, daemon, script_id="loan", language="en-IN")
    wish = AgentReport("callback_requested", callback_at=Instant(daemon.clock.now().wall + 60_000))
    daemon.engine.post(AgentReported(CallId(ident), wish))
    await seen(api, f"/v1/calls/{ident}", lambda call: call["disposition"] == "callback_requested")
    ((call, unmet),) = daemon.media.unmet
    assert (call, "belongs to no campaign" in unmet.detail) == (ident, True)


async def test_a_call_of_its_own_has_no_callback(api: httpx.AsyncClient, daemon: Installation) -> None:
    ident = await placed(api, daemon, script_id="loan", language="en-IN")
    label = {"disposition": "callback_requested", "callback_at": soon(1)}
    answer = await api.post(f"/v1/calls/{ident}/disposition", json=label)
    assert (answer.status_code, answer.json()["latest"]) == (409, None)


# --- keys ----------------------------------------------------------------------------------------


async def test_the_last_use_of_a_key_is_shown_at_once_and_written_once(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    async def noted() -> list[Instant | None]:
        return [key.last_used_at for key in await daemon.store.keys()]

    for _ in range(5):
        assert (await api.get("/v1/campaigns")).status_code == 200
    (shown,) = (await api.get("/v1/keys")).json()["data"]
    assert shown["last_used_at"] is not None
    assert await noted() == [None], "not a write a request"
    await daemon.service.keys.write_use()
    (at,) = await noted()
    assert at is not None
    daemon.store.out = "the disk is full"
    daemon.service.keys.note_use(shown["key_id"])
    await daemon.service.keys.write_use()
    daemon.store.out = None
    await daemon.service.keys.write_use()
    assert (await noted())[0] >= at, "what the store did not take came with the next writing"  # type: ignore[operator]
