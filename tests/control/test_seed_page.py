"""The requests of the page that this product is built from, as printed there but for host, key, ids and dates."""

from __future__ import annotations

import shlex
from typing import Any

import httpx
import pytest

from tests.control.installation import Installation

CREATE = """\
curl -X POST https://api.vinfer.ai/v1/campaigns \\
  -H "Authorization: Bearer YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Q4 Cross-Sell — Personal Loans",
    "script_id": "script_crosssell_pl_v3",
    "language": "hi-IN",
    "schedule": {
      "start_time": "2024-01-15T09:00:00+05:30",
      "end_time": "2024-01-15T18:00:00+05:30",
      "timezone": "Asia/Kolkata"
    },
    "contacts": [
      {"phone": "+919876543210", "name": "Priya Sharma", "loan_amount": 50000},
      {"phone": "+919123456789", "name": "Amit Patel", "loan_amount": 75000}
    ],
    "max_attempts": 3
  }'
"""
READ = """\
curl https://api.vinfer.ai/v1/campaigns/cmp_8f3a2b1c9d4e \\
  -H "Authorization: Bearer YOUR_API_KEY"
"""
PAUSE = """\
curl -X POST https://api.vinfer.ai/v1/campaigns/cmp_8f3a2b1c9d4e/pause \\
  -H "Authorization: Bearer YOUR_API_KEY"
"""
ANSWER: dict[str, Any] = {
    "campaign_id": "cmp_8f3a2b1c9d4e",
    "status": "running",
    "progress": {"total_contacts": 2000, "called": 1243, "pending": 757, "in_progress": 12},
    "dispositions": {
        "connected": 891,
        "not_reachable": 298,
        "callback_requested": 54,
        "interested": 312,
        "not_interested": 163,
        "dnc": 8,
    },
    "metrics": {"connect_rate": 0.717, "avg_call_duration_seconds": 87, "conversion_rate": 0.251},
}
LIST = """\
phone,name,loan_amount,due_date
+919876543210,Priya Sharma,50000,2024-01-20
+919123456789,Amit Patel,75000,2024-01-22
"""


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script("script_crosssell_pl_v3")


async def run(api: httpx.AsyncClient, command: str, **replaced: str) -> httpx.Response:
    """What the command line asks for, with another host and key."""
    for old, new in replaced.items():
        command = command.replace(old, new)
    words = iter(shlex.split(command.replace("\\\n", "")))
    assert next(words) == "curl"
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        else:
            url = word
    assert headers.pop("Authorization") == "Bearer YOUR_API_KEY"
    path = url.removeprefix("https://api.vinfer.ai")
    return await api.request(method, path, content=body, headers=headers)


def missing(shown: Any, found: Any, where: str = "") -> list[str]:
    """The keys that the page shows and the answer lacks, or has in another type."""
    if not isinstance(shown, dict):
        alike = isinstance(found, type(shown)) or found is None or isinstance(found, int | float)
        return [] if alike else [where]
    if not isinstance(found, dict):
        return [where]
    return [
        fault
        for key, value in shown.items()
        for fault in (missing(value, found[key], f"{where}.{key}") if key in found else [f"{where}.{key}"])
    ]


async def test_the_commands_of_the_page_create_read_and_pause_a_campaign(
    api: httpx.AsyncClient,
) -> None:
    created = await run(api, CREATE, **{"2024-01-15": "2044-01-15"})
    assert created.status_code == 201, created.text
    ident = created.json()["campaign_id"]
    assert ident.startswith("cmp_")
    assert len(ident) == len("cmp_8f3a2b1c9d4e")
    read = await run(api, READ, cmp_8f3a2b1c9d4e=ident)
    assert read.status_code == 200
    assert missing(ANSWER, read.json()) == []
    assert read.json()["status"] == "scheduled"
    assert read.json()["schedule"]["start_time"] == "2044-01-15T03:30:00Z"
    assert (await api.post(f"/v1/campaigns/{ident}/start", json={"now": True})).status_code == 200
    paused = await run(api, PAUSE, cmp_8f3a2b1c9d4e=ident)
    assert paused.status_code == 200
    assert missing(ANSWER, paused.json()) == []
    assert paused.json()["status"] == "paused"


async def test_the_list_of_the_page_is_taken_as_a_file(api: httpx.AsyncClient) -> None:
    campaign = '{"name": "Q4", "script_id": "script_crosssell_pl_v3", "language": "hi-IN"}'
    files = {"campaign": (None, campaign, "application/json"), "contacts": ("list.csv", LIST, "text/csv")}
    created = await api.post("/v1/campaigns", files=files)
    assert created.status_code == 201, created.text
    assert created.json()["import"]["accepted"] == 2
    contacts = (await api.get(f"/v1/campaigns/{created.json()['campaign_id']}/contacts")).json()["data"]
    assert [contact["variables"]["due_date"] for contact in contacts] == ["2024-01-20", "2024-01-22"]
