"""Files of a campaign over the API: what is in them, what a spreadsheet makes of it, and that they are lists again."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from dialerd.core.errors import PortError
from dialerd.core.identity import CampaignId
from dialerd.core.journal import CampaignDoomed
from tests.control.installation import Installation

ONE, TWO, THREE = "+919876543210", "+919123456789", "+919123456780"


def request(contacts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": "Loans", "script_id": "loan", "language": "en-IN", "contacts": contacts, **more}


async def created(api: httpx.AsyncClient, contacts: list[dict[str, Any]], **more: Any) -> str:
    made = await api.post("/v1/campaigns", json=request(contacts, **more))
    assert made.status_code == 201, made.text
    return f"/v1/campaigns/{made.json()['campaign_id']}"


async def rows(api: httpx.AsyncClient, path: str) -> list[dict[str, str]]:
    found = await api.get(path)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert path.rpartition("/")[2] in found.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(found.text, newline="")))


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


async def test_a_file_of_results_has_a_row_for_each_contact(api: httpx.AsyncClient) -> None:
    path = await created(
        api,
        [
            {"phone": ONE, "name": "प्रिया", "external_id": "7", "loan_amount": 5},
            {"phone": TWO, "timezone": "Asia/Kolkata", "loan_amount": True, "city": "Pune"},
        ],
    )
    found = await rows(api, f"{path}/results.csv")
    assert [row["phone"] for row in found] == [ONE, TWO]
    assert [row["name"] for row in found] == ["प्रिया", ""]
    assert [row["loan_amount"] for row in found] == ["5", "true"]
    assert [row["city"] for row in found] == ["", "Pune"]
    assert found[0]["state"] == "pending"
    assert found[0]["attempts"] == "0"
    assert found[1]["timezone"] == "Asia/Kolkata"


async def test_what_a_spreadsheet_would_calculate_is_marked_and_a_number_never(
    api: httpx.AsyncClient,
) -> None:
    formula = '=HYPERLINK("http://x","y")'
    path = await created(api, [{"phone": ONE, "name": formula, "loan_amount": -5, "=1+1": "@x", "alt": TWO}])
    text = (await api.get(f"{path}/results.csv")).text
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"] == f"'{formula}"
    assert row["'=1+1"] == "'@x"
    assert (row["phone"], row["alt"], row["loan_amount"]) == (ONE, TWO, "-5")


async def test_a_file_of_results_taken_in_again_is_the_list_it_came_from(api: httpx.AsyncClient) -> None:
    people = [
        {
            "phone": ONE,
            "name": "=cmd|' /C calc'!A0",
            "external_id": "'=1",
            "loan_amount": "a\nb;=1",
            "state": "MH",
        },
        {
            "phone": TWO,
            "timezone": "Asia/Kolkata",
            "loan_amount": '"q", ;',
            "captured.x": "-x",
            "city": "+1-2",
        },
    ]
    path = await created(api, people)
    exported = await api.get(f"{path}/results.csv")
    files = {
        "campaign": (None, '{"name": "Again", "script_id": "loan", "language": "en-IN"}', "application/json"),
        "contacts": ("results.csv", exported.content, "text/csv"),
    }
    again = await api.post("/v1/campaigns", files=files)
    assert again.status_code == 201, again.text
    second = f"/v1/campaigns/{again.json()['campaign_id']}"
    listed = [(await api.get(f"{one}/contacts")).json()["data"] for one in (path, second)]
    assert listed[0] == listed[1]
    assert listed[0][0]["variables"] == {"loan_amount": "a\nb;=1", "state": "MH"}
    assert (await api.get(f"{second}/results.csv")).content == exported.content


async def test_rows_that_were_left_out_can_be_downloaded_mended_and_taken_in(api: httpx.AsyncClient) -> None:
    bad = [
        {"phone": "9.19E+11", "name": "=1", "loan_amount": 5},
        {"phone": TWO, "name": "B"},
        {"phone": ONE, "loan_amount": 1, "x": "y"},
    ]
    path = await created(api, bad, on_invalid="skip")
    found = await rows(api, f"{path}/rejects.csv")
    assert [(row["rejected_list"], row["rejected_line"], row["phone"]) for row in found] == [
        ("1", "0", "9.19E+11"),
        ("1", "1", TWO),
    ]
    assert "spreadsheet" in found[0]["rejected_reason"]
    assert found[0]["name"] == "'=1"
    assert found[1]["rejected_reason"] == "loan_amount: the script needs it and gives no default"
    text = (await api.get(f"{path}/rejects.csv")).text
    mended = text.replace("9.19E+11", THREE).replace(f"{TWO},B,,,", f"{TWO},B,,,6")
    added = await api.post(f"{path}/contacts", content=mended.encode(), headers={"Content-Type": "text/csv"})
    assert added.status_code == 201, added.text
    listed = (await api.get(f"{path}/contacts")).json()["data"]
    assert [(one["phone"], one["name"], one["variables"]) for one in listed[1:]] == [
        (THREE, "=1", {"loan_amount": "5"}),
        (TWO, "B", {"loan_amount": "6"}),
    ]


async def test_rows_of_later_lists_come_behind_with_their_number(api: httpx.AsyncClient) -> None:
    path = await created(api, [{"phone": ONE, "loan_amount": 1}])
    assert await rows(api, f"{path}/rejects.csv") == []
    for line in ("bad,1", "worse,2"):
        body = f"phone,loan_amount\n{ONE},3\n{line}\n"
        added = await api.post(
            f"{path}/contacts?on_invalid=skip", content=body, headers={"Content-Type": "text/csv"}
        )
        assert added.json()["import"]["accepted"] == 0
    found = await rows(api, f"{path}/rejects.csv")
    assert [(row["rejected_list"], row["rejected_line"], row["phone"]) for row in found] == [
        ("1", "3", "bad"),
        ("2", "3", "worse"),
    ]


async def test_a_campaign_that_is_not_there_has_no_files(api: httpx.AsyncClient) -> None:
    for name in ("results.csv", "rejects.csv"):
        assert (await api.get(f"/v1/campaigns/cmp_none/{name}")).status_code == 404


async def test_a_variable_without_a_proper_name_is_refused(api: httpx.AsyncClient) -> None:
    for name in ("", " x", "a\tb\x07", "x" * 256):
        refused = await api.post("/v1/campaigns", json=request([{"phone": ONE, "loan_amount": 1, name: "v"}]))
        assert refused.status_code == 422, name
        assert "variable" in refused.json()["errors"][0]["msg"]


# --- deletion ------------------------------------------------------------------------------------


async def test_a_finished_campaign_is_deleted_with_its_contacts(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    path = await created(api, [{"phone": ONE, "loan_amount": 1}, {"phone": "x"}], on_invalid="skip")
    other = await created(api, [{"phone": ONE, "loan_amount": 1}])
    refused = await api.delete(path)
    assert (refused.status_code, refused.json()["state"]) == (409, "scheduled")
    await api.post(f"{path}/stop")
    assert (await api.delete(path)).status_code == 204
    for ask in ("", "/contacts", "/calls", "/results.csv", "/rejects.csv", "/why"):
        assert (await api.get(path + ask)).status_code == 404, ask
    assert (await api.delete(path)).status_code == 404
    assert (await api.get("/v1/campaigns")).json()["total"] == 1
    await daemon.service.upkeep.look()
    assert not daemon.store.contacts_of(path.rpartition("/")[2])
    assert await daemon.store.deletions() == []
    assert (await api.get(other)).status_code == 200


async def test_a_stream_of_a_campaign_that_is_deleted_meanwhile_breaks_off(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    people = [{"phone": f"+9198765{number:05}", "loan_amount": 1} for number in range(700)]
    path = await created(api, people)
    await api.post(f"{path}/stop")
    stream = await daemon.service.files.results(path.rpartition("/")[2])
    assert (await anext(stream)).count(b"\r\n") == 501
    await daemon.store.commit([CampaignDoomed(CampaignId(path.rpartition("/")[2]), daemon.clock.now().wall)])
    with pytest.raises(PortError):
        await anext(stream)
