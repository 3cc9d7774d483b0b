"""A person over all campaigns: shown as a whole, and erased so that nothing tells of them any more."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from dialerd.core.clock import Millis
from dialerd.core.identity import E164
from dialerd.core.messages import TryEnded
from tests.control.installation import Installation, call_row, client_of, installation
from tests.control.test_files import ONE, TWO, created, request

PERSON = f"/v1/contacts/{ONE}"
PLACED = {
    "phone": ONE,
    "name": "Priya",
    "script_id": "loan",
    "language": "en-IN",
    "variables": {"loan_amount": 5},
}


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def test_a_person_is_shown_over_all_campaigns(api: httpx.AsyncClient, daemon: Installation) -> None:
    nobody = (await api.get(PERSON)).json()
    assert nobody == {
        "phone": ONE,
        "dnc": None,
        "live_call": None,
        "being_erased": False,
        "frequency": [],
        "campaigns": [],
        "calls": [],
        "total_calls": 0,
    }
    first = await created(api, [{"phone": ONE, "name": "प्रिया", "loan_amount": 1}])
    second = await created(api, [{"phone": ONE, "loan_amount": 2}, {"phone": TWO, "loan_amount": 3}])
    daemon.store.rows.append(replace(call_row(), phone=E164(ONE)))
    await api.post("/v1/dnc", json={"phone": "+91987*", "reason": "region"})
    found = (await api.get(PERSON)).json()
    assert {place["campaign_id"] for place in found["campaigns"]} == {
        first.rpartition("/")[2],
        second.rpartition("/")[2],
    }
    assert {place["name"] for place in found["campaigns"]} == {"प्रिया", None}
    assert (found["total_calls"], found["calls"][0]["disposition"]) == (1, "interested")
    assert (found["dnc"]["phone"], found["dnc"]["reason"]) == ("+91987*", "region")
    assert (await api.get("/v1/contacts/98765")).status_code == 422


async def test_how_often_a_person_was_called_is_told_by_each_cap(tmp_path: Path) -> None:
    async with installation(tmp_path, caps=((Millis(86_400_000), 1),)) as daemon, client_of(daemon) as api:
        await daemon.add_script()
        daemon.connect()
        placed = await api.post("/v1/calls", json=PLACED)
        assert placed.status_code == 201, placed.text
        assert (await api.get(PERSON)).json()["live_call"] == placed.json()["id"]
        (cap,) = (await api.get(PERSON)).json()["frequency"]
        assert (cap["hours"], cap["limit"]) == (24, 1)


async def test_an_erased_person_is_nowhere_and_the_figures_stay(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    path = await created(
        api,
        [
            {"phone": ONE, "name": "Priya", "external_id": "crm-7", "loan_amount": 777},
            {"phone": TWO, "loan_amount": 1},
        ],
    )
    await api.post("/v1/dnc", json={"phone": ONE, "reason": "asked by mail"})
    keyed = {"Idempotency-Key": "k1"}
    await api.post("/v1/campaigns", json=request([{"phone": ONE, "loan_amount": 1}]), headers=keyed)
    before = (await api.get(path)).json()["progress"]
    assert (await api.delete(PERSON)).status_code == 204
    after = (await api.get(path)).json()["progress"]
    assert after["total_contacts"] == before["total_contacts"] == 2
    listed = (await api.get(f"{path}/contacts")).json()["data"]
    assert listed[0]["phone"].startswith("+999")
    assert listed[0]["name"] is listed[0]["external_id"] is None
    assert listed[0]["variables"] == {}
    assert listed[1]["phone"] == TWO
    shown = (await api.get(PERSON)).json()
    assert (shown["campaigns"], shown["being_erased"]) == ([], False)
    assert shown["dnc"]["reason"] == "asked by mail"
    everything = [(await api.get(f"{path}{end}")).text for end in ("", "/contacts", "/calls", "/results.csv")]
    everything.append((await api.get("/v1/audit?limit=100&action=contact.erased")).text)
    assert ONE not in json.dumps(everything)
    (told,) = (await api.get("/v1/audit?action=contact.erased")).json()["data"]
    assert told["object"] == E164(ONE).masked
    again = await api.post("/v1/campaigns", json=request([{"phone": ONE, "loan_amount": 1}]), headers=keyed)
    assert (again.status_code, ONE in again.text) == (201, False)
    assert (await api.delete(PERSON)).status_code == 204, "a second time there is nothing to do"
    async with asyncio.timeout(20):
        stand_in = f"/v1/contacts/{quote(listed[0]['phone'])}"
        assert (await api.delete(stand_in)).status_code == 204, "who stands in for an erased person is nobody"


async def test_nobody_is_erased_during_a_call(api: httpx.AsyncClient, daemon: Installation) -> None:
    daemon.connect()
    placed = (await api.post("/v1/calls", json=PLACED)).json()["id"]
    refused = await api.delete(PERSON)
    assert (refused.status_code, refused.json()["state"]) == (409, "in-call")
    assert placed in refused.json()["detail"]
    daemon.engine.post(TryEnded(daemon.telephony.originated[0].channel, 17, 486))
    while (await api.get(PERSON)).json()["live_call"] is not None:
        pass
    assert (await api.delete(PERSON)).status_code == 204
    call = (await api.get(f"/v1/calls/{placed}")).json()
    assert call["contact"]["phone"].startswith("+999")
    assert call["contact"]["name"] is None
    assert (await api.get("/v1/calls", params={"phone": ONE})).json()["total"] == 0
