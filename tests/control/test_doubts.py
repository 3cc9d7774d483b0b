"""What cannot be asked of an engine is refused by name; what speaks against a conversation is told in advance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.core.engine import EngineState
from dialerd.core.messages import MediaCapacity
from dialerd.core.transfer import TransferRules
from dialerd.engine.doubts import announces
from tests.agent.scripts import EXAMPLES, GOOD, VISIT
from tests.control.installation import ENGINES, TRANSFERS, Installation, client_of, installation
from tests.control.test_openapi import parse

PEOPLE = [{"phone": "+919876543210", "amount": 5}]
STRAIGHT = {"name": "x", "agent_id": "straight", "language": "en-IN", "contacts": PEOPLE}
YAML = {"Content-Type": "application/yaml"}
NUMBERS = (f"+9198765{number:05}" for number in count())
TO_NOBODY = "leads to a person, and no transfer target is configured"
UNTOLD = "does not say so at its beginning in en-IN"


@asynccontextmanager
async def running(
    folder: Path, transfers: TransferRules = TRANSFERS, *, asterisk_amd: bool = False
) -> AsyncIterator[tuple[httpx.AsyncClient, Installation]]:
    options: dict[str, Any] = {"direct": True, "asterisk_amd": asterisk_amd, "transfers": transfers}
    async with installation(folder, parse=parse, **options) as daemon, client_of(daemon) as api:
        daemon.connect()
        daemon.engine.post(MediaCapacity(100, "", {**ENGINES, "straight": EngineState(2)}))
        agents = [("straight", "straight"), ("bot", "pipecat")]
        for ident, engine in agents:
            await made(api, "/v1/agents", agent_id=ident, agent_name=ident, engine=engine)
        yield api, daemon


async def made(api: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def stored(api: httpx.AsyncClient, ident: str, text: str) -> None:
    answer = await api.post(f"/v1/scripts?script_id={ident}", content=text, headers=YAML)
    assert answer.status_code == 201, answer.text


def wrong(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {fault["loc"]: fault["msg"] for fault in answer.json()["errors"]}


# --- straight from Asterisk ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "amd", "locs"),
    [
        ({"recording": True}, False, {"recording"}),
        ({"recording": True, "answering_machine": "hangup"}, False, {"recording", "answering_machine"}),
        ({"recording": True, "answering_machine": "message"}, True, {"recording", "answering_machine"}),
        ({"answering_machine": "hangup"}, False, {"answering_machine"}),
        ({"answering_machine": "message"}, False, {"answering_machine"}),
        ({"answering_machine": "message"}, True, {"answering_machine"}),
        ({"answering_machine": "hangup"}, True, set()),
        ({"recording": False, "answering_machine": "continue"}, False, set()),
    ],
)
async def test_what_needs_audio_is_refused_where_asterisk_leads_straight_to_the_engine(
    asked: dict[str, Any], amd: bool, locs: set[str], tmp_path: Path
) -> None:
    async with running(tmp_path, asterisk_amd=amd) as (api, _):
        call = {"phone": "+919876543210", "agent_id": "straight", "language": "en-IN"}
        new = await api.post("/v1/campaigns", json={**STRAIGHT, **asked})
        placed = await api.post("/v1/calls", json={**call, **asked})
        ident = (await made(api, "/v1/campaigns", **STRAIGHT))["campaign_id"]
        edited = await api.patch(f"/v1/campaigns/{ident}", json=asked)
        cloned = await api.post(f"/v1/campaigns/{ident}/clone", json={"contacts": "all", **asked})
        if not locs:
            assert [answer.status_code for answer in (new, placed, edited, cloned)] == [201, 201, 200, 201]
            return
        for answer in (new, placed, edited, cloned):
            faults = wrong(answer)
            assert faults.keys() == locs
            assert all("straight" in fault for fault in faults.values())


async def test_it_is_told_with_the_other_faults(tmp_path: Path) -> None:
    async with running(tmp_path) as (api, _):
        bad = {"agent_id": "straight", "recording": True, "answering_machine": "hangup", "max_attempts": 0}
        locs = {"name", "language", "max_attempts", "recording", "answering_machine"}
        assert wrong(await api.post("/v1/campaigns", json={**bad, "contacts": PEOPLE})).keys() == locs
        call = {"agent_id": "straight", "recording": True, "phone": "12", "language": "en-IN"}
        assert wrong(await api.post("/v1/calls", json=call)).keys() == {"recording", "phone"}


async def test_an_agent_of_such_an_engine_cannot_be_recorded(tmp_path: Path) -> None:
    async with running(tmp_path) as (api, _):
        body = {"agent_name": "x", "engine": "straight", "recording": True}
        assert wrong(await api.post("/v1/agents", json=body)).keys() == {"recording"}
        recorded = {"recording": True}
        assert wrong(await api.patch("/v1/agents/straight", json=recorded)).keys() == {"recording"}
        moved = await api.patch("/v1/agents/bot", json=recorded)
        assert moved.status_code == 200
        assert wrong(await api.patch("/v1/agents/bot", json={"engine": "straight"})).keys() == {"recording"}


# --- to a person that is not there ---------------------------------------------------------------


async def told_everywhere(api: httpx.AsyncClient, script: str, **asked: Any) -> list[list[str]]:
    """What is told of a new campaign, the same edited, a clone of it, a call, a new agent and the same edited."""
    talk = {"script_id": script, "language": "en-IN", **asked}
    campaign = await made(api, "/v1/campaigns", name="x", contacts=PEOPLE, **talk)
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    agent = await made(api, "/v1/agents", agent_name="x", **talk)
    answers = [
        campaign,
        (await api.patch(path, json={"max_attempts": 2})).json(),
        await made(api, f"{path}/clone", contacts="all"),
        await made(api, "/v1/calls", phone=next(NUMBERS), variables={"amount": 5}, **talk),
        agent,
        (await api.patch(f"/v1/agents/{agent['agent_id']}", json={"voice": "male"})).json(),
    ]
    assert "warnings" not in (await api.get(path)).json(), "as api.md has it"
    return [answer["warnings"] for answer in answers]


@pytest.mark.parametrize(
    ("named", "rules", "asked", "words"),
    [
        (None, TRANSFERS, {}, TO_NOBODY),
        (None, TransferRules(), {}, TO_NOBODY),
        (
            "nowhere",
            TRANSFERS,
            {},
            "'nowhere', and there is no such transfer target; configured are: desk, support",
        ),
        ("extension:1@x", TRANSFERS, {}, "there is no such transfer target"),
        ("endpoint:lab", TRANSFERS, {}, "there is no such transfer target"),
        ("support", TRANSFERS, {}, None),
        ("queue:other", TRANSFERS, {}, None),
        (None, TransferRules(TRANSFERS.plans, "desk"), {}, None),
        (None, TRANSFERS, {"transfer_target": "desk"}, None),
    ],
)
async def test_a_script_that_leads_to_nobody_is_told_before_somebody_is_on_the_line(
    named: str | None, rules: TransferRules, asked: dict[str, Any], words: str | None, tmp_path: Path
) -> None:
    target = "" if named is None else f"  target: {named}\n"
    async with running(tmp_path, rules) as (api, _):
        await stored(api, "visit", VISIT.replace("  target: queue:desk\n", target))
        for told in await told_everywhere(api, "visit", **asked):
            assert [words in text for text in told] == ([True] if words else []) if words else told == []


async def test_a_script_that_leads_to_no_person_needs_no_target(tmp_path: Path) -> None:
    async with running(tmp_path, TransferRules()) as (api, _):
        await stored(api, "offer", GOOD)
        assert await told_everywhere(api, "offer") == [[]] * 6


async def test_a_target_that_is_edited_away_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as (api, _):
        await stored(api, "visit", VISIT.replace("  target: queue:desk\n", ""))
        campaign = await made(
            api,
            "/v1/campaigns",
            **{"name": "x", "script_id": "visit", "language": "en-IN", "transfer_target": "desk"},
            contacts=PEOPLE,
        )
        path = f"/v1/campaigns/{campaign['campaign_id']}"
        edited = (await api.patch(path, json={"transfer_target": None})).json()
        assert [TO_NOBODY in text for text in edited["warnings"]] == [True]


async def test_the_scripts_of_fallbacks_are_looked_at_too(tmp_path: Path) -> None:
    async with running(tmp_path) as (api, _):
        await stored(api, "visit", VISIT.replace("  target: queue:desk\n", ""))
        await made(api, "/v1/agents", agent_id="second", agent_name="x", script_id="visit", language="en-IN")
        await made(api, "/v1/agents", agent_id="first", agent_name="x", engine="pipecat", fallback="second")
        talk = {"agent_id": "first", "language": "en-IN"}
        campaign = await made(api, "/v1/campaigns", name="x", contacts=PEOPLE, **talk)
        call = await made(api, "/v1/calls", phone="+919876543210", **talk)
        for answer in (campaign, call):
            assert [TO_NOBODY in text for text in answer["warnings"]] == [True]


# --- a recording that nobody tells of ------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "tells"),
    [
        (GOOD, False),
        (GOOD.replace("Hello", "This call is recorded. Hello"), True),
        (GOOD.replace("Never again.", "This call was recorded."), False),
        (GOOD + "    recording_notice: We record this.\n", True),
        (f"announces_recording: true\n{GOOD}", True),
        (f"announces_recording: false\n{GOOD}", False),
    ],
)
async def test_a_recording_that_callees_are_not_told_of_is_told_to_whoever_asks_for_it(
    script: str, tells: bool, tmp_path: Path
) -> None:
    async with running(tmp_path) as (api, _):
        await stored(api, "offer", script)
        assert await told_everywhere(api, "offer") == [[]] * 6, "nothing is recorded"
        for told in await told_everywhere(api, "offer", recording=True):
            assert [UNTOLD in text for text in told] == ([] if tells else [True])


async def test_a_recording_that_is_asked_for_later_is_judged_then(tmp_path: Path) -> None:
    async with running(tmp_path) as (api, daemon):
        await stored(api, "offer", GOOD)
        talk = {"script_id": "offer", "language": "en-IN"}
        path = f"/v1/campaigns/{(await made(api, '/v1/campaigns', name='x', contacts=PEOPLE, **talk))['campaign_id']}"
        told = (await api.patch(path, json={"recording": True})).json()
        assert [UNTOLD in text for text in told["warnings"]] == [True]
        assert told["recording"] is True
        agent = await made(api, "/v1/agents", agent_name="x", script_id="offer")
        told = (await api.patch(f"/v1/agents/{agent['agent_id']}", json={"recording": True})).json()
        assert [UNTOLD in text for text in told["warnings"]] == [True]
        daemon.store.out = "the disk is full"
        refused = await api.patch(path, json={"recording": False})
        daemon.store.out = None
        assert refused.status_code == 503
        assert (await api.get(path)).json()["recording"] is True, "what is answered with 503 was not done"


ASKING = {"keys": {"1": "end"}}
BRANCHING = {"next": [{"when": "a == 1", "goto": "one"}, {"goto": "two"}]}


@pytest.mark.parametrize(
    ("language", "body", "says", "tells"),
    [
        ("en-IN", {}, {"opening": "We are recording this call."}, True),
        ("en-GB", {}, {"opening": [{"text": "Hi.", "audio": "a.wav"}, "You are being recorded."]}, True),
        ("en-IN", {}, {"opening": "Our records show that you owe us."}, False),
        ("en-IN", {}, {"opening": "Hello.", "no_input": {"repeat": "This is recorded."}}, False),
        ("hi-IN", {}, {"opening": "This record is broken."}, False),
        ("hi-IN", {}, {"opening": "नमस्ते", "recording_notice": "यह कॉल रिकॉर्ड की जा रही है।"}, True),
        (
            "en-IN",
            {"states": {"a": ASKING, "end": {"end": True}}},
            {"say": {"a": "Recorded.", "end": "Bye."}},
            True,
        ),
        (
            "en-IN",
            {"states": {"a": ASKING, "end": {"end": True}}},
            {"say": {"a": "Hi.", "end": "Recorded."}},
            False,
        ),
        (
            "en-IN",
            {"start": "b", "states": {"a": ASKING, "b": ASKING}},
            {"say": {"a": "Recorded.", "b": "Hi."}},
            False,
        ),
        (
            "en-IN",
            {"states": {"a": ASKING}},
            {"say": {"a": {"text": "Hi.", "again": "This is recorded."}}},
            False,
        ),
        (
            "en-IN",
            {"states": {"first": BRANCHING, "one": ASKING, "two": ASKING}},
            {"say": {"one": {"parts": ["Recorded.", "Hi."]}, "two": {"text": "We record."}}},
            True,
        ),
        (
            "en-IN",
            {"states": {"first": BRANCHING, "one": ASKING, "two": ASKING}},
            {"say": {"one": "Recorded.", "two": "Hi."}},
            False,
        ),
        ("en-IN", {"states": {"first": {"goto": "first"}}}, {"say": {}}, False),
        ("fr-FR", {}, {}, False),
    ],
)
def test_only_what_is_said_at_the_beginning_tells_of_a_recording(
    language: str, body: dict[str, Any], says: dict[str, Any], tells: bool
) -> None:
    other = {"en-US": {"opening": "This call is recorded."}}
    assert announces({**body, "languages": {language: says, **other}}, language) is tells


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
async def test_the_example_scripts_tell_of_a_recording_in_each_language(path: Path) -> None:
    script = await parse(path.read_text())
    assert [language for language in script.languages if not announces(script.body, language)] == []
