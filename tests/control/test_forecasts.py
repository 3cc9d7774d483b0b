"""Forecasts over HTTP: for a campaign that exists, for one that does not, and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.control.installation import Installation
from tests.control.test_campaigns import iso, window

PEOPLE = [{"phone": f"+9198765{number:05d}", "loan_amount": 5} for number in range(40)]


@pytest.fixture
async def campaign(daemon: Installation, api: httpx.AsyncClient) -> dict[str, Any]:
    await daemon.add_script()
    fields = {"name": "Loans", "script_id": "loan", "language": "en-IN", "max_attempts": 2}
    created = await api.post("/v1/campaigns", json={**fields, "contacts": PEOPLE})
    assert created.status_code == 201, created.text
    found: dict[str, Any] = created.json()
    return found


async def test_a_campaign_that_exists_is_foretold_and_nothing_changes(
    daemon: Installation, api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    found = await api.post(f"{path}/simulate", json={"answer_rate": 1, "talk_seconds": 20})
    assert found.status_code == 200, found.text
    told = found.json()
    assert (told["campaign_id"], told["name"], told["ends_by"]) == (campaign["campaign_id"], "Loans", "done")
    assert told["contacts"]["total"] == told["contacts"]["finished"] == 40
    assert told["dispositions"]["connected"] == 40
    assert told["calls"]["total"] == told["calls"]["answered"] == 40
    assert 15 < told["calls"]["mean_talk_seconds"] < 25
    assert sum(hour["calls"] for hour in told["calls_per_hour"]) == 40
    assert told["assumptions"]["answer_rate"] == {"value": 1, "source": "given", "calls": 0}
    assert told["assumptions"]["failures"]["source"] == "default"
    peaks = {trunk["name"]: trunk["peak_channels"] for trunk in told["trunks"]}
    assert 0 < peaks["lab"] <= 10
    assert (await api.get(path)).json()["status"] == "scheduled"
    assert daemon.telephony.originated == []


async def test_the_same_seed_gives_the_same_forecast(
    api: httpx.AsyncClient, campaign: dict[str, Any], daemon: Installation
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}/simulate"

    async def told(seed: int) -> dict[str, Any]:
        found = (await api.post(path, json={"seed": seed})).json()
        return {key: value for key, value in found.items() if key in ("dispositions", "reasons", "calls")}

    first = await told(7)
    assert await told(7) == first
    assert await told(8) != first


async def test_fewer_channels_take_longer_and_the_limit_is_named(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    await api.patch(path, json={"trunks": ["lab"]})
    wide = (await api.post(f"{path}/simulate", json={"answer_rate": 1})).json()
    narrow = (await api.post(f"{path}/simulate", json={"answer_rate": 1, "trunk_channels": 1})).json()
    assert narrow["seconds"] > wide["seconds"]
    lab = next(trunk for trunk in narrow["trunks"] if trunk["name"] == "lab")
    assert (lab["peak_channels"], lab["max_channels"]) == (1, 1)
    most = narrow["limits"][0]
    assert (most["rule"], most["trunk"]) == ("trunk-channels", "lab")
    change = narrow["changes"][0]
    assert change["change"] == "trunk lab: 2 channels instead of 1"
    assert change["sooner_seconds"] > 0


async def test_a_campaign_that_is_over_or_unknown_has_no_forecast(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    await api.post(f"{path}/stop")
    over = await api.post(f"{path}/simulate")
    assert (over.status_code, over.json()["state"]) == (409, "stopped")
    assert (await api.post("/v1/campaigns/cmp_000000000000/simulate")).status_code == 404


async def test_assumptions_that_cannot_be_are_named_at_once(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    path = f"/v1/campaigns/{campaign['campaign_id']}/simulate"
    wrong = await api.post(
        path, json={"answer_rate": 2, "talk_seconds": 0, "trunk_channels": 0, "seed": "x", "so": 1}
    )
    assert wrong.status_code == 422
    assert {fault["loc"] for fault in wrong.json()["errors"]} == {
        *("answer_rate", "talk_seconds", "trunk_channels", "seed", "so"),
    }


async def test_a_list_alone_is_foretold_without_being_stored(
    daemon: Installation, api: httpx.AsyncClient
) -> None:
    found = await api.post("/v1/simulate", json={"contacts": PEOPLE, "assume": {"answer_rate": 0.5}})
    assert found.status_code == 200, found.text
    told = found.json()
    assert (told["campaign_id"], told["contacts"]["total"], told["ends_by"]) == (None, 40, "done")
    assert daemon.store.empty

    csv = "phone\n" + "\n".join(person["phone"] for person in PEOPLE)  # type: ignore[operator]
    parts = {
        "campaign": (None, json.dumps({"assume": {"answer_rate": 0.5}}), "application/json"),
        "contacts": ("list.csv", csv, "text/csv"),
    }
    again = await api.post("/v1/simulate", files=parts)
    assert again.status_code == 200, again.text
    assert again.json()["dispositions"] == told["dispositions"]


async def test_every_fault_of_a_list_and_its_campaign_is_named(api: httpx.AsyncClient) -> None:
    wrong = await api.post(
        "/v1/simulate",
        json={
            "contacts": [{"phone": "12"}],
            "max_attempts": 0,
            "script_id": "none",
            "language": "en-IN",
            "assume": {"answer_rate": -1},
        },
    )
    assert wrong.status_code == 422
    locs = {fault["loc"] for fault in wrong.json()["errors"]}
    assert {"assume.answer_rate", "max_attempts", "script_id"} <= locs
    assert any(loc.startswith("contacts") for loc in locs)


@pytest.mark.parametrize(
    "changes",
    [{"assume": []}, {"assume": "x"}, {"script_id": 5}, {"language": 5}, {"contacts": 5}, {"what": 1}],
)
async def test_what_is_of_no_sense_is_refused(api: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    found = await api.post("/v1/simulate", json={"contacts": PEOPLE, **changes})
    assert found.status_code == 422, found.text
    (key,) = changes
    assert any(fault["loc"].startswith(key) for fault in found.json()["errors"])


async def test_what_the_window_leaves_is_told_and_a_day_more_is_tried(api: httpx.AsyncClient) -> None:
    schedule = {**window(start=-1), "end_time": iso(minutes=2)}
    fields = {"contacts": PEOPLE, "schedule": schedule, "max_concurrent_calls": 1}
    told = (await api.post("/v1/simulate", json={**fields, "assume": {"answer_rate": 1}})).json()
    assert told["ends_by"] == "end_time"
    assert 0 < told["contacts"]["never_called"] < 40
    assert told["contacts"]["never_called"] + told["contacts"]["finished"] == 40
    longer = next(change for change in told["changes"] if change["change"] == "ending a day later")
    assert longer["never_called"] == 0


async def test_numbers_on_the_do_not_call_list_are_left_out(api: httpx.AsyncClient) -> None:
    await api.post("/v1/dnc", json={"phone": PEOPLE[0]["phone"]})
    told = (await api.post("/v1/simulate", json={"contacts": PEOPLE})).json()
    assert told["contacts"]["total"] == 39
    assert "1 contacts on the do-not-call list are left out" in told["notes"]


async def test_campaigns_that_share_a_trunk_are_part_of_the_forecast(
    api: httpx.AsyncClient, campaign: dict[str, Any]
) -> None:
    others = [{"phone": f"+9191111{number:05d}"} for number in range(200)]
    fields = {"contacts": others, "assume": {"answer_rate": 1, "trunk_channels": 2}}
    alone = (await api.post("/v1/simulate", json=fields)).json()
    assert alone["campaigns_included"] == []
    assert any("waits for somebody to start it" in note for note in alone["notes"])
    await api.post(f"/v1/campaigns/{campaign['campaign_id']}/start")
    beside = (await api.post("/v1/simulate", json=fields)).json()
    assert beside["campaigns_included"] == [
        {"campaign_id": campaign["campaign_id"], "name": "Loans", "waiting_contacts": 40}
    ]
    assert beside["seconds"] > alone["seconds"]
    assert beside["calls"]["of_all_campaigns"] == 240


async def test_a_key_that_may_read_may_simulate(daemon: Installation) -> None:
    key = (await daemon.app.state.control.keys.create("reader", "read"))["key"]
    transport = httpx.ASGITransport(daemon.app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd", headers=headers) as reader:
        assert (await reader.post("/v1/simulate", json={"contacts": PEOPLE})).status_code == 200
        assert (await reader.post("/v1/campaigns", json={"contacts": PEOPLE})).status_code == 403


async def test_the_simulation_is_in_the_description(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    assert "post" in paths["/v1/simulate"]
    body = paths["/v1/campaigns/{campaign_id}/simulate"]["post"]["requestBody"]
    assert "answer_rate" in body["content"]["application/json"]["schema"]["properties"]
