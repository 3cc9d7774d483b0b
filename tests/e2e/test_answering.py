"""Answering machines on the simulated carrier: who is one, what it hears, and that people are left alone."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import all_calls
from scripts.running import Daemon
from tests.e2e.test_campaign import run

pytestmark = pytest.mark.lab

MACHINES, PEOPLE, SILENT = (75, 76, 79), (1, 21), (31,)


def contact_list(folder: Path, series: int) -> Path:
    path = folder / f"list-{series}.csv"
    rows = [f"+919879{series:02d}{ending:04d},Asha" for ending in (*MACHINES, *PEOPLE, *SILENT)]
    path.write_text("phone,name\n" + "\n".join(rows) + "\n")
    return path


def last_calls(process: Daemon, shown: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The last call of each callee, by the last two digits of its number."""
    return {
        int(phone[-2:]): max(calls, key=lambda call: call["started_at"])
        for phone, calls in all_calls(process, shown["campaign_id"]).items()
    }


def heard(records: Path, series: int) -> dict[int, str]:
    """What the carrier's callees heard, by ending."""
    with sqlite3.connect(f"file:{records}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT dst, userfield FROM cdr WHERE dst LIKE ?", (f"%919879{series:02d}%",)
        ).fetchall()
    return {int(number[-2:]): userfield.rpartition("heard=")[2] for number, userfield in rows}


@pytest.fixture(scope="module")
def campaigns(
    carrier_lab: tuple[Daemon, Path], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """One that leaves messages and one that hangs up on machines, dialed side by side."""
    process, _ = carrier_lab
    folder = tmp_path_factory.mktemp("lists")
    options = (("message", "--max-attempts", "2"), ("hangup",))
    with ThreadPoolExecutor() as side_by_side:
        made = [
            side_by_side.submit(run, process, contact_list(folder, series), "--answering-machine", *chosen)
            for series, chosen in enumerate(options, 1)
        ]
    return [each.result() for each in made]


def test_machines_get_their_message_and_people_their_agent(
    carrier_lab: tuple[Daemon, Path], campaigns: list[dict[str, Any]]
) -> None:
    process, records = carrier_lab
    shown = campaigns[0]
    calls = last_calls(process, shown)
    for ending in MACHINES:
        call = calls[ending]
        assert (call["answered_by"], call["message_left"]) == ("machine", True)
        assert (call["disposition"], call["reason"], call["attempt"]) == ("not_reachable", "voicemail", 1)
        assert call["duration_seconds"] > 10, "the greeting was heard out"
    for ending in PEOPLE:
        assert (calls[ending]["answered_by"], calls[ending]["message_left"]) == ("human", False)
    assert calls[1]["disposition"] == "interested"
    assert (calls[31]["answered_by"], calls[31]["disposition"]) == (None, "connected")
    assert {heard(records, 1)[ending] for ending in MACHINES} == {"yes"}
    assert shown["dispositions"]["connected"] == len(PEOPLE) + len(SILENT)


def test_machines_are_hung_up_on_before_they_record(
    carrier_lab: tuple[Daemon, Path], campaigns: list[dict[str, Any]]
) -> None:
    process, records = carrier_lab
    calls = last_calls(process, campaigns[1])
    for ending in MACHINES:
        call = calls[ending]
        assert (call["answered_by"], call["reason"]) == ("machine", "voicemail")
        assert call["duration_seconds"] < 12, "its greeting was not heard out"
    assert calls[1]["disposition"] == "interested"
    assert calls[21]["disposition"] == "not_interested"
    assert {heard(records, 2).get(ending, "") for ending in MACHINES} == {""}
