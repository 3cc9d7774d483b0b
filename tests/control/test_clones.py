"""A campaign made of another one's leftovers: whom it takes over, what it inherits, and what is judged anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.sim.disk import StoredContact
from tests.control.installation import Installation

PHONES = [f"+9198765432{number:02}" for number in range(10)]


def request(*phones: str, **more: Any) -> dict[str, Any]:
    fields = {"name": "Loans", "script_id": "loan", "language": "en-IN"}
    people = [{"phone": phone, "name": f"P{phone[-2:]}", "loan_amount": int(phone[-2:])} for phone in phones]
    return {**fields, "contacts": people, **more}


def put(daemon: Installation, campaign: str, number: int, **changes: Any) -> None:
    """Have something become of a contact."""
    before: Contact = daemon.store.contacts_of(campaign)[number]
    listed = daemon.store.disk.contacts[before.id]
    daemon.store.disk.contacts.put(before.id, StoredContact(replace(before, **changes), listed.import_id))
    daemon.store.disk.contacts.adopt()


@pytest.fixture
async def source(api: httpx.AsyncClient, daemon: Installation) -> str:
    """A stopped campaign with contacts of every kind."""
    await daemon.add_script()
    made = await api.post(
        "/v1/campaigns", json=request(*PHONES[:7], max_attempts=3, retry_rules={"busy": {"max": 1}})
    )
    ident = str(made.json()["campaign_id"])
    await api.post(f"/v1/campaigns/{ident}/stop")
    finished = {"state": ContactState.FINISHED, "attempts": 1}
    put(daemon, ident, 0, **finished, disposition="paid", connected_attempt=1)
    put(daemon, ident, 1, **finished, disposition="not_reachable", reason=Reason.BUSY)
    put(daemon, ident, 2, **finished, disposition="not_reachable", reason=Reason.INVALID_NUMBER)
    put(daemon, ident, 3, state=ContactState.EXPIRED)
    put(daemon, ident, 4, state=ContactState.EXPIRED, attempts=1, connected_attempt=1)
    put(daemon, ident, 5, state=ContactState.SUPPRESSED)
    return ident


async def taken(api: httpx.AsyncClient, source: str, **given: Any) -> list[str]:
    made = await api.post(f"/v1/campaigns/{source}/clone", json=given)
    assert made.status_code == 201, made.text
    listed = (await api.get(f"{made.headers['location']}/contacts")).json()
    assert made.json()["import"]["accepted"] == listed["total"] == made.json()["progress"]["total_contacts"]
    return [contact["phone"] for contact in listed["data"]]


async def test_a_clone_takes_over_whom_it_is_told_to(api: httpx.AsyncClient, source: str) -> None:
    assert await taken(api, source) == [PHONES[1], PHONES[3], PHONES[6]], "unreached"
    assert await taken(api, source, contacts="expired") == [PHONES[3], PHONES[4]]
    assert await taken(api, source, contacts="all") == PHONES[:7]
    assert await taken(api, source, contacts="none") == []


async def test_a_clone_begins_anew_with_the_settings_of_the_old_one(
    api: httpx.AsyncClient, source: str
) -> None:
    old = (await api.get(f"/v1/campaigns/{source}")).json()
    made = (
        await api.post(f"/v1/campaigns/{source}/clone", json={"contacts": "all", "max_attempts": 2})
    ).json()
    assert (made["name"], made["status"], made["max_attempts"]) == ("Loans (copy)", "scheduled", 2)
    assert made["retry_rules"] == old["retry_rules"]
    assert made["progress"]["called"] == 0
    contacts = (await api.get(f"/v1/campaigns/{made['campaign_id']}/contacts")).json()["data"]
    assert contacts[0] == {
        **contacts[0],
        "name": "P00",
        "variables": {"loan_amount": 0},
        "state": "pending",
        "attempts": 0,
        "disposition": None,
    }


async def test_a_schedule_keeps_its_days_and_not_its_times(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    schedule = {
        "start_time": "2190-01-01T09:00:00+05:30",
        "end_time": "2190-02-01T09:00:00+05:30",
        "timezone": "Asia/Kolkata",
        "hours": [{"days": ["mon"], "from": "09:00", "to": "18:00"}],
    }
    made = await api.post("/v1/campaigns", json=request(PHONES[0], schedule=schedule))
    path = f"/v1/campaigns/{made.json()['campaign_id']}/clone"
    kept = (await api.post(path, json={"contacts": "none"})).json()["schedule"]
    assert (kept["start_time"], kept["end_time"]) == (None, None)
    assert (kept["timezone"], kept["hours"]) == ("Asia/Kolkata", schedule["hours"])
    given = {"start_time": "2191-01-01T09:00:00+05:30", "end_time": "2191-02-01T09:00:00+05:30"}
    merged = (await api.post(path, json={"contacts": "none", "schedule": given})).json()["schedule"]
    assert (merged["start_time"], merged["hours"]) == ("2191-01-01T03:30:00Z", schedule["hours"])


async def test_contacts_are_held_against_the_list_as_it_is_now(api: httpx.AsyncClient, source: str) -> None:
    await api.post("/v1/dnc", json={"phone": PHONES[3]})
    made = (await api.post(f"/v1/campaigns/{source}/clone", json={"contacts": "all"})).json()
    assert (made["import"]["received"], made["import"]["suppressed_dnc"]) == (7, 1)
    listed = (await api.get(f"/v1/campaigns/{made['campaign_id']}/contacts")).json()["data"]
    assert [one["phone"] for one in listed if one["state"] == "suppressed"] == [PHONES[3]]


async def test_contacts_that_lack_a_variable_are_named_or_left_out(
    api: httpx.AsyncClient, source: str, daemon: Installation
) -> None:
    await daemon.service.scripts.add(
        "name: Other\nlanguages: [en-IN]\nvariables:\n  city: {}\n", "other", None
    )
    given = {"contacts": "expired", "script_id": "other"}
    refused = await api.post(f"/v1/campaigns/{source}/clone", json=given)
    assert refused.status_code == 422
    assert [fault["loc"] for fault in refused.json()["errors"]][:2] == ["contacts.1", "contacts.2"]
    assert "city" in refused.json()["invalid"][0]["reason"]
    assert (await api.get("/v1/campaigns")).json()["total"] == 1, "nothing was stored"
    put(daemon, source, 3, variables={"city": "Pune"})
    assert await taken(api, source, **given, on_invalid="skip") == [PHONES[3]]


async def test_what_makes_no_campaign_is_refused(api: httpx.AsyncClient, source: str) -> None:
    path = f"/v1/campaigns/{source}/clone"
    refused = await api.post(path, json={"contacts": "some", "max_attempts": 11, "default_region": "IN"})
    assert {fault["loc"] for fault in refused.json()["errors"]} == {
        "contacts",
        "max_attempts",
        "default_region",
    }
    assert (await api.post("/v1/campaigns/cmp_none/clone", json={})).status_code == 404
    running = (await api.post("/v1/campaigns", json=request(PHONES[0]))).json()["campaign_id"]
    nobody = await api.post(f"/v1/campaigns/{running}/clone", json={"contacts": "unreached"})
    assert nobody.status_code == 422, "nobody is left of one that has not begun"
