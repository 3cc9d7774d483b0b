"""Webhooks over the API: made, changed, looked at, and told what the API itself shows."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dialerd.core.delivery import Reply
from dialerd.core.identity import call_of
from dialerd.core.messages import (
    AgentFinished,
    OriginateAccepted,
    TrunkReachability,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.model import AgentReport
from dialerd.core.webhook import EventKind
from dialerd.sim.webhooks import NOBODY, TAKEN
from tests.control.installation import Installation

URL = "https://crm.example.com/hook"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def made(api: httpx.AsyncClient, *events: str, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/v1/webhooks", json={"url": URL, "events": list(events) or ["*"], **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told(daemon: Installation, count: int) -> list[dict[str, Any]]:
    """What the receiver has taken, in the order of its ids."""
    await until(lambda: len(daemon.webhooks.taken) >= count)
    taken = sorted(daemon.webhooks.taken, key=lambda message: message.id)
    return [orjson.loads(message.body) for message in taken]


# --- made, listed, changed -----------------------------------------------------------------------


async def test_a_webhook_is_made_and_its_secret_shown_once(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/webhooks", json={"url": URL, "events": ["call.completed", "dnc.added"], "description": "CRM"}
    )
    hook = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{hook['webhook_id']}"
    assert hook["webhook_id"].startswith("whk_")
    assert len(hook["webhook_id"]) == 16
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) >= 24
    shown = (await api.get(f"/v1/webhooks/{hook['webhook_id']}")).json()
    assert shown == hook
    assert (shown["url"], shown["events"], shown["enabled"]) == (URL, ["call.completed", "dnc.added"], True)
    second = await made(api)
    listed = (await api.get("/v1/webhooks", params={"limit": 1})).json()
    assert (listed["total"], listed["data"][0]["webhook_id"]) == (2, second["webhook_id"])
    assert "secret" not in (await api.get("/v1/webhooks")).text


async def test_a_request_that_comes_again_makes_one_webhook(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "8e03978e"}
    body = {"url": URL, "events": ["*"]}
    first = await api.post("/v1/webhooks", json=body, headers=headers)
    again = await api.post("/v1/webhooks", json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert (await api.get("/v1/webhooks")).json()["total"] == 1


async def test_a_secret_can_be_brought_along(api: httpx.AsyncClient) -> None:
    secret = "whsec_" + base64.b64encode(b"x" * 24).decode()
    assert (await made(api, secret=secret))["secret"] == secret


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({}, ["url", "events"]),
        ({"url": URL}, ["events"]),
        ({"url": URL, "events": []}, ["events"]),
        ({"url": URL, "events": ["call.begun"]}, ["events.0"]),
        ({"url": URL, "events": "*"}, ["events"]),
        ({"url": URL, "events": ["*"], "secret": "whsec_c2hvcnQ="}, ["secret"]),
        ({"url": URL, "events": ["*"], "secret": "abc"}, ["secret"]),
        ({"url": URL, "events": ["*"], "description": "a\nb"}, ["description"]),
        ({"url": "https://refused.example/", "events": ["*", "x"]}, ["events.1", "url"]),
        ({"url": 5, "events": ["*"]}, ["url"]),
        ({"url": URL, "events": ["*"], "method": "PUT"}, ["method"]),
    ],
)
async def test_every_fault_is_named_and_nothing_is_made(
    fields: dict[str, Any], locs: list[str], api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.webhooks.refused["https://refused.example/"] = "is 10.0.0.1, no public address"
    answer = await api.post("/v1/webhooks", json=fields)
    assert (answer.status_code, [fault["loc"] for fault in answer.json()["errors"]]) == (422, locs)
    assert (await api.get("/v1/webhooks")).json()["total"] == 0


async def test_a_webhook_is_changed_disabled_enabled_and_given_a_new_secret(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    hook = await made(api)
    path = f"/v1/webhooks/{hook['webhook_id']}"
    changed = (
        await api.patch(path, json={"events": ["dnc.added"], "description": "x", "enabled": False})
    ).json()
    assert (changed["events"], changed["description"], changed["enabled"]) == (["dnc.added"], "x", False)
    assert changed["disabled_reason"].startswith("by order")
    assert "secret" not in changed
    await api.post("/v1/dnc", json={"phone": "+15550100199"})
    assert (await api.post(f"{path}/redeliver")).status_code == 409
    renewed = (await api.patch(path, json={"enabled": True, "secret": None, "description": None})).json()
    assert (renewed["enabled"], renewed["disabled_reason"], renewed["description"]) == (True, None, "")
    assert renewed["secret"] not in (hook["secret"], None)
    await api.post("/v1/dnc", json={"phone": "+15550100198"})
    (event,) = await told(daemon, 1)
    assert event["data"]["phone"] == "+15550100198"
    assert daemon.webhooks.taken[0].secret == renewed["secret"]
    daemon.webhooks.refused["https://other.example/"] = "no"
    wrong = await api.patch(path, json={"url": "https://other.example/", "enabled": None, "x": 1})
    assert [fault["loc"] for fault in wrong.json()["errors"]] == ["x", "enabled", "url"]


async def test_a_removed_webhook_is_gone(api: httpx.AsyncClient) -> None:
    path = f"/v1/webhooks/{(await made(api))['webhook_id']}"
    assert (await api.delete(path)).status_code == 204
    for method, where in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/deliveries"),
        ("POST", "/redeliver"),
        ("POST", "/test"),
    ):
        body = {} if method == "PATCH" else None
        assert (await api.request(method, path + where, json=body)).status_code == 404, where


# --- what is told --------------------------------------------------------------------------------


async def test_calls_and_campaigns_are_told_as_the_api_shows_them(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await made(api)
    await daemon.add_script()
    daemon.connect()
    created = await api.post(
        "/v1/campaigns",
        json={
            "name": "Loans",
            "script_id": "loan",
            "language": "en-IN",
            "contacts": [{"phone": "+919876540001", "name": "Priya शर्मा", "loan_amount": 5}],
        },
    )
    campaign = created.json()["campaign_id"]
    await api.post(f"/v1/campaigns/{campaign}/start", json={"now": True})
    await until(lambda: daemon.telephony.originated)
    channel = daemon.telephony.originated[0].channel
    call = call_of(channel)
    begun = (await api.get(f"/v1/campaigns/{campaign}")).json()
    report = AgentReport("interested", True, {"amount": "५"}, ({"speaker": "agent", "text": "नमस्ते"},))
    for event in (OriginateAccepted(channel), TryShown(channel), TryRinging(channel), TryAnswered(channel)):
        daemon.engine.post(event)
    daemon.engine.post(AgentFinished(call, report))
    await until(lambda: daemon.telephony.hung_up)
    daemon.engine.post(TryEnded(channel, 16, 200))
    events = await told(daemon, 4)
    assert [event["type"] for event in events] == [
        "campaign.started",
        "call.disposition_set",
        "call.completed",
        "campaign.completed",
    ]
    started, labelled, completed, over = (event["data"] for event in events)
    assert completed == (await api.get(f"/v1/calls/{call}")).json()
    assert completed["contact"] == {"phone": "+919876540001", "name": "Priya शर्मा"}
    assert (labelled["id"], labelled["status"], labelled["disposition"]) == (
        call,
        "in_progress",
        "interested",
    )
    assert labelled["captured"] == {"amount": "५"}
    assert over == (await api.get(f"/v1/campaigns/{campaign}")).json()
    assert (started["status"], started["progress"]["called"]) == ("running", 0)
    assert started.keys() == begun.keys()
    assert all(event["timestamp"].endswith("Z") for event in events)


async def test_trunks_and_listed_numbers_are_told_as_the_api_shows_them(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await made(api)
    daemon.engine.post(TrunkReachability("lab", False, "no answer to OPTIONS"))
    await told(daemon, 1)
    await api.post("/v1/dnc", json={"phone": "+9198*", "reason": "law"})
    down, listed = await told(daemon, 2)
    detail = down["data"].pop("detail")
    assert (down["type"], detail) == ("trunk.down", "no answer to OPTIONS")
    assert down["data"] == (await api.get("/v1/trunks/lab")).json()
    assert listed["data"] == (await api.get("/v1/dnc/+9198*")).json()


@pytest.mark.parametrize("kind", [kind.value for kind in EventKind])
async def test_every_event_of_the_api_can_be_asked_for(kind: str, api: httpx.AsyncClient) -> None:
    assert (await made(api, kind))["events"] == [kind]


# --- what became of it ---------------------------------------------------------------------------


async def test_deliveries_are_listed_by_state_and_dead_ones_sent_again(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.webhooks.answer = lambda message: Reply(410 if "199" in message.body else 204)
    path = f"/v1/webhooks/{(await made(api))['webhook_id']}"
    await api.post("/v1/dnc", json={"phone": "+15550100198"})
    await until(lambda: daemon.webhooks.taken)
    await api.post("/v1/dnc", json={"phone": "+15550100199"})
    await until(lambda: len(daemon.webhooks.attempts) == 2)
    async with asyncio.timeout(20):
        while (await api.get(f"{path}/deliveries", params={"state": "dead"})).json()["total"] == 0:
            await asyncio.sleep(0.02)
    listed = (await api.get(f"{path}/deliveries")).json()
    dead, taken = listed["data"]
    assert (listed["total"], dead["state"], taken["state"]) == (2, "dead", "delivered")
    assert (dead["attempts"], dead["status_code"], dead["next_attempt_at"]) == (1, 410, None)
    assert dead["payload"]["data"]["phone"] == "+15550100199"
    assert [message.id for message in daemon.webhooks.attempts] == [taken["delivery_id"], dead["delivery_id"]]
    figures = {
        sample.name: sample.value
        for family in text_string_to_metric_families((await api.get("/metrics")).text)
        for sample in family.samples
        if sample.name.startswith("dialerd_webhook")
    }
    assert figures == {
        "dialerd_webhook_deliveries_waiting": 0,
        "dialerd_webhook_deliveries_dead": 1,
        "dialerd_webhook_deliveries_delivered_total": 1,
        "dialerd_webhook_attempts_failed_total": 1,
    }
    status = (await api.get("/v1/status")).json()["webhooks"]
    assert status == {"webhooks": 1, "disabled": 1, "waiting": 0, "dead": 1}
    assert (await api.get(path)).json()["enabled"] is False
    await api.patch(path, json={"enabled": True})
    daemon.webhooks.answer = lambda message: TAKEN
    assert (await api.post(f"{path}/redeliver")).json() == {"redelivered": 1}
    await until(lambda: len(daemon.webhooks.taken) == 2)
    again = await api.post(f"{path}/redeliver", json={"delivery_id": taken["delivery_id"]})
    assert again.json() == {"redelivered": 1}
    await until(lambda: len(daemon.webhooks.taken) == 3)
    assert [message.id for message in daemon.webhooks.taken][1:] == [
        dead["delivery_id"],
        taken["delivery_id"],
    ]


@pytest.mark.parametrize(
    ("ident", "status"), [("msg_000000000001", 404), ("x", 404), (5, 422), ([], 422), ({}, 422)]
)
async def test_an_unknown_delivery_is_not_sent_again(
    ident: object, status: int, api: httpx.AsyncClient
) -> None:
    path = f"/v1/webhooks/{(await made(api))['webhook_id']}"
    answer = await api.post(f"{path}/redeliver", json={"delivery_id": ident})
    assert answer.status_code == status


async def test_a_state_that_does_not_exist_is_refused(api: httpx.AsyncClient) -> None:
    path = f"/v1/webhooks/{(await made(api))['webhook_id']}"
    answer = await api.get(f"{path}/deliveries", params={"state": "lost"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, "state")


async def test_a_test_tells_what_the_receiver_said(api: httpx.AsyncClient, daemon: Installation) -> None:
    hook = await made(api)
    path = f"/v1/webhooks/{hook['webhook_id']}"
    sent = (await api.post(f"{path}/test")).json()
    assert (sent["delivered"], sent["status_code"], sent["detail"]) == (True, 204, None)
    (event,) = await told(daemon, 1)
    assert (event["type"], event["data"]) == ("webhook.test", {"webhook_id": hook["webhook_id"]})
    daemon.webhooks.answer = lambda message: NOBODY
    failed = (await api.post(f"{path}/test")).json()
    assert (failed["delivered"], failed["status_code"], failed["detail"]) == (
        False,
        None,
        "connection refused",
    )
    assert (await api.get(f"{path}/deliveries")).json()["total"] == 0


async def test_a_store_that_is_out_is_said_and_figures_go_on(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    path = f"/v1/webhooks/{(await made(api))['webhook_id']}"
    daemon.store.out = "disk full"
    assert (await api.get(f"{path}/deliveries")).status_code == 503
    assert (await api.get(path)).status_code == 200
    assert (await api.get("/v1/status")).json()["webhooks"]["waiting"] is None
    metrics = await api.get("/metrics")
    assert metrics.status_code == 200
    assert "dialerd_webhook" not in metrics.text
