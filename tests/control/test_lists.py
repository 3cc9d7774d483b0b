"""Lists for live campaigns and for the do-not-call list: what is stored, counted and told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.core.commands import AddContacts
from dialerd.core.compliance import Compliance
from dialerd.core.errors import PortError
from dialerd.core.legal import legal_rules
from dialerd.core.zones import CalleeZones, PrefixTable
from tests.control.installation import Installation, client_of, installation

ONE, TWO, THREE = "+919876543210", "+919123456789", "+919123456780"
CSV = {"Content-Type": "text/csv"}


def request(*phones: str, **more: Any) -> dict[str, Any]:
    fields = {"name": "Loans", "script_id": "loan", "language": "en-IN"}
    return {**fields, "contacts": [{"phone": phone, "loan_amount": 1} for phone in phones], **more}


def rows(*phones: str) -> str:
    return "phone,loan_amount\n" + "".join(f"{phone},5\n" for phone in phones)


@pytest.fixture
async def path(api: httpx.AsyncClient, daemon: Installation) -> str:
    """The contacts of a campaign that has one."""
    await daemon.add_script()
    created = await api.post("/v1/campaigns", json=request(ONE))
    return f"/v1/campaigns/{created.json()['campaign_id']}/contacts"


async def total(api: httpx.AsyncClient, path: str) -> int:
    campaign = (await api.get(path.removesuffix("/contacts"))).json()
    listed = (await api.get(path)).json()
    assert campaign["progress"]["total_contacts"] == listed["total"], "counters and contacts agree"
    return int(listed["total"])


TYPED = """\
name: Instalment
languages: [en-IN]
variables:
  due_date: {type: date}
  amount: {type: amount, currency: INR, default: 5}
  note: {default: none}
