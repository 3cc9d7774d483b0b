"""Edits of a live campaign: what is merged, taken back, judged together, and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.core.commands import EditCampaign
from dialerd.core.identity import CampaignId
from tests.control.installation import Installation

HOURS = [{"days": ["mon", "fri"], "from": "09:00", "to": "18:00"}]
NIGHT = [{"days": ["sat"], "from": "22:00", "to": "02:00"}, {"days": ["sun"], "from": "00:00", "to": "24:00"}]


def at(**delta: float) -> str:
    moment = datetime.now(UTC) + timedelta(**delta)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(datetime.now(UTC) + timedelta(days=4)).weekday()]
LATER = [{"days": [_DAY], "from": "09:00", "to": "18:00"}]
"""Hours that do not come within the next day."""


@pytest.fixture
async def path(api: httpx.AsyncClient, daemon: Installation) -> str:
    """A campaign with a schedule, terms and rules of its own."""
    await daemon.add_script()
    fields = {
        "name": "Loans",
        "script_id": "loan",
        "language": "en-IN",
        "schedule": {
            "start_time": at(hours=-1),
            "end_time": at(days=20),
            "timezone": "Asia/Kolkata",
            "hours": HOURS,
            "holidays": ["IN"],
        },
        "max_attempts": 3,
        "retry_interval_minutes": 30,
        "retry_rules": {"busy": {"max": 1}},
        "calls_per_second": 2,
        "trunks": ["spare"],
        "contacts": [{"phone": "+919876543210", "loan_amount": 1}],
    }
    created = await api.post("/v1/campaigns", json=fields)
    assert created.status_code == 201, created.text
    return f"/v1/campaigns/{created.json()['campaign_id']}"


async def patched(api: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    answer = await api.patch(path, json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_what_is_not_given_stays(api: httpx.AsyncClient, path: str) -> None:
    before = (await api.get(path)).json()
    end = at(days=30)
    after = await patched(api, path, schedule={"end_time": end}, weight=2.5)
    assert after["schedule"] == before["schedule"] | {"end_time": end}
    assert (after["weight"], after["version"]) == (2.5, before["version"] + 1)
    changed = {"schedule", "weight", "version", "blocked", "warnings"}
    assert {key: value for key, value in after.items() if key not in changed} == {
        key: value for key, value in before.items() if key not in changed
    }


async def test_null_takes_a_field_back_to_its_default(api: httpx.AsyncClient, path: str) -> None:
    after = await patched(
        api, path, max_attempts=None, calls_per_second=None, trunks=None, retry_rules=None, weight=None
    )
    assert (after["max_attempts"], after["calls_per_second"], after["trunks"]) == (1, None, [])
    assert (after["retry_rules"], after["weight"]) == ({}, 1)
    narrowed = await patched(api, path, schedule={"hours": None, "holidays": None})
    assert (narrowed["schedule"]["hours"], narrowed["schedule"]["holidays"]) == ([], [])
    assert narrowed["schedule"]["timezone"] == "Asia/Kolkata"
    free = await patched(api, path, schedule=None)
    assert set(map(str, free["schedule"].values())) == {"None", "[]"}


async def test_shares_are_set_shown_and_taken_back(api: httpx.AsyncClient, path: str) -> None:
    plain = {"fresh": 1, "retries": 1, "callbacks": 8}
    assert (await api.get(path)).json()["shares"] == plain
    after = await patched(api, path, shares={"fresh": 2.5, "retries": 0.5})
    assert after["shares"] == {"fresh": 2.5, "retries": 0.5, "callbacks": 8}
    assert (await patched(api, path, shares=None))["shares"] == plain


async def test_a_schedule_can_be_sent_back_as_it_was_read(api: httpx.AsyncClient, path: str) -> None:
    for schedule in ((await api.get(path)).json()["schedule"], None):
        shown = await patched(api, path, schedule=schedule)
        again = await patched(api, path, schedule=shown["schedule"])
        assert again["schedule"] == shown["schedule"]
        assert again["version"] == shown["version"], "nothing has changed"


async def test_hours_over_midnight_and_whole_days_are_shown_as_they_were_given(
    api: httpx.AsyncClient, path: str
) -> None:
    assert (await patched(api, path, schedule={"hours": NIGHT}))["schedule"]["hours"] == NIGHT


async def test_a_rule_without_minutes_uses_the_interval_of_the_campaign(
    api: httpx.AsyncClient, path: str
) -> None:
    assert (await api.get(path)).json()["retry_rules"] == {"busy": {"after_minutes": 30, "max": 1}}
    after = await patched(api, path, retry_interval_minutes=5, retry_rules={"no_answer": {}})
    assert after["retry_rules"] == {"no_answer": {"after_minutes": 5, "max": None}}


async def test_holidays_close_the_days_of_a_later_end_too(
    api: httpx.AsyncClient, daemon: Installation, path: str
) -> None:
    ident = CampaignId(path.rpartition("/")[2])

    def closed() -> set[int]:
        live = daemon.engine.memory.campaign(ident)
        assert live is not None
        return {day.year for day in live[0].closed}

    year = datetime.now(UTC).year
    assert max(closed(), default=year) <= year + 1
    await patched(api, path, schedule={"end_time": at(days=3 * 365)})
    assert year + 2 in closed()
    await patched(api, path, schedule={"start_time": None, "end_time": None})
    assert year + 3 in closed(), "without an end the next three years are known"


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({"name": None}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"script_id": "other", "language": "hi-IN", "contacts": []}, {"script_id", "language", "contacts"}),
        ({"status": "stopped"}, {"status"}),
        ({"weight": 0, "calls_per_second": 0}, {"weight", "calls_per_second"}),
        ({"trunks": ["lab"], "caller_id": "+15550100200"}, {"caller_id"}),
        ({"caller_id": "+15550100100"}, {"caller_id"}),
        ({"schedule": {"timezone": None}}, {"schedule.timezone"}),
        ({"schedule": {"timezone": "Mars/Base"}}, {"schedule.timezone"}),
        ({"schedule": {"end_time": None}}, {"schedule.end_time"}),
        ({"schedule": {"start_time": at(days=21)}}, {"schedule.end_time"}),
        ({"schedule": {"end_time": at(hours=-2)}}, {"schedule.end_time"}),
        (
            {"schedule": {"hours": [{"days": ["day"], "from": "9", "to": "18:00"}]}},
            {"schedule.hours.0.days", "schedule.hours.0.from"},
        ),
        (
            {"schedule": {"holidays": ["2026-02-30", "Nowhere"]}},
            {"schedule.holidays.0", "schedule.holidays.1"},
        ),
        ({"schedule": {"holidays": ["IN", "US", "GB", "DE", "FR", "IT"]}}, {"schedule.holidays.5"}),
        ({"schedule": {"end_time": at(days=365 * 12)}}, {"schedule.holidays.0"}),
        ({"schedule": {"end_time": at(days=1), "hours": LATER}}, {"schedule"}),
        (
            {"retry_rules": {"lost": {}, "sleepy": {}, "unwanted": {}, "busy": {"max": -1}}},
            {"retry_rules.lost", "retry_rules.sleepy", "retry_rules.unwanted", "retry_rules.busy.max"},
        ),
    ],
)
async def test_every_fault_of_an_edit_is_named(
    fields: dict[str, Any], locs: set[str], api: httpx.AsyncClient, path: str
) -> None:
    before = (await api.get(path)).json()
    answer = await api.patch(path, json=fields)
    assert answer.status_code == 422, answer.text
    assert {fault["loc"] for fault in answer.json()["errors"]} == locs
    assert (await api.get(path)).json()["version"] == before["version"]


async def test_a_field_that_is_not_touched_is_not_judged(
    api: httpx.AsyncClient, daemon: Installation, path: str
) -> None:
    daemon.clock.shift = 21 * 86_400_000
    assert (await patched(api, path, name="Late"))["name"] == "Late", "though its end is past"


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ('"1"', 200),
        ("*", 200),
        ('"7", "1"', 200),
        ('"2"', 412),
        ('W/"1"', 412),
        ('"abc"', 412),
        ('""', 412),
        ("1", 400),
        ('"1" "2"', 400),
        ("", 400),
    ],
)
async def test_if_match_is_compared_with_the_version(
    if_match: str, status: int, api: httpx.AsyncClient, path: str
) -> None:
    answer = await api.patch(path, json={"name": "Other"}, headers={"If-Match": if_match})
    assert answer.status_code == status, answer.text
    assert (await api.get(path)).json()["name"] == ("Other" if status == 200 else "Loans")


async def test_an_edit_that_comes_between_is_not_lost(
    api: httpx.AsyncClient, daemon: Installation, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, others = daemon.engine.command, [{"max_attempts": 9}]

    async def with_another(command: Any) -> Any:
        if isinstance(command, EditCampaign) and others:
            await really(EditCampaign(command.campaign, others.pop()))
        return await really(command)

    monkeypatch.setattr(daemon.engine, "command", with_another)
    after = await patched(api, path, schedule={"hours": None})
    assert (after["max_attempts"], after["schedule"]["hours"], after["version"]) == (9, [], 3)


async def test_what_has_ended_is_not_edited(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.post(f"{path}/stop")).status_code == 200
    answer = await api.patch(path, json={"name": "Other"})
    assert (answer.status_code, answer.json()["state"]) == (409, "stopped")
    assert (await api.patch("/v1/campaigns/cmp_000000000000", json={})).status_code == 404
    why = (await api.get(f"{path}/why")).json()
    assert (why["dialing"], why["reasons"]) == (
        False,
        [{"reason": "campaign", "detail": "stopped", "until": None}],
    )
    contact = (await api.get(f"{path}/contacts/+919876543210/why")).json()
    assert (contact["dialing"], contact["state"]) == (False, "cancelled")
    assert contact["reasons"] == [{"reason": "contact", "detail": "cancelled", "until": None}]
