"""Reports as a campaign manager asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.journal import CallClosed
from dialerd.core.model import CallStatus
from tests.contracts.stores import START, attempt, ending, opening
from tests.control.installation import Installation

DAY = {"from": "2023-11-14", "to": "2023-11-15"}
"""`START` is 2023-11-14T22:13:20Z."""


async def fill(daemon: Installation) -> None:
    """Four calls of one trunk: answered, busy, and half an hour later twice busy."""
    for number, at in enumerate((0, 1_000, 1_800_000, 1_801_000), start=1):
        call = replace(attempt(None, number), started_at=Instant(START + at))
        closed = ending(call)
        if number == 1:
            closed = ending(call, status=CallStatus.COMPLETED, reason=None, duration=Millis(12_500))
        await daemon.store.commit([*opening(call), CallClosed(call, closed)])


async def asked(api: httpx.AsyncClient, **question: str) -> dict[str, Any]:
    answer = await api.get("/v1/report", params=question)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_calls_by_trunk(api: httpx.AsyncClient, daemon: Installation) -> None:
    await fill(daemon)
    found = await asked(api, by="trunk", **DAY)
    figures = {
        "calls": 4,
        "counted": 4,
        "answered": 1,
        "connect_rate": 0.25,
        "avg_talk_seconds": 12.5,
        "positive": 0,
        "refunds": 0,
        "failovers": 0,
        "reasons": {"busy": 3},
    }
    assert found == {
        "by": "trunk",
        "from": "2023-11-14T00:00:00Z",
        "to": "2023-11-15T23:59:59.999Z",
        "timezone": "UTC",
        "campaign_id": None,
        "data": [{"key": "lab", "name": None, **figures}],
        "total": figures,
        "left_out": 0,
    }


async def test_hours_and_dates_are_those_of_the_zone(api: httpx.AsyncClient, daemon: Installation) -> None:
    await fill(daemon)
    day = {"from": "2023-11-15", "to": "2023-11-15", "timezone": "Asia/Kolkata"}
    hours = await asked(api, by="hour", **day)
    assert (hours["from"], hours["to"]) == ("2023-11-14T18:30:00Z", "2023-11-15T18:29:59.999Z")
    assert [(row["key"], row["calls"]) for row in hours["data"]] == [
        ("2023-11-15T03:00+05:30", 2),
        ("2023-11-15T04:00+05:30", 2),
    ]
    of_day = await asked(api, by="hour_of_day", **day)
    assert [row["key"] for row in of_day["data"]] == [f"{hour:02}:00" for hour in range(24)]
    assert {row["key"]: row["answered"] for row in of_day["data"] if row["calls"]} == {"03:00": 1, "04:00": 0}
    days = await asked(api, by="day", **day)
    assert [(row["key"], row["calls"]) for row in days["data"]] == [("2023-11-15", 4)]


async def test_without_a_span_it_is_the_last_week_or_the_campaign_s_life(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await fill(daemon)
    found = await asked(api, by="reason")
    assert (found["data"], found["total"]["calls"], found["total"]["connect_rate"]) == ([], 0, None)
    await daemon.add_script()
    contacts = [{"phone": "+919876543210", "loan_amount": 5}]
    fields = {"name": "Loans", "script_id": "loan", "language": "en-IN", "contacts": contacts}
    created = (await api.post("/v1/campaigns", json=fields)).json()
    of_campaign = await asked(api, by="hour", campaign_id=created["campaign_id"])
    assert of_campaign["from"] == created["created_at"]
    assert of_campaign["data"] == []


@pytest.mark.parametrize(
    ("question", "locs"),
    [
        ({}, {"by"}),
        (
            {
                "by": "moon",
                "from": "soon",
                "to": "9999-12-31",
                "timezone": "Mars/Base",
                "campaign_id": "cmp_x",
            },
            {"by", "from", "to", "timezone", "campaign_id"},
        ),
        ({"by": "day", "from": "2024-02-02", "to": "2024-02-01"}, {"from"}),
        ({"by": "day", "from": "2199-02-02"}, {"from"}),
        ({"by": "hour", "from": "2024-01-01", "to": "2024-03-01"}, {"from"}),
        ({"by": "trunk", "from": "2022-01-01", "to": "2024-03-01"}, {"from"}),
    ],
)
async def test_every_fault_of_a_question_is_named(
    api: httpx.AsyncClient, question: dict[str, str], locs: set[str]
) -> None:
    answer = await api.get("/v1/report", params=question)
    assert answer.status_code == 422, answer.text
    assert {fault["loc"] for fault in answer.json()["errors"]} == locs