"""


async def test_values_that_are_not_of_the_scripts_types_are_told_and_the_contacts_taken(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.service.scripts.add(TYPED, "instalment", None)
    listed = [
        {"phone": ONE, "due_date": "2027-01-20", "amount": 1_500, "note": "x"},
        {"phone": TWO, "due_date": "tomorrow", "amount": "x"},
    ]
    body = request(script_id="instalment", contacts=listed)
    created = await api.post("/v1/campaigns", json=body)
    assert created.status_code == 201
    told = created.json()["import"]
    assert (told["accepted"], told["invalid"]) == (2, [])
    assert [(row["line"], row["phone"], row["reason"].split(" ")[:2]) for row in told["warnings"]] == [
        (1, TWO, ["due_date:", "'tomorrow'"]),
        (1, TWO, ["amount:", "'x'"]),
    ]
    checked = await api.post("/v1/campaigns/validate", json=body)
    assert checked.json()["warnings"] == told["warnings"]
    path = f"/v1/campaigns/{created.json()['campaign_id']}/contacts"
    more = await api.post(path, content=f"phone,due_date\n{THREE},20/01/2027\n", headers=CSV)
    (row,) = more.json()["import"]["warnings"]
    assert (row["line"], row["reason"].split(":")[0]) == (2, "due_date")


async def test_a_checked_list_counts_whom_nobody_may_call(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    assert (await api.post("/v1/dnc", json={"phone": ONE})).status_code == 201
    listed = [{"phone": ONE, "loan_amount": 1}, {"phone": TWO, "loan_amount": 2}]
    checked = await api.post("/v1/campaigns/validate", json=request(contacts=listed))
    assert checked.status_code == 200, checked.text
    assert (checked.json()["accepted"], checked.json()["suppressed_dnc"]) == (2, 1)


# --- contacts for a live campaign ----------------------------------------------------------------


async def test_numbers_that_are_there_already_are_duplicates(api: httpx.AsyncClient, path: str) -> None:
    done = (await api.post(path, content=rows(ONE, TWO, TWO, THREE), headers=CSV)).json()["import"]
    assert (done["received"], done["accepted"], done["duplicates"], done["already_there"]) == (4, 2, 2, 1)
    assert [row["line"] for row in done["duplicate_rows"]] == [4]
    assert await total(api, path) == 3
    again = await api.post(path, content=rows(ONE, TWO), headers=CSV)
    assert (again.status_code, again.json()["import"]["accepted"]) == (201, 0)
    assert await total(api, path) == 3


async def test_listed_numbers_are_stored_suppressed(api: httpx.AsyncClient, path: str) -> None:
    await api.post("/v1/dnc", json={"phone": "+9191*"})
    done = (await api.post(path, json={"contacts": request(TWO, "+918888888888")["contacts"]})).json()
    assert (done["import"]["accepted"], done["import"]["suppressed_dnc"]) == (2, 1)
    assert (done["progress"]["suppressed"], done["progress"]["pending"]) == (1, 2)
    (suppressed,) = (await api.get(f"{path}?state=suppressed")).json()["data"]
    assert suppressed["phone"] == TWO
    why = (await api.get(f"{path}/{TWO}/why")).json()
    assert (why["dialing"], why["reasons"][0]["detail"]) == (False, "suppressed")


@pytest.mark.parametrize("kind", ["json", "csv", "multipart"])
async def test_bad_rows_are_named_and_left_out_only_when_asked(
    kind: str, api: httpx.AsyncClient, path: str
) -> None:
    async def add(skip: bool) -> httpx.Response:
        query = {"on_invalid": "skip"} if skip else {}
        if kind == "json":
            contacts = [{"phone": "1", "loan_amount": 1}, {"phone": TWO}, {"phone": THREE, "loan_amount": 1}]
            return await api.post(path, json={"contacts": contacts, **query})
        text = rows("1") + f"{TWO},\n{THREE},5\n"
        if kind == "csv":
            return await api.post(path, params=query, content=text, headers=CSV)
        return await api.post(path, params=query, files={"contacts": ("more.csv", text, "text/csv")})

    refused = await add(skip=False)
    assert refused.status_code == 422
    locs = {
        "json": ["contacts.0.phone", "contacts.1.loan_amount"],
        "csv": ["contacts[line 2].phone", "contacts[line 3].loan_amount"],
    }["json" if kind == "json" else "csv"]
    assert [fault["loc"] for fault in refused.json()["errors"]] == locs
    assert await total(api, path) == 1
    assert (await add(skip=True)).json()["import"]["accepted"] == 1
    assert await total(api, path) == 2


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({}, "contacts"),
        ({"contacts": []}, "contacts"),
        ({"contacts": request(TWO)["contacts"], "on_invalid": "ignore"}, "on_invalid"),
        ({"contacts": request(TWO)["contacts"], "default_region": "Nowhere"}, "default_region"),
        ({"contacts": request(TWO)["contacts"], "name": "Other"}, "name"),
    ],
)
async def test_a_wrong_field_beside_the_contacts_is_named(
    fields: dict[str, Any], loc: str, api: httpx.AsyncClient, path: str
) -> None:
    answer = await api.post(path, json=fields)
    assert (answer.status_code, [fault["loc"] for fault in answer.json()["errors"]]) == (422, [loc])
    assert await total(api, path) == 1


async def test_national_numbers_are_read_in_the_region_of_the_request(
    api: httpx.AsyncClient, path: str
) -> None:
    added = await api.post(path, params={"default_region": "IN"}, content=rows("091234 56789"), headers=CSV)
    assert added.status_code == 201, added.text
    assert (await api.get(f"{path}?offset=1")).json()["data"][0]["phone"] == TWO


async def test_a_campaign_that_has_ended_takes_no_contacts(
    api: httpx.AsyncClient, daemon: Installation, path: str
) -> None:
    await api.post(f"{path.removesuffix('/contacts')}/stop")
    answer = await api.post(path, content=rows(TWO), headers=CSV)
    assert (answer.status_code, answer.json()["state"]) == (409, "stopped")
    unknown = await api.post("/v1/campaigns/cmp_000000000000/contacts", content=rows(TWO), headers=CSV)
    assert unknown.status_code == 404
    assert (await api.post(path, content=rows(TWO), headers={"Content-Type": "text/html"})).status_code == 415
    assert list(daemon.spool.iterdir()) == []


async def test_two_lists_at_once_share_their_numbers_once(api: httpx.AsyncClient, path: str) -> None:
    numbers = [f"+9198{number:08d}" for number in range(1_200)]
    first, second = await asyncio.gather(
        api.post(path, content=rows(*numbers[:900]), headers=CSV),
        api.post(path, content=rows(*numbers[300:]), headers=CSV),
    )
    accepted = [answer.json()["import"]["accepted"] for answer in (first, second)]
    assert sorted(accepted) == [300, 900]
    assert await total(api, path) == 1_201


@pytest.mark.parametrize("sealed", [True, False])
async def test_when_the_answer_is_lost_the_store_tells_what_became_of_the_list(
    sealed: bool, api: httpx.AsyncClient, daemon: Installation, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = daemon.engine.command

    async def deaf(command: Any, done: Any = None) -> Any:
        if not isinstance(command, AddContacts):
            return await really(command, done)
        if sealed:
            await really(command, done)
        raise PortError("the engine did not answer in 15 s", retryable=True)

    monkeypatch.setattr(daemon.engine, "command", deaf)
    answer = await api.post(path, content=rows(TWO), headers=CSV)
    assert answer.status_code == (201 if sealed else 503)
    assert await total(api, path) == (2 if sealed else 1)
    assert all(found.sealed for found in daemon.store.disk.imports.values()), "no half import is left"


# --- numbers that may not be called --------------------------------------------------------------


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[tuple[Installation, httpx.AsyncClient]]:
    """Legal hours apply: +91 has no known zone, +1 212 has one, +1 800 has zones that are never open together."""
    rules, faults = legal_rules({}, "legal", lambda code: frozenset())
    assert not faults
    far_apart = ("America/New_York", "Europe/London", "Asia/Tokyo")
    zones = PrefixTable({"1212": ("America/New_York",), "1800": far_apart})
    table = CalleeZones(zones, PrefixTable({"1": "US", "91": "IN"}))
    async with (
        installation(tmp_path, compliance=Compliance(rules, table)) as daemon,
        client_of(daemon) as client,
    ):
        await daemon.add_script()
        yield daemon, client


async def test_the_import_tells_who_can_never_be_called(
    strict: tuple[Installation, httpx.AsyncClient],
) -> None:
    _, api = strict
    unknown = [f"+9198765432{number:02d}" for number in range(7)]
    created = await api.post("/v1/campaigns", json=request(*unknown, "+12125550100", "+18005550100"))
    assert created.status_code == 201, created.text
    done = created.json()["import"]
    assert (done["accepted"], done["zone_unknown"], done["no_common_hours"]) == (9, 7, 1)
    assert [example["phone"] for example in done["zone_unknown_examples"]] == unknown[:5]
    assert "timezone" in done["zone_unknown_examples"][0]["reason"]
    (example,) = done["no_common_hours_examples"]
    assert example["phone"] == "+18005550100"
    assert "Asia/Tokyo" in example["reason"]


async def test_a_contact_that_says_its_zone_can_be_called(
    strict: tuple[Installation, httpx.AsyncClient],
) -> None:
    _, api = strict
    contacts = [
        {"phone": ONE, "loan_amount": 1, "timezone": "Asia/Kolkata"},
        {"phone": "+18005550100", "loan_amount": 1, "timezone": "America/New_York"},
    ]
    done = (await api.post("/v1/campaigns", json=request(contacts=contacts))).json()["import"]
    assert (done["zone_unknown"], done["no_common_hours"]) == (0, 0)


async def test_hours_of_the_campaign_that_are_not_legal_for_a_callee_are_told(
    strict: tuple[Installation, httpx.AsyncClient],
) -> None:
    _, api = strict
    every_day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hours = [{"days": every_day, "from": "09:00", "to": "11:00"}]
    schedule = {"timezone": "Asia/Kolkata", "hours": hours}
    done = (await api.post("/v1/campaigns", json=request("+12125550100", schedule=schedule))).json()
    assert done["import"]["no_common_hours"] == 1


# --- the do-not-call list ------------------------------------------------------------------------


async def test_a_number_is_listed_in_the_form_in_which_it_is_dialed(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    sloppy, dialed = "+4402071234567", "+442071234567"
    listed = await api.post("/v1/dnc", json={"phone": sloppy, "source": "mail"})
    assert (listed.status_code, listed.json()["phone"]) == (201, dialed)
    assert (await api.get(f"/v1/dnc/{sloppy}")).json()["source"] == "mail"
    assert (await api.post("/v1/campaigns", json=request(sloppy))).json()["import"]["suppressed_dnc"] == 1
    assert (await api.delete(f"/v1/dnc/{sloppy}")).status_code == 204
    assert (await api.get(f"/v1/dnc/{dialed}")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({}, {"phone"}),
        ({"phone": "98*"}, {"phone"}),
        ({"phone": "+*"}, {"phone"}),
        ({"phone": "+91987654321012345"}, {"phone"}),
        ({"phone": 919876543210}, {"phone"}),
        ({"phone": ONE, "expires_at": "2020-01-01T00:00:00Z"}, {"expires_at"}),
        ({"phone": ONE, "expires_at": "2099-01-01T00:00:00"}, {"expires_at"}),
        ({"phone": ONE, "reason": "a\u0007b", "source": "x" * 256, "x": 1}, {"reason", "source", "x"}),
    ],
)
async def test_a_wrong_entry_is_named(fields: dict[str, Any], locs: set[str], api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/dnc", json=fields)
    assert answer.status_code == 422
    assert {fault["loc"] for fault in answer.json()["errors"]} == locs
    assert (await api.get("/v1/dnc")).json()["total"] == 0


async def test_an_entry_bars_until_its_end(api: httpx.AsyncClient, daemon: Installation) -> None:
    end = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for phone in (ONE, "+9198*"):
        assert (await api.post("/v1/dnc", json={"phone": phone, "expires_at": end})).status_code == 201
        assert (await api.get(f"/v1/dnc/{phone}")).status_code == 200
    daemon.clock.shift = 6 * 60_000
    for phone in (ONE, "+9198*"):
        assert (await api.get(f"/v1/dnc/{phone}")).status_code == 404
        assert (await api.delete(f"/v1/dnc/{phone}")).status_code == 204, "it is still there to be taken off"


@pytest.mark.parametrize("kind", ["csv", "multipart"])
async def test_a_long_list_of_numbers_is_imported(
    kind: str, api: httpx.AsyncClient, daemon: Installation
) -> None:
    lines = "".join(f"+9198{number:08d}\n" for number in range(1_201))
    text = f"Phone\n{lines}+4420*\n{ONE}\n+9198{5:08d}\n"
    if kind == "csv":
        done = await api.post("/v1/dnc/import", content=text, headers=CSV)
    else:
        done = await api.post("/v1/dnc/import", files={"numbers": ("dnc.csv", text, "text/csv")})
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["received"], told["accepted"], told["duplicates"]) == (1_204, 1_203, 1)
    assert (await api.get("/v1/status")).json()["dnc_entries"] == 1_203
    assert list(daemon.spool.iterdir()) == []


async def test_a_wrong_list_of_numbers_is_refused_whole(api: httpx.AsyncClient) -> None:
    for text, locs in (
        (f"number\n{ONE}\n", ["numbers[line 1]"]),
        ("phone\n", ["numbers"]),
        ("", ["numbers"]),
        (
            f"phone,expires_at\n{ONE},2020-01-01T00:00:00Z\n9.19E+11,\n",
            ["numbers[line 2].expires_at", "numbers[line 3].phone"],
        ),
    ):
        answer = await api.post("/v1/dnc/import", content=text, headers=CSV)
        assert answer.status_code == 422, text
        assert [fault["loc"] for fault in answer.json()["errors"]] == locs
    wrong = await api.post("/v1/dnc/import?on_invalid=ignore", content=f"phone\n{ONE}\n", headers=CSV)
    assert [fault["loc"] for fault in wrong.json()["errors"]] == ["on_invalid"]
    assert (await api.post("/v1/dnc/import", json=[])).status_code == 415
    assert (await api.get("/v1/dnc")).json()["total"] == 0
