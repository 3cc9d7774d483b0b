"""What operators and CRMs do with a live dialer: edit, add, ask why, suppress, halt, place single calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.core.clock import Millis
from dialerd.core.messages import TryEnded
from dialerd.engine.status import Carried
from tests.control.installation import Installation, call_row, client_of, installation

RULED = {
    "retry_rules": {"busy": {"after_minutes": 5, "max": 3}, "dropped": {"after_minutes": 0}},
    "max_callbacks": 2,
}


def soon(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def body(**changes: Any) -> dict[str, Any]:
    plain = {
        "name": "Loans",
        "script_id": "loan",
        "language": "en-IN",
        "schedule": {"start_time": soon(1), "end_time": soon(30), "timezone": "Asia/Kolkata"},
        "contacts": [{"phone": f"+91987654{number:04d}", "loan_amount": 5} for number in range(4)],
    }
    return plain | changes


@pytest.fixture
async def campaign(api: httpx.AsyncClient, daemon: Installation) -> dict[str, Any]:
    await daemon.add_script()
    created = await api.post("/v1/campaigns", json=body())
    assert created.status_code == 201, created.text
    return dict(created.json())


async def why(api: httpx.AsyncClient, path: str) -> dict[str, str | None]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    return {item["reason"]: item["until"] for item in answer.json()["reasons"]}


# --- rules of a campaign -------------------------------------------------------------------------


async def test_hours_holidays_and_rules_are_kept_and_shown(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    hours = [{"days": ["mon", "tue"], "from": "22:00", "to": "02:00"}]
    schedule = body()["schedule"] | {"hours": hours, "holidays": ["2027-01-26", "IN"]}
    created = (await api.post("/v1/campaigns", json=body(schedule=schedule, **RULED))).json()
    again = (await api.get(f"/v1/campaigns/{created['campaign_id']}")).json()
    for shown in (created, again):
        assert shown["schedule"]["hours"] == hours
        assert shown["schedule"]["holidays"] == ["2027-01-26", "IN"]
        assert shown["retry_rules"]["busy"] == {"after_minutes": 5, "max": 3}
        assert shown["max_callbacks"] == 2


async def test_an_edit_needs_the_version_that_was_read(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    tag = (await api.get(path)).headers["etag"]
    edited = await api.patch(path, json={"max_attempts": 3, **RULED}, headers={"If-Match": tag})
    assert (edited.status_code, edited.json()["max_attempts"]) == (200, 3)
    assert edited.headers["etag"] != tag
    late = await api.patch(path, json={"name": "Other"}, headers={"If-Match": tag})
    assert late.status_code == 412
    plain = await api.patch(path, json={"name": "Other"})
    assert (plain.status_code, plain.json()["name"]) == (200, "Other")


async def test_every_fault_of_an_edit_is_named_and_nothing_changes(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    wrong = {
        "max_attempts": 0,
        "trunks": ["nowhere"],
        "script_id": "other",
        "schedule": {"end_time": soon(-1)},
    }
    answer = await api.patch(path, json=wrong)
    assert answer.status_code == 422
    assert {fault["loc"] for fault in answer.json()["errors"]} >= {"max_attempts", "trunks.0", "script_id"}
    assert (await api.get(path)).json()["max_attempts"] == campaign["max_attempts"]


async def test_contacts_are_added_listed_and_counted(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    more = [{"phone": "+919876540000", "loan_amount": 1}, {"phone": "+919876549999", "loan_amount": 1}]
    added = await api.post(f"{path}/contacts", json={"contacts": more})
    assert added.status_code == 201, added.text
    assert added.json()["import"]["duplicates"] == 1
    listed = (await api.get(f"{path}/contacts?limit=100")).json()
    assert listed["total"] == 5
    assert {contact["state"] for contact in listed["data"]} == {"pending"}
    assert (await api.get(path)).json()["progress"]["total_contacts"] == 5
    csv = await api.post(
        f"{path}/contacts",
        content="phone,loan_amount\n+919876548888,7\n",
        headers={"Content-Type": "text/csv"},
    )
    assert csv.status_code == 201, csv.text
    none = await api.get(f"{path}/contacts?state=suppressed")
    assert none.json()["total"] == 0
    assert (await api.get(f"{path}/contacts?state=gone")).status_code == 422


# --- why -----------------------------------------------------------------------------------------


async def test_why_names_every_blocker_and_when_it_lifts(
    api: httpx.AsyncClient, daemon: Installation, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    found = await why(api, f"{path}/why")
    assert set(found) >= {"asterisk", "manager", "campaign", "window"}
    assert found["window"] == campaign["schedule"]["start_time"]
    daemon.connect()
    phone = "+919876540001"
    assert (await api.post("/v1/dnc", json={"phone": phone, "reason": "asked"})).status_code == 201
    listed = await api.get(f"{path}/contacts/{phone}/why")
    assert listed.json()["reasons"][0]["detail"].startswith("suppressed")
    assert (await api.get(f"{path}/contacts/+15550100999/why")).status_code == 404
    assert (await api.get(f"{path}/contacts/nobody/why")).status_code == 422


# --- the do-not-call list ------------------------------------------------------------------------


async def test_numbers_and_prefixes_are_listed_shown_and_taken_off(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    assert (await api.post("/v1/dnc", json={"phone": "+919876540001"})).status_code == 201
    until = soon(3)
    assert (await api.post("/v1/dnc", json={"phone": "+4420*", "expires_at": until})).status_code == 201
    shown = (await api.get("/v1/dnc")).json()
    assert shown["total"] == 2
    assert (await api.get("/v1/dnc/+442071234567")).status_code == 200
    assert (await api.get("/v1/dnc/+919876540009")).status_code == 404
    created = (await api.post("/v1/campaigns", json=body())).json()
    assert created["import"]["suppressed_dnc"] == 1
    assert created["progress"]["suppressed"] == 1
    assert (await api.delete("/v1/dnc/+919876540001")).status_code == 204
    assert (await api.delete("/v1/dnc/+919876540001")).status_code == 404
    wrong = await api.post("/v1/dnc", json={"phone": "98*", "expires_at": "tomorrow"})
    assert wrong.status_code == 422
    assert {fault["loc"] for fault in wrong.json()["errors"]} == {"phone", "expires_at"}


async def test_a_list_is_imported_whole_or_not_at_all(api: httpx.AsyncClient) -> None:
    rows = "phone,reason\n+919876540001,asked\nnot-a-number,\n+4420*,region\n"
    headers = {"Content-Type": "text/csv"}
    refused = await api.post("/v1/dnc/import", content=rows, headers=headers)
    assert refused.status_code == 422
    assert (await api.get("/v1/dnc")).json()["total"] == 0
    done = await api.post("/v1/dnc/import?on_invalid=skip", content=rows, headers=headers)
    assert done.status_code == 200, done.text
    assert (await api.get("/v1/dnc")).json()["total"] == 2


# --- halts and trunks ----------------------------------------------------------------------------


async def test_the_whole_daemon_is_paused_and_resumed(api: httpx.AsyncClient, daemon: Installation) -> None:
    daemon.connect()
    assert (await api.post("/v1/pause")).status_code == 200
    assert (await api.get("/readyz")).status_code == 503
    assert "halt" in (await api.get("/readyz")).text
    assert (await api.post("/v1/resume")).status_code == 200
    assert (await api.get("/v1/status")).json()["halt"] is None
    assert (await api.post("/v1/panic")).status_code == 200
    assert (await api.get("/v1/status")).json()["halt"] == "panic"


async def test_a_trunk_is_paused_and_limited_but_never_above_its_configuration(
    api: httpx.AsyncClient,
) -> None:
    paused = await api.patch("/v1/trunks/lab", json={"paused": True, "max_channels": 2})
    assert paused.status_code == 200, paused.text
    assert paused.json()["max_channels"] == 2
    assert paused.json()["paused"]
    assert (await api.patch("/v1/trunks/lab", json={"max_channels": 11})).status_code == 422
    mended = await api.patch("/v1/trunks/lab", json={"paused": False, "max_channels": None})
    assert (mended.json()["paused"], mended.json()["max_channels"]) == (None, 10)
    assert (await api.patch("/v1/trunks/none", json={"paused": True})).status_code == 404


async def test_a_halt_says_how_many_calls_it_could_not_wait_for(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = daemon.engine.command

    async def slowly(command: Any) -> Carried:
        return Carried((await really(command)).answer, in_flight=2)

    monkeypatch.setattr(daemon.engine, "command", slowly)
    for verb, halt in (("pause", "pause"), ("panic", "panic")):
        answer = await api.post(f"/v1/{verb}")
        assert (answer.status_code, answer.json()["halt"], answer.json()["in_flight"]) == (202, halt, 2)
    wrong = await api.post("/v1/pause", json={"ringing": "drop"})
    assert [fault["loc"] for fault in wrong.json()["errors"]] == ["ringing"]


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({"paused": None}, {"paused"}),
        ({"paused": "yes"}, {"paused"}),
        ({"max_channels": 0, "calls_per_second": 0}, {"max_channels", "calls_per_second"}),
        ({"max_channels": 11, "calls_per_second": 5.5}, {"max_channels", "calls_per_second"}),
        ({"endpoint": "other"}, {"endpoint"}),
    ],
)
async def test_a_wrong_change_of_a_trunk_is_named(
    fields: dict[str, Any], locs: set[str], api: httpx.AsyncClient
) -> None:
    answer = await api.patch("/v1/trunks/lab", json=fields)
    assert answer.status_code == 422
    assert {fault["loc"] for fault in answer.json()["errors"]} == locs
    shown = (await api.get("/v1/trunks/lab")).json()
    assert (shown["paused"], shown["max_channels"], shown["calls_per_second"]) == (None, 10, 5)


# --- single calls --------------------------------------------------------------------------------


async def test_one_call_is_placed_now_or_refused_with_the_reasons(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    call = {
        "phone": "+919876540001",
        "script_id": "loan",
        "language": "en-IN",
        "variables": {"loan_amount": 5},
    }
    closed = await api.post("/v1/calls", json=call)
    assert closed.status_code == 409
    assert closed.json()["why"][0]["reason"] == "asterisk"
    daemon.connect()
    placed = await api.post("/v1/calls", json=call)
    assert placed.status_code == 201, placed.text
    assert placed.json()["campaign_id"] is None
    assert placed.json()["gate"]["rules"]["legal-hours"]
    assert [order.phone for order in daemon.telephony.originated] == ["+919876540001"]
    again = await api.post("/v1/calls", json=call)
    assert [item["reason"] for item in again.json()["why"]] == ["live-call"]
    assert (await api.post(f"/v1/calls/{placed.json()['id']}/hangup")).status_code == 200
    assert daemon.telephony.hung_up


async def test_frequency_caps_bar_a_number_in_single_calls_and_campaigns_and_why_says_so(
    tmp_path: Path,
) -> None:
    async with (
        installation(tmp_path, caps=((Millis(86_400_000), 1),)) as daemon,
        client_of(daemon) as api,
    ):
        await daemon.add_script()
        daemon.connect()
        call = {
            "phone": "+919876540001",
            "script_id": "loan",
            "language": "en-IN",
            "variables": {"loan_amount": 5},
        }
        assert (await api.post("/v1/calls", json=call)).status_code == 201
        daemon.engine.post(TryEnded(daemon.telephony.originated[0].channel, 17, 486))
        refused = await api.post("/v1/calls", json=call)
        assert [item["reason"] for item in refused.json()["why"]] == ["frequency"]
        listed = [{"phone": call["phone"], "loan_amount": 5}]
        created = (await api.post("/v1/campaigns", json=body(contacts=listed))).json()
        found = (await api.get(f"/v1/campaigns/{created['campaign_id']}/contacts/{call['phone']}/why")).json()
        (told,) = [item for item in found["reasons"] if item["reason"] == "frequency"]
        assert told["detail"] == "1 of 1 calls in 24 h"
        assert told["until"] is not None


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({}, {"phone", "script_id", "language"}),
        (
            {"phone": "1", "language": "fr-FR", "variables": {}},
            {"phone", "language", "variables.loan_amount"},
        ),
        ({"phone": 919876540001}, {"phone"}),
        ({"script_id": "nope"}, {"script_id"}),
        ({"agent_id": "agt_1"}, {"agent_id"}),
        ({"timezone": "Mars/Base", "name": "a\u0007b"}, {"timezone", "name"}),
        ({"variables": {"loan_amount": [1], "phone": "+1"}}, {"variables.loan_amount", "variables.phone"}),
        ({"variables": [1]}, {"variables", "variables.loan_amount"}),
        (
            {"variables": {"loan_amount": "x" * 2_001, "a": "y" * 9_999}},
            {"variables.loan_amount", "variables.a"},
        ),
        ({"trunks": ["nowhere"], "ring_timeout_seconds": 0}, {"trunks.0", "ring_timeout_seconds"}),
        ({"caller_id": "+15550100999"}, {"caller_id"}),
        ({"contacts": []}, {"contacts"}),
    ],
)
async def test_every_fault_of_a_single_call_is_named(
    fields: dict[str, Any], locs: set[str], api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    daemon.connect()
    call = {
        "phone": "+919876540001",
        "script_id": "loan",
        "language": "en-IN",
        "variables": {"loan_amount": 5},
    }
    answer = await api.post("/v1/calls", json=call | fields if fields else {})
    assert answer.status_code == 422, answer.text
    assert {fault["loc"] for fault in answer.json()["errors"]} == locs
    assert daemon.telephony.originated == []


async def test_a_single_call_is_placed_on_the_terms_that_it_asks_for(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    daemon.connect()
    call = {
        "phone": "+919876540001",
        "script_id": "loan",
        "language": "EN-in",
        "name": "Priya",
        "timezone": "Asia/Kolkata",
        "variables": {"loan_amount": 5},
        "trunks": ["spare"],
        "caller_id": "+15550100200",
        "ring_timeout_seconds": 12,
    }
    placed = (await api.post("/v1/calls", json=call)).json()
    assert placed["contact"] == {"phone": "+919876540001", "name": "Priya"}
    assert (placed["trunk"], placed["caller_id"], placed["language"]) == ("spare", "+15550100200", "en-IN")
    assert placed["gate"]["zones"] == ["Asia/Kolkata"]
    (order,) = daemon.telephony.originated
    assert (order.trunk, order.caller_id, order.ring_timeout) == ("spare", "+15550100200", 12_000)
    assert ("loan", "en-IN") in daemon.media.prepared


async def test_hanging_up_a_call_that_has_ended_changes_nothing(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.store.rows.append(call_row())
    ended = await api.post("/v1/calls/cal_0123456789ab/hangup")
    assert (ended.status_code, ended.json()["status"]) == (200, "completed")
    assert daemon.telephony.hung_up == []
    assert (await api.post("/v1/calls/cal_000000000000/hangup")).status_code == 404
