"""Scripts, calls, keys, status and health over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from dialerd.core.messages import HostDown
from tests.control.installation import SCRIPT, Installation, call_row


async def test_a_script_is_stored_as_yaml_and_shown(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/scripts", content=SCRIPT, headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert added["script_id"].startswith("scr_")
    assert (added["name"], added["version"], added["languages"]) == ("Personal loan", 1, ["en-IN", "hi-IN"])
    shown = (await api.get(answer.headers["Location"])).json()
    assert shown == added
    assert shown["source"] == SCRIPT
    listed = (await api.get("/v1/scripts")).json()
    assert [item["script_id"] for item in listed["data"]] == [added["script_id"]]


async def test_a_script_may_choose_its_own_id_and_the_request_another(api: httpx.AsyncClient) -> None:
    yaml = {"Content-Type": "text/yaml"}
    text = f"script_id: its-own\n{SCRIPT}"
    assert (await api.post("/v1/scripts", content=text, headers=yaml)).json()["script_id"] == "its-own"
    taken = await api.post("/v1/scripts", content=text, headers=yaml)
    assert (taken.status_code, "its-own" in taken.json()["detail"]) == (409, True)
    other = await api.post("/v1/scripts?script_id=other", content=text, headers=yaml)
    assert other.json()["script_id"] == "other"


@pytest.mark.parametrize("body", [SCRIPT, {"name": "Loan", "languages": ["en-IN"]}])
async def test_a_script_is_stored_as_json_with_a_chosen_id(body: Any, api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/scripts", json={"script_id": "loan_v3", "name": "Mine", "body": body})
    assert (answer.status_code, answer.json()["script_id"], answer.json()["name"]) == (201, "loan_v3", "Mine")
    again = await api.post("/v1/scripts", json={"script_id": "loan_v3", "body": body})
    assert (again.status_code, again.json()["state"]) == (409, "exists")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 422),
        ("application/json", b'{"body": 5}', 422),
        ("application/json", b'{"body": "x: 1", "more": 1}', 422),
        ("application/json", b'{"body": "x: 1", "script_id": "a b"}', 422),
        ("application/json", b'{"body": "x\\u0000"}', 400),
        ("application/json", b'{"body": "\\ud800"}', 400),
        ("application/yaml", b"languages: [en-IN]", 422),
        ("application/yaml", b"name: \xff", 400),
        ("application/yaml", b"name: \x00", 400),
        ("application/yaml", b"#" * 300_000, 413),
        ("text/html", b"x", 415),
    ],
)
async def test_a_wrong_script_is_refused(
    content_type: str, body: bytes, status: int, api: httpx.AsyncClient, daemon: Installation
) -> None:
    answer = await api.post("/v1/scripts", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert len(daemon.store.disk.scripts) == 0


async def test_a_call_shows_its_tries_and_its_receipt(api: httpx.AsyncClient, daemon: Installation) -> None:
    daemon.store.rows.append(call_row())
    shown = (await api.get("/v1/calls/cal_0123456789ab")).json()
    assert shown["contact"] == {"phone": "+919876543210", "name": "Priya"}
    assert (shown["duration_seconds"], shown["sip_code"], shown["hangup_cause"]) == (9.5, 200, 16)
    assert shown["tries"][0]["ring_seconds"] == 2.5
    assert shown["answered_at"] == "2023-11-14T22:13:23.500Z"
    assert shown["gate"]["rules"] == {"window": "open"}
    assert shown["gate"]["at"] == "2023-11-14T22:13:20Z"
    assert shown["gate"]["local_time"] == "2023-11-15T03:43:20+05:30", "on the callee's clock"
    assert shown["callback"] is False
    assert (shown["recording_url"], shown["recording"], shown["transfer"]) == (None, None, None)
    listed = (await api.get("/v1/calls?phone=+919876543210&campaign_id=cmp_0123456789ab")).json()
    assert listed["data"] == [shown], "an unescaped plus in the query is understood"
    assert (await api.get("/v1/calls?disposition=dnc")).json()["total"] == 0
    assert (await api.get("/v1/calls/cal_000000000000")).status_code == 404


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    made = (await api.post("/v1/keys", json={"name": "crm", "scope": "read"})).json()
    assert all(made["key"].encode() not in key.digest for key in daemon.store.disk.keys.values())
    listed = (await api.get("/v1/keys")).json()
    assert [item["name"] for item in listed["data"]] == ["crm", "tests"]
    assert "key" not in listed["data"][0]
    assert [item["current"] for item in listed["data"]] == [False, True], "whoever asks knows its own key"
    crm = {"Authorization": f"Bearer {made['key']}"}
    assert (await api.get("/v1/campaigns", headers=crm)).status_code == 200
    assert (await api.delete(f"/v1/keys/{made['key_id']}")).status_code == 204
    assert (await api.get("/v1/campaigns", headers=crm)).status_code == 401
    assert (await api.delete(f"/v1/keys/{made['key_id']}")).status_code == 204
    assert (await api.delete("/v1/keys/key_000000000000")).status_code == 404


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read", {"GET /v1/scripts"}),
        ("write", {"GET /v1/scripts", "POST /v1/scripts", "POST /v1/pause", "DELETE /v1/dnc/+919876543210"}),
        ("admin", None),
    ],
)
async def test_a_scope_allows_what_it_says(
    scope: str, allowed: set[str] | None, api: httpx.AsyncClient
) -> None:
    made = (await api.post("/v1/keys", json={"scope": scope})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    for request in (
        *("GET /v1/scripts", "POST /v1/scripts", "GET /v1/keys", "POST /v1/keys"),
        *("POST /v1/pause", "POST /v1/panic", "DELETE /v1/dnc/+919876543210"),
    ):
        method, path = request.split()
        answer = await api.request(method, path, headers=headers)
        if allowed is None or request in allowed:
            assert answer.status_code != 403, request
        else:
            assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden"), request
            assert scope in answer.json()["detail"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic dTpw", "bearer \u00ff"]
)
async def test_without_a_valid_key_everything_but_health_and_the_description_is_401(
    authorization: str | None, daemon: Installation
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    transport = httpx.ASGITransport(daemon.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd", headers=headers) as nobody:
        for path in ("/v1/campaigns", "/v1/status", "/metrics", "/openapi", "/docs/", "/nothing", "/v1/keys"):
            answer = await nobody.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "dialerctl key create" in answer.json()["detail"], "no key exists yet"
        assert (await nobody.get("/healthz")).status_code == 200
        assert (await nobody.get("/readyz")).status_code == 503
        assert "/v1/calls" in (await nobody.get("/openapi.json")).json()["paths"]
        page = await nobody.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "POST /v1/campaigns" in page.text


async def test_readiness_tells_which_part_is_out_and_only_locally_where_it_is(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    where = "Asterisk's HTTP server cannot be reached at http://10.1.2.3:8088 (Connection refused)"
    daemon.connect()
    daemon.engine.post(HostDown(where))
    async with asyncio.timeout(10):
        while daemon.engine.memory.status().asterisk != where:
            await asyncio.sleep(0)
    told = await api.get("/readyz")
    assert told.status_code == 503
    assert "10.1.2.3" not in told.text
    assert told.json()["asterisk"] == "out"
    assert (told.json()["manager"], told.json()["store"]) == ("connected", "ok")
    assert any(problem.startswith("Asterisk: out") for problem in told.json()["problems"])
    assert where in (await api.get("/v1/status")).text


async def test_readiness_tells_what_is_missing(api: httpx.AsyncClient) -> None:
    body = (await api.get("/readyz")).json()
    assert body["ready"] is False
    assert any("Asterisk" in problem for problem in body["problems"])
    status = (await api.get("/v1/status")).json()
    assert status["dialing"] is False
    assert [trunk["name"] for trunk in status["trunks"]] == ["lab", "spare"]
    assert status["campaigns"]["running"] == 0


async def test_a_store_that_is_out_is_503_and_status_still_answers(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    assert (await api.get("/v1/campaigns")).status_code == 200
    daemon.store.out = "the disk is full: free some space"
    answer = await api.get("/v1/campaigns")
    assert (answer.status_code, answer.json()["detail"]) == (503, daemon.store.out)
    assert (await api.get("/v1/status")).json()["campaigns"]["running"] is None


async def test_a_bug_is_a_problem_without_its_trace(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(daemon.store, "campaigns", broken)
    with capture_logs() as logs:
        answer = await api.get("/v1/campaigns")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["title"] == "Internal error"
    assert [(entry["event"], entry["path"]) for entry in logs] == [
        ("control.request_raised", "/v1/campaigns")
    ]
    assert "secret detail" in str(logs[0]["exc_info"]), "the log has the details"


async def test_a_wrong_method_names_the_right_ones(api: httpx.AsyncClient) -> None:
    answer = await api.put("/v1/campaigns")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GET" in answer.headers["allow"] or "POST" in answer.headers["allow"]


async def test_the_description_names_every_endpoint(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert {
        "/v1/campaigns",
        "/v1/campaigns/{campaign_id}/pause",
        "/v1/calls",
        "/v1/campaigns/{campaign_id}/contacts/{phone}/why",
        "/v1/calls/{call_id}/hangup",
        "/v1/dnc/import",
        "/v1/trunks/{name}",
        "/v1/panic",
        "/v1/scripts",
        "/v1/keys",
    } <= set(document["paths"])
    body = document["paths"]["/v1/campaigns"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert referred <= set(document["components"]["schemas"]), "no reference leads nowhere"
    page = await api.get("/docs")
    assert "POST /v1/campaigns" in page.text
    assert "<script" not in page.text
