"""Answering machines over the API: what is wanted of them, and what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from dialerd.core.identity import CallId
from dialerd.core.messages import AnswerJudged, MessageLeft, TryAnswered
from dialerd.core.model import AnsweredBy
from tests.control.installation import SCRIPT, Installation
from tests.control.test_engine_rules import body

VOICEMAIL = SCRIPT.replace("[en-IN, hi-IN]", "{en-IN: {}, hi-IN: {voicemail: Please call us back.}}")


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def create(api: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await api.post("/v1/campaigns", json={**body(), **fields})


async def test_a_campaign_says_what_is_done_with_machines(api: httpx.AsyncClient) -> None:
    made = (await create(api)).json()
    assert made["answering_machine"] == "continue"
    ident = made["campaign_id"]
    edited = await api.patch(f"/v1/campaigns/{ident}", json={"answering_machine": "hangup"})
    assert edited.json()["answering_machine"] == "hangup"
    copy = await api.post(f"/v1/campaigns/{ident}/clone", json={"contacts": "all"})
    assert copy.json()["answering_machine"] == "hangup"
    back = await api.patch(f"/v1/campaigns/{ident}", json={"answering_machine": None})
    assert back.json()["answering_machine"] == "continue"


async def test_a_message_needs_a_script_that_has_one(api: httpx.AsyncClient, daemon: Installation) -> None:
    refused = await create(api, answering_machine="message")
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["loc"] == "answering_machine"
    assert "voicemail" in fault["msg"]
    ident = (await create(api)).json()["campaign_id"]
    edited = await api.patch(f"/v1/campaigns/{ident}", json={"answering_machine": "message"})
    assert edited.status_code == 422
    await daemon.service.scripts.add(VOICEMAIL, "loan-2", None)
    made = await create(api, answering_machine="message", script_id="loan-2", language="hi-IN")
    assert made.status_code == 201, made.text
    refused = await create(api, answering_machine="message", script_id="loan-2", language="en-IN")
    assert refused.status_code == 422
    unknown = await create(api, answering_machine="sing")
    assert unknown.status_code == 422
    call = {"phone": "+919876543210", "script_id": "loan", "answering_machine": "message"}
    placed = await api.post("/v1/calls", json={**call, "language": "en-IN"})
    assert placed.status_code == 422


async def test_a_call_tells_who_has_answered(api: httpx.AsyncClient, daemon: Installation) -> None:
    daemon.connect()
    call = {"phone": "+919876543210", "script_id": "loan", "language": "hi-IN"}
    placed = await api.post("/v1/calls", json={**call, "variables": {"loan_amount": 1}})
    assert placed.status_code == 201, placed.text
    ident = placed.json()["id"]
    (order,) = daemon.telephony.originated
    daemon.engine.post(TryAnswered(order.channel))
    daemon.engine.post(AnswerJudged(CallId(ident), AnsweredBy.MACHINE, "speaks on"))
    daemon.engine.post(MessageLeft(CallId(ident)))
    async with asyncio.timeout(20):
        while not (shown := (await api.get(f"/v1/calls/{ident}")).json())["message_left"]:
            await asyncio.sleep(0.01)
    assert shown["answered_by"] == "machine"
