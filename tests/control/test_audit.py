"""Who changed what, and from where: every change over the API is told of, and nobody's secret is."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.control.installation import SCRIPT, Installation

PERSON = {"phone": "+919876543210", "loan_amount": 5}
CAMPAIGN = {"name": "Loans", "script_id": "loan", "language": "en-IN", "contacts": [PERSON]}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def trail(api: httpx.AsyncClient, **asked: str) -> list[dict[str, Any]]:
    answer = await api.get("/v1/audit", params={"limit": "100", **asked})
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_what_is_done_with_a_campaign_is_told_of(api: httpx.AsyncClient) -> None:
    made = (await api.post("/v1/campaigns", json=CAMPAIGN)).json()["campaign_id"]
    path = f"/v1/campaigns/{made}"
    await api.patch(path, json={"name": "New", "max_attempts": 3})
    await api.post(f"{path}/contacts", content="phone,loan_amount\n+919123456789,6\n", headers=CSV)
    for verb in ("start", "start", "pause", "pause", "resume", "stop", "stop"):
        await api.post(f"{path}/{verb}")
    copy = (await api.post(f"{path}/clone", json={"contacts": "all"})).json()["campaign_id"]
    assert (await api.delete(path)).status_code == 204
    told = await trail(api, object=made)
    assert [(one["action"], one["details"]) for one in told[::-1]] == [
        ("campaign.created", {"name": "Loans", "contacts": 1}),
        ("campaign.edited", {"changed": {"name": "New", "max_attempts": 3}}),
        ("campaign.contacts_added", {"contacts": 1}),
        ("campaign.started", {}),
        ("campaign.paused", {}),
        ("campaign.resumed", {}),
        ("campaign.stopped", {}),
        ("campaign.deleted", {}),
    ]
    (cloned,) = await trail(api, object=copy)
    assert (cloned["action"], cloned["details"]["from"]) == ("campaign.cloned", made)


async def test_who_it_was_and_from_where_is_told(api: httpx.AsyncClient, daemon: Installation) -> None:
    made = (await api.post("/v1/keys", json={"name": "crm", "scope": "write"})).json()
    crm = {"Authorization": f"Bearer {made['key']}"}
    assert (await api.post("/v1/pause", headers=crm)).status_code == 200
    (told,) = await trail(api, actor="crm")
    assert (told["actor"], told["actor_name"], told["origin"]) == (made["key_id"], "crm", "127.0.0.1")
    assert (told["action"], told["object"], told["details"]) == ("daemon.paused", None, {})
    assert (await trail(api, actor=made["key_id"])) == [told]
    refused = await api.get("/v1/audit", headers=crm)
    assert (refused.status_code, "admin" in refused.json()["detail"]) == (403, True)


async def test_everything_else_that_changes_something_is_told_of(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    yaml = {"Content-Type": "application/yaml"}
    await api.post("/v1/scripts?script_id=s2", content=SCRIPT, headers=yaml)
    await api.put("/v1/scripts/s2", content=SCRIPT.replace("Personal", "Home"), headers=yaml)
    await api.post("/v1/agents", json={"agent_id": "priya", "agent_name": "Priya"})
    await api.patch("/v1/agents/priya", json={"voice": "male"})
    await api.delete("/v1/agents/priya")
    await api.delete("/v1/scripts/s2")
    await api.patch("/v1/trunks/lab", json={"max_channels": 3})
    await api.patch("/v1/trunks/lab", json={"paused": True})
    await api.patch("/v1/trunks/lab", json={"paused": False})
    await api.post("/v1/dnc", json={"phone": "+919876500001", "reason": "mail"})
    await api.post("/v1/dnc/import", content="phone\n+919876500002\n+9198765*\n", headers=CSV)
    await api.delete("/v1/dnc/+919876500001")
    await api.post("/v1/panic")
    await api.post("/v1/panic")
    await api.post("/v1/resume")
    key = (await api.post("/v1/keys", json={"name": "k"})).json()["key_id"]
    await api.delete(f"/v1/keys/{key}")
    told = (await trail(api, actor="tests"))[::-1]
    assert [(one["action"], one["object"]) for one in told] == [
        ("script.created", "s2"),
        ("script.replaced", "s2"),
        ("agent.created", "priya"),
        ("agent.edited", "priya"),
        ("agent.deleted", "priya"),
        ("script.deleted", "s2"),
        ("trunk.changed", "lab"),
        ("trunk.paused", "lab"),
        ("trunk.resumed", "lab"),
        ("dnc.added", "+919876500001"),
        ("dnc.imported", None),
        ("dnc.removed", "+919876500001"),
        ("daemon.panicked", None),
        ("daemon.panicked", None),
        ("daemon.resumed", None),
        ("key.created", key),
        ("key.revoked", key),
    ]
    by_action = {one["action"]: one["details"] for one in told}
    assert by_action["trunk.changed"] == {"max_channels": 3}
    assert by_action["dnc.added"] == {"reason": "mail"}
    assert by_action["dnc.imported"] == {"entries": 2}
    assert by_action["key.created"] == {"name": "k", "scope": "write"}
    assert by_action["agent.edited"] == {"changed": {"voice": "male"}}
    assert await trail(api, object="+919876500001", action="dnc.added") == [
        one for one in told[::-1] if one["action"] == "dnc.added"
    ]


async def test_calls_are_told_of_without_whom_they_were_to(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    fields = {"phone": "+919876543210", "script_id": "loan", "language": "en-IN"}
    made = await api.post("/v1/calls", json={**fields, "variables": {"loan_amount": 5}})
    assert made.status_code == 201, made.text
    await api.post(f"/v1/calls/{made.json()['id']}/hangup")
    told = await trail(api, object=made.json()["id"])
    assert [one["action"] for one in told] == ["call.hung_up", "call.placed"]
    assert "9876543210" not in json.dumps(told)


async def test_no_secret_is_in_the_trail(api: httpx.AsyncClient, daemon: Installation) -> None:
    made = (await api.post("/v1/keys", json={"name": "crm"})).json()
    assert made["key"].removeprefix("dk_") not in json.dumps(await trail(api))


async def test_the_trail_is_paged_and_its_times_are_judged(api: httpx.AsyncClient) -> None:
    page = (await api.get("/v1/audit", params={"limit": 1})).json()
    assert (len(page["data"]), page["total"], page["limit"]) == (1, 2, 1)
    assert page["data"][0]["action"] == "key.created", "the newest"
    assert await trail(api, **{"from": "2099-01-01"}) == []
    assert await trail(api, to="2001-01-01") == []
    refused = await api.get("/v1/audit", params={"from": "yesterday"})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, "from")


async def test_webhooks_are_told_of_without_what_must_stay_secret(api: httpx.AsyncClient) -> None:
    fields = {"url": "https://crm.example/hook?token=hidden-1", "events": ["dnc.added"]}
    made = (await api.post("/v1/webhooks", json=fields)).json()
    ident = made["webhook_id"]
    path = f"/v1/webhooks/{ident}"
    changes = {"url": "https://other.example/?token=hidden-2", "secret": None, "enabled": False}
    changed = (await api.patch(path, json=changes)).json()
    await api.delete(path)
    told = await trail(api, object=ident)
    assert [one["action"] for one in told] == ["webhook.deleted", "webhook.edited", "webhook.created"]
    assert told[2]["details"] == {"host": "crm.example", "events": ["dnc.added"]}
    assert (told[1]["details"]["changed"]["url"], "secret" in told[1]["details"]["changed"]) == (
        "other.example",
        True,
    )
    for secret in ("hidden", made["secret"], changed["secret"]):
        assert secret not in json.dumps(told)
