"""A campaign on the simulated carrier whose CRM is killed and started again: in the end it was told of everything."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import all_calls
from scripts.running import Daemon, daemon, lab
from tests.e2e.conftest import SCRIPT
from tests.kill.drill import until
from tests.kill.ledger import Ledger
from tests.webhooks.crm import Crm

pytestmark = pytest.mark.lab

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENDINGS = (1, 12, 21, 31, 41, 51, 66, 91, 90)
SETTINGS = {
    "DIALERD_WEBHOOKS__ALLOW": '["127.0.0.1"]',
    "DIALERD_WEBHOOKS__RETRIES": "20",
    "DIALERD_WEBHOOKS__FIRST_RETRY_SECONDS": "0.1",
}


@pytest.fixture(scope="module")
def dialing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with lab(tmp_path_factory.mktemp("webhooks")) as running, daemon(running, **SETTINGS) as process:
        process.ctl("script", "add", str(SCRIPT))
        yield process


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    made = Crm(tmp_path / "crm.jsonl", SECRET)
    made.start()
    try:
        yield made
    finally:
        made.kill()


def test_a_crm_that_is_killed_during_a_campaign_is_told_of_everything_as_it_was_recorded(
    dialing: Daemon, crm: Crm, tmp_path: Path
) -> None:
    hook = dialing.ctl("webhook", "add", crm.url, "--secret", SECRET)["webhook_id"]
    people = [f"+9198771{number:03d}{ENDINGS[number % len(ENDINGS)]:02d}" for number in range(27)]
    contacts = tmp_path / "contacts.csv"
    contacts.write_text("phone,name\n" + "".join(f"{phone},Asha आशा\n" for phone in people))
    flags = ("--max-attempts", "2", "--retry-interval", "0.05", "--ring-timeout", "4", "--csv", str(contacts))
    campaign = dialing.ctl(
        "campaign",
        "create",
        "--name",
        "told",
        "--script",
        "personal-loan-cross-sell",
        "--language",
        "en-IN",
        *flags,
    )["campaign_id"]
    ledger = Ledger(Path(dialing.env["DIALERD_STATE_DIR"]) / "dialerd.db")
    dialing.ctl("campaign", "start", campaign)
    for told in (3, 12):
        until(lambda told=told: len(crm.first_taken()) >= told, 60, "the CRM is told of nothing")
        crm.kill()
        before = len(ledger.deliveries())
        until(lambda before=before: len(ledger.deliveries()) > before + 3, 60, "nothing happens meanwhile")
        crm.start()
    until(lambda: ledger.status(campaign) == "completed", 120, "the campaign does not complete")
    until(lambda: waiting(dialing, hook) == 0, 60, "some deliveries still wait")

    received = crm.first_taken()
    assert received == ledger.deliveries(), "all of it, to the letter"
    events = [json.loads(body) for body in received.values()]
    calls = {call["id"]: call for found in all_calls(dialing, campaign).values() for call in found}
    completed = {event["data"]["id"]: event["data"] for event in events if event["type"] == "call.completed"}
    assert completed == calls, "each attempt, as the API shows it"
    counted = Counter(event["type"] for event in events)
    assert counted["campaign.started"] == counted["campaign.completed"] == 1
    assert counted["dnc.added"] == sum(call["disposition"] == "dnc" for call in calls.values()) > 0
    assert counted["call.disposition_set"] > 0
    assert out_of_order(events) == []
    assert crm.deaths == 2


def waiting(dialing: Daemon, hook: str) -> int:
    """Deliveries that are not settled yet."""
    return int(dialing.ctl("webhook", "deliveries", hook, "--state", "waiting")["total"])


def out_of_order(events: list[dict[str, Any]]) -> list[str]:
    """Calls of which something was told after their end."""
    kinds = defaultdict(list)
    for event in events:
        if event["type"].startswith("call."):
            kinds[event["data"]["id"]].append(event["type"])
    return [
        call
        for call, told in kinds.items()
        if told.count("call.completed") != 1 or told[-1] != "call.completed"
    ]
