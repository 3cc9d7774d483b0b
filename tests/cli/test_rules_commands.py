"""dialerctl for what an operator does to a live dialer."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialerd.cli import rules

from .test_dialerctl import ONE, TWO, Ctl, contacts, create, ctl, daemon

__all__ = ["contacts", "ctl", "daemon"]


@pytest.fixture
def campaign(ctl: Ctl, contacts: Path) -> str:
    made = create(
        ctl,
        contacts,
        "--hours",
        "mon-fri 09:00-18:00",
        "--timezone",
        "Asia/Kolkata",
        "--retry-rule",
        "busy=5x3",
        "--max-callbacks",
        "2",
        "--json",
    )
    assert made.code == 0, made.err
    return str(made.json["campaign_id"])


def test_rules_are_given_shown_and_edited(ctl: Ctl, campaign: str) -> None:
    shown = ctl("campaign", "show", campaign, "--json").json
    assert shown["schedule"]["hours"][0]["days"] == ["mon", "tue", "wed", "thu", "fri"]
    assert shown["retry_rules"] == {"busy": {"after_minutes": 5, "max": 3}}
    edited = ctl(
        "campaign", "edit", campaign, "--max-attempts", "4", "--retry-rule", "no_answer=90", "--json"
    )
    assert edited.code == 0, edited.err
    assert edited.json["max_attempts"] == 4
    assert edited.json["retry_rules"] == {"no_answer": {"after_minutes": 90, "max": None}}
    assert ctl("campaign", "edit", campaign, "--max-attempts", "11").code == 2
    assert ctl("campaign", "edit", campaign, "--retry-rule", "invalid_number=5").code == 2


def test_contacts_are_listed_and_added_and_why_is_told(ctl: Ctl, campaign: str, tmp_path: Path) -> None:
    listed = ctl("campaign", "contacts", campaign)
    assert ONE in listed.out
    assert TWO in listed.out
    more = tmp_path / "more.csv"
    more.write_text("phone,loan_amount\n+919876500001,1\n")
    added = ctl("campaign", "add-contacts", campaign, "--csv", more)
    assert added.value("contacts").startswith("1 accepted of 1"), added.err
    why = ctl("campaign", "why", campaign)
    assert why.value("dialing") == "no"
    assert "asterisk" in why.out
    assert ctl("campaign", "why", campaign, ONE, "--json").json["reasons"]
    assert ctl("campaign", "why", campaign, "+15550100999").code == 1


def test_the_do_not_call_list(ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("dnc", "add", "+442071234567", "--reason", "asked").value("listed") == "+442071234567"
    assert ctl("dnc", "check", "+442071234567").code == 0
    assert ctl("dnc", "check", "+442079999999").code == 1
    assert "+442071234567" in ctl("dnc", "list").out
    csv = tmp_path / "dnc.csv"
    csv.write_text("phone\n+4479*\nnobody\n")
    assert ctl("dnc", "import", csv).code == 2
    assert ctl("dnc", "import", csv, "--on-invalid", "skip").code == 0
    assert ctl("dnc", "check", "+447912345678").code == 0
    assert ctl("dnc", "remove", "+4479*").code == 0
    assert ctl("dnc", "remove", "+4479*").code == 1
    assert ctl("dnc", "add", "12").code == 2
    assert ctl("dnc", "import", tmp_path / "none.csv").code == 2


def test_all_dialing_is_halted_and_resumed(ctl: Ctl) -> None:
    assert ctl("pause").value("halt") == "pause"
    assert "halted" in ctl("status").out
    assert ctl("panic", "--json").json["halt"] == "panic"
    assert ctl("resume").value("halt") == "-"


def test_trunks_are_paused_limited_and_resumed(ctl: Ctl) -> None:
    assert ctl("trunk", "pause", "lab").value("paused") != "-"
    assert "lab" in ctl("trunk", "list").out
    assert ctl("trunk", "set", "lab", "--max-channels", "3").value("max_channels") == "3"
    assert ctl("trunk", "set", "lab", "--max-channels", "999").code == 2
    assert ctl("trunk", "resume", "lab").value("paused") == "-"
    assert ctl("trunk", "pause", "none").code == 1


def test_a_call_that_the_gate_refuses_says_why(ctl: Ctl) -> None:
    refused = ctl(
        "call", "place", ONE, "--script", "loan", "--language", "en-IN", "--variable", "loan_amount=5"
    )
    assert refused.code == 1
    assert "asterisk" in refused.err
    assert ctl("call", "hangup", "cal_000000000000").code == 1


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri 09:00-18:00", ["mon", "tue", "wed", "thu", "fri"]),
        ("sat,sun 09:00-18:00", ["sat", "sun"]),
        ("fri-mon 09:00-18:00", ["fri", "sat", "sun", "mon"]),
        ("Mon 09:00-18:00", ["mon"]),
        ("holidays 09:00-18:00", ["holidays"]),
    ],
)
def test_weekly_hours_are_read_as_people_write_them(text: str, days: list[str]) -> None:
    assert rules.hours([text]) == [{"days": days, "from": "09:00", "to": "18:00"}]
