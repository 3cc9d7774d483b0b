"""What is asked for in query strings and in the options of orders: every fault of it is told, all at once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.control.installation import Installation
from tests.control.test_openapi import operations


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {fault["loc"]: fault["msg"] for fault in answer.json()["errors"]}


async def test_every_question_refuses_parameters_that_mean_nothing(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    asked = {
        path: operation
        for method, path, operation in operations(document)
        if method == "get" and any(known["in"] == "query" for known in operation.get("parameters", ()))
    }
    assert {"/v1/campaigns", "/v1/calls", "/v1/audit", "/v1/report", "/v1/dnc"} <= asked.keys()
    for path in asked:
        answer = await api.get(path.replace("{", "").replace("}", ""), params={"statuss": "x", "a": "1"})
        assert faults(answer).items() >= {"statuss": "unknown parameter", "a": "unknown parameter"}.items(), (
            path
        )
        assert "stored" not in answer.json()["detail"], "nobody wanted to store anything"


@pytest.mark.parametrize(
    ("path", "asked", "wrong"),
    [
        (
            "/v1/calls",
            {"phone": "12", "language": "!!", "from": "soon", "limit": "0", "x": "1"},
            {"phone", "language", "from", "limit", "x"},
        ),
        ("/v1/calls", {"phone": "98765", "to": "2026-02-30"}, {"phone", "to"}),
        ("/v1/campaigns", {"status": "foo", "offset": "-1", "from": "x"}, {"status", "offset", "from"}),
        ("/v1/campaigns/cmp_0/contacts", {"state": "foo", "limit": "101"}, {"state", "limit"}),
        ("/v1/audit", {"from": "x", "to": "y", "who": "z"}, {"from", "to", "who"}),
        (
            "/v1/report",
            {"by": "x", "from": "y", "timezone": "z", "who": "z"},
            {"by", "from", "timezone", "who"},
        ),
        (
            "/v1/scripts/loan/say",
            {"voice": "x", "language": "!!", "lines": "a"},
            {"voice", "language", "lines"},
        ),
    ],
)
async def test_every_fault_of_a_question_is_told_at_once(
    path: str, asked: dict[str, str], wrong: set[str], api: httpx.AsyncClient
) -> None:
    assert faults(await api.get(path, params=asked)).keys() == wrong


@pytest.mark.parametrize(
    "query",
    [
        "phone=%2B919876543210&language=hi-IN",
        "phone=+919876543210",
        "from=2026-01-15&to=2026-01-15T10:00:00+05:30",
        "from=2026-01-15T10:00:00%2B05:30",
    ],
)
async def test_a_plus_may_have_become_a_space(query: str, api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/v1/calls?{query}")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/v1/campaigns/cmp_0/stop", {"calls": "x", "ringing": "y", "z": 1}, {"calls", "ringing", "z"}),
        ("/v1/campaigns/cmp_0/pause", {"ringing": [], "calls": "finish"}, {"ringing", "calls"}),
        ("/v1/campaigns/cmp_0/start", {"now": 1, "x": None}, {"now", "x"}),
        ("/v1/campaigns/cmp_0/resume", {"a": 1, "b": 2}, {"a", "b"}),
        ("/v1/pause", {"ringing": 5, "x": 1}, {"ringing", "x"}),
        ("/v1/keys", {"name": "a\nb", "scope": "root", "x": 1}, {"name", "scope", "x"}),
        ("/v1/scripts", {"name": "", "x": 1}, {"name", "body", "x"}),
        ("/v1/webhooks/whk_0/redeliver", {"delivery_id": 5, "x": 1}, {"delivery_id", "x"}),
    ],
)
async def test_every_fault_of_an_order_is_told_at_once(
    path: str, body: dict[str, Any], wrong: set[str], api: httpx.AsyncClient, daemon: Installation
) -> None:
    answer = await api.post(path, json=body)
    assert faults(answer).keys() == wrong
    assert answer.json()["detail"].endswith("nothing was stored")


async def test_options_that_are_null_are_not_given(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/pause", json={"ringing": None})).status_code in (200, 202)
