"""dialerctl campaign simulate: what a user types and sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dialerd.cli.simulate import duration, plot
from tests.cli.test_dialerctl import ONE, TWO, Ctl, contacts, create, ctl, daemon

__all__ = ["contacts", "ctl", "daemon"]


def test_a_campaign_is_foretold_in_words_bars_and_a_table(ctl: Ctl, contacts: Path) -> None:
    ident = create(ctl, contacts).value("campaign_id")
    told = ctl("campaign", "simulate", ident, "--answer-rate", 1, "--talk-seconds", 5)
    assert told.code == 0, told.err
    assert told.value("campaign") == f"Loans ({ident})"
    assert told.value("finishes").endswith(" s")
    assert told.value("dispositions") == "connected 2"
    assert "calls per hour (# answered, - not)" in told.out
    assert "#" * 50 + " 2" in told.out
    assert "answer rate 1 (as given)" in told.out
    assert "a guess" in told.out
    assert told.out.isascii()


def test_json_gives_everything_as_the_api_does(ctl: Ctl, contacts: Path) -> None:
    told = ctl("campaign", "simulate", contacts, "--trunk-channels", 1, "--seed", 3, "--json")
    assert told.code == 0, told.err
    assert told.json["campaign_id"] is None
    assert told.json["seed"] == 3
    assert {trunk["max_channels"] for trunk in told.json["trunks"]} == {1}
    assert {"calls_per_hour", "limits", "changes", "assumptions", "notes"} <= told.json.keys()


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_campaign_in_a_file_is_foretold(ctl: Ctl, tmp_path: Path, suffix: str) -> None:
    people = [{"phone": ONE}, {"phone": TWO}]
    start, end = "2099-01-15T09:00:00+05:30", "2099-01-15T18:00:00+05:30"
    document: dict[str, Any] = {"name": "Later", "contacts": people, "max_attempts": 2}
    path = tmp_path / f"campaign.{suffix}"
    if suffix == "json":
        document["schedule"] = {"start_time": start, "end_time": end, "timezone": "Asia/Kolkata"}
        path.write_text(json.dumps(document))
    else:
        path.write_text(
            f"name: Later\nschedule: {{start_time: {start}, end_time: {end}, timezone: Asia/Kolkata}}\n"
            f"contacts: [{{phone: '{ONE}'}}, {{phone: '{TWO}'}}]\n"
        )
    told = ctl("campaign", "simulate", path, "--answer-rate", "1", "--json")
    assert told.code == 0, told.err
    assert told.json["name"] == "Later"
    assert told.json["finishes_at"].startswith("2099-01-15T03:3")


def test_what_is_wrong_is_said_with_the_usual_exit_codes(ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("campaign", "simulate", "cmp_000000000000").code == 1
    assert ctl("campaign", "simulate", tmp_path / "nothing.csv").code == 2
    rows = tmp_path / "rows.csv"
    rows.write_text("phone\n12\n")
    bad = ctl("campaign", "simulate", rows)
    assert bad.code == 2
    assert "contacts" in bad.err
    text = tmp_path / "list.yaml"
    text.write_text("- 1")
    assert "must be an object" in ctl("campaign", "simulate", text).err
    assert ctl("campaign", "simulate", rows, "--answer-rate", 3).code == 2


def test_many_hours_share_a_line_of_the_plot() -> None:
    hours = [
        {"hour": f"2026-01-{day:02}T{hour:02}:00:00Z", "calls": 10, "answered": 5}
        for day in range(1, 11)
        for hour in range(9, 18)
    ]
    title, *lines = plot(hours)
    assert title == "calls per 6 hours (# answered, - not)"
    assert len(lines) <= 48
    assert sum(int(line.split()[-1]) for line in lines) == 900


@pytest.mark.parametrize(
    ("seconds", "words"), [(7, "7 s"), (61, "1 min 1 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_lengths_of_time_are_readable(seconds: float, words: str) -> None:
    assert duration(seconds) == words
