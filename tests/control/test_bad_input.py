"""Bad input in every field: refused with its name, never carried on to Asterisk, a header or a log of ours.

The fields are those of the API's own description, so a field that is added is tried as well.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.control.installation import Installation, installation
from tests.control.test_openapi import CHOSEN, operations, parse

BREAKS = "a\r\nX-Injected: 1"
"""Ends a header and begins another."""
DIALS = (
    "PJSIP/evil@carrier",
    "+15550100100&Local/1@default",
    "+1555,30,g",
    "${SHELL(id)}",
    "+919876543210@evil",
)
"""What a dial string would be made of."""
HUGE = 10**400
DEEP = 900
"""Levels that a JSON reader still takes."""
FREE = {"name", "agent_name", "reason", "source"}
"""Texts for people, which may say anything that can be printed."""

Path_ = tuple[str | int, ...]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path, parse=parse) as running:
        running.connect()
        yield running


class Api:
    """The API, and the requests of its examples."""

    def __init__(self, client: httpx.AsyncClient, document: dict[str, Any], there: dict[str, str]) -> None:
        self._client = client
        self._there = there
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for method, path, operation in operations(document)
            if "application/json" in operation.get("requestBody", {}).get("content", {})
        }

    def example(self, name: str) -> dict[str, Any]:
        content = self.operations[name][2]["requestBody"]["content"]["application/json"]
        found: dict[str, Any] = copy.deepcopy(content["example"])
        return found

    def fields(self, name: str) -> Iterator[Path_]:
        """The fields of an operation: those of the description, and those within its example."""
        schema = self.operations[name][2]["requestBody"]["content"]["application/json"]["schema"]
        example = self.example(name)
        yield from ((key,) for key in schema.get("properties", {}))
        yield from (path for path in _leaves(example) if len(path) > 1)

    async def send(self, name: str, body: Any) -> httpx.Response:
        method, path, _ = self.operations[name]
        content = json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return await self._client.request(
            method, path.format(**self._there), content=content, headers=headers
        )


def _leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if members is None:
        yield path
        return
    for key, member in members:
        yield from _leaves(member, (*path, key))


def put(body: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    """The body with another value at `path`."""
    holder: Any = body
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return body


@pytest.fixture
async def asked(api: httpx.AsyncClient, daemon: Installation) -> Api:
    document = (await api.get("/openapi.json")).json()
    content = document["paths"]["/v1/scripts"]["post"]["requestBody"]["content"]
    script = content["application/yaml"]["example"]
    yaml = {"Content-Type": "application/yaml"}
    assert (
        await api.post(f"/v1/scripts?script_id={CHOSEN}", content=script, headers=yaml)
    ).status_code == 201
    campaign = document["paths"]["/v1/campaigns"]["post"]["requestBody"]["content"]["application/json"][
        "example"
    ]
    created = (await api.post("/v1/campaigns", json=campaign)).json()
    agent = (await api.post("/v1/agents", json={"agent_name": "Priya"})).json()
    there = {"campaign_id": created["campaign_id"], "agent_id": agent["agent_id"], "script_id": CHOSEN}
    return Api(api, document, {**there, "name": "lab", "call_id": "cal_0123456789ab"})


WRITING = (
    *(
        "create_campaign",
        "edit_campaign",
        "clone_campaign",
        "add_contacts",
        "simulate_campaign",
        "simulate_list",
    ),
    *("place_call", "add_entry", "create_script", "replace_script", "create_agent", "edit_agent"),
    *("change_trunk", "create_key", "start_campaign", "pause_campaign", "resume_campaign", "stop_campaign"),
    *("pause", "resume"),
)


def everywhere(asked: Api) -> Iterator[tuple[str, Path_]]:
    """Every field of every operation."""
    for name in WRITING:
        for path in asked.fields(name):
            yield name, path


async def test_line_breaks_are_refused_in_every_field(asked: Api) -> None:
    for name, path in everywhere(asked):
        if of_the_callee(name, path):
            continue
        answer = await asked.send(name, put(asked.example(name), path, BREAKS))
        assert answer.status_code in (400, 422), (name, path, answer.status_code, answer.text[:300])
        assert "x-injected" not in answer.headers
        assert answer.json()["errors"], path
        assert _named(path, answer.json()["errors"]), (path, answer.json()["errors"])


async def test_nul_and_lone_surrogates_are_refused_in_every_field(asked: Api) -> None:
    for name, path in everywhere(asked):
        for text in ("a\0b", "a\ud800b"):
            answer = await asked.send(name, put(asked.example(name), path, text))
            assert answer.status_code in (400, 422), (name, path, answer.text[:300])
            named = _named(path, answer.json()["errors"])
            assert named or "NUL" in answer.text or "surrogate" in answer.text, (path, answer.text[:300])


async def test_dial_strings_are_refused_in_every_field_that_is_no_text_for_people(
    asked: Api, daemon: Installation
) -> None:
    for name, path in everywhere(asked):
        if path[-1] in FREE or "variables" in path or path[0] == "body" or path[-1] == "loan_amount":
            continue
        for text in DIALS:
            answer = await asked.send(name, put(asked.example(name), path, text))
            assert answer.status_code == 422, (name, path, text, answer.status_code, answer.text[:300])
            assert _named(path, answer.json()["errors"]), (path, answer.json()["errors"])
    for order in daemon.telephony.originated:
        assert (order.endpoint, order.number) in {("lab", order.phone), ("spare", order.phone)}


async def test_enormous_integers_are_refused_in_every_field(asked: Api) -> None:
    for name, path in everywhere(asked):
        for number in (HUGE, -HUGE, float("1e308"), 2**64):
            answer = await asked.send(name, put(asked.example(name), path, number))
            assert answer.status_code < 500, (path, answer.text[:300])
            if number == HUGE and path[-1] not in ("loan_amount",):
                assert answer.status_code in (400, 422), (name, path, answer.status_code, answer.text[:300])


async def test_deep_json_is_refused_in_every_field(asked: Api) -> None:
    deep: Any = 1
    for _ in range(DEEP):
        deep = [deep]
    for name, path in everywhere(asked):
        answer = await asked.send(name, put(asked.example(name), path, deep))
        assert answer.status_code in (400, 422), (name, path, answer.status_code, answer.text[:300])
        assert len(answer.content) < 100_000, path


def of_the_callee(name: str, path: Path_) -> bool:
    """What a list brings of people and for its script may have several lines, as an address has."""
    if name == "place_call":
        return path[0] == "name" or "variables" in path
    return path[0] == "contacts" and path[-1] in ("name", "loan_amount")


def _named(path: Path_, faults: list[dict[str, str]]) -> bool:
    """Whether a fault names the field, or what holds it. A script's own faults are named by its lines and keys."""
    wanted = str(path[0])
    if wanted == "body":
        return True
    return any(wanted in fault["loc"] or str(path[-1]) in fault["loc"] for fault in faults)
