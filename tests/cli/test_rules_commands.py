"""dialerctl for what an operator does to a live dialer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dialerd.cli import rules
from dialerd.core.clock import Instant, Millis
from dialerd.core.journal import CallClosed
from dialerd.core.messages import Event, TrunkReachability
from dialerd.core.model import CallStatus
from tests.contracts.stores import START, attempt, ending, opening
from tests.control.serving import Served

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


def test_what_an_edit_does_not_name_stays(ctl: Ctl, campaign: str) -> None:
    before = ctl("campaign", "show", campaign, "--json").json
    edited = ctl(
        "campaign", "edit", campaign, "--end", "2099-01-16 18:00", "--start", "2026-01-01T00:00Z", "--json"
    )
    assert edited.code == 0, edited.err
    schedule = before["schedule"] | {"start_time": "2026-01-01T00:00:00Z", "end_time": "2099-01-16T12:30:00Z"}
    assert edited.json["schedule"] == schedule, "a time without offset is one of the campaign's zone"
    assert edited.json["retry_rules"] == before["retry_rules"]
    later = ctl(
        "campaign", "edit", campaign, "--end", "2098-01-16 18:00", "--holidays", "2030-01-26", "--json"
    )
    assert later.json["schedule"]["start_time"] == "2026-01-01T00:00:00Z"
    assert later.json["schedule"]["holidays"] == ["2030-01-26"]


def test_fields_are_taken_back_to_their_defaults(ctl: Ctl, campaign: str) -> None:
    terms = (
        "--trunk",
        "spare",
        "--trunk",
        "lab",
        "--caller-id",
        "+15550100200",
        "--weight",
        "2",
        "--keep-open",
    )
    edited = ctl("campaign", "edit", campaign, *terms, "--json").json
    assert (edited["trunks"], edited["caller_id"]) == (["spare", "lab"], "+15550100200")
    assert (edited["weight"], edited["keep_open"]) == (2, True)
    reset = ctl(
        *(
            "campaign",
            "edit",
            campaign,
            "--reset",
            "trunks",
            "--reset",
            "caller_id",
            "--reset",
            "schedule.hours",
        ),
        *("--no-keep-open", "--json"),
    )
    assert reset.code == 0, reset.err
    assert (reset.json["trunks"], reset.json["caller_id"], reset.json["keep_open"]) == ([], None, False)
    assert reset.json["schedule"]["hours"] == []
    assert reset.json["schedule"]["timezone"] == "Asia/Kolkata"
    assert ctl("campaign", "edit", campaign, "--reset", "script_id").code == 2


def test_an_edit_of_what_others_have_edited_is_refused(ctl: Ctl, campaign: str) -> None:
    version = ctl("campaign", "edit", campaign, "--name", "A").value("version")
    assert ctl("campaign", "edit", campaign, "--name", "B", "--if-version", version).code == 0
    late = ctl("campaign", "edit", campaign, "--name", "C", "--if-version", version)
    assert late.code == 1
    assert "next: read it again" in late.err
    assert ctl("campaign", "show", campaign).value("name") == "B"


def test_rules_are_shown_to_people(ctl: Ctl, campaign: str) -> None:
    shown = ctl("campaign", "show", campaign)
    assert shown.value("hours") == "mon tue wed thu fri 09:00-18:00"
    assert shown.value("retry rules") == "busy after 5 minutes, 3 times at most"
    assert shown.value("callbacks") == "up to 2"


def test_what_cannot_be_sent_is_bad_input(ctl: Ctl, campaign: str) -> None:
    for words in (
        ("campaign", "edit", campaign, "--calls-per-second", "nan"),
        ("campaign", "edit", campaign, "--name", "\udcff"),
        ("campaign", "edit", campaign, "--hours", "sometimes"),
        ("campaign", "edit", campaign, "--retry-rule", "busy=soon"),
        ("campaign", "edit", campaign, "--start", "soon"),
        ("dnc", "add", ONE, "--expires", "soon"),
        ("campaign", "why", campaign, "no number?"),
        ("campaign", "add-contacts", campaign, "--csv", "/no/such/file"),
        ("trunk", "set", "lab", "--calls-per-second", "inf"),
    ):
        refused = ctl(*words)
        assert refused.code == 2, (words, refused)


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
    done = ctl("dnc", "import", csv, "--on-invalid", "skip")
    assert done.value("numbers") == "1 listed of 2, 0 duplicates merged, 1 invalid"
    assert "invalid: line 3: nobody" in done.out
    assert ctl("dnc", "check", "+447912345678").code == 0
    assert ctl("dnc", "remove", "+4479*").code == 0
    assert ctl("dnc", "remove", "+4479*").code == 1
    assert ctl("dnc", "add", "12").code == 2
    assert ctl("dnc", "import", tmp_path / "none.csv").code == 2


def test_an_import_tells_who_is_on_the_list(ctl: Ctl, campaign: str, tmp_path: Path) -> None:
    assert ctl("dnc", "add", "+9177*").code == 0
    more = tmp_path / "more.csv"
    more.write_text("phone,loan_amount\n+917700000001,1\n+918800000001,1\n")
    added = ctl("campaign", "add-contacts", campaign, "--csv", more)
    assert "1 on the do-not-call list" in added.out
    suppressed = ctl("campaign", "contacts", campaign, "--state", "suppressed")
    assert "+917700000001" in suppressed.out
    assert "+918800000001" not in suppressed.out
    assert "suppressed" in ctl("campaign", "why", campaign, "+917700000001").out
    assert ctl("campaign", "contacts", campaign, "--state", "gone").code == 2
    assert ctl("dnc", "remove", "+9177*").code == 0


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


def test_a_trunk_and_its_caller_ids_are_shown(ctl: Ctl, daemon: Served) -> None:
    daemon.do(posted(daemon, TrunkReachability("spare", False, "gone")))
    listed = ctl("trunk", "list").out
    assert "slowed to 1.25 of 5" in listed
    assert "is unreachable" in listed
    shown = ctl("trunk", "show", "lab")
    assert shown.value("registered") == "not needed"
    assert shown.value("calls a second") == "slowed to 1.25 of 5"
    assert shown.value("answered") == "0 of 0 last calls"
    assert "+15550100101" in shown.out
    assert ctl("trunk", "show", "spare").value("state") == "unreachable"
    assert ctl("trunk", "show", "lab", "--json").json["last_calls"] == {
        "of": 0,
        "answered": 0,
        "answer_rate": None,
    }
    assert ctl("trunk", "show", "none").code == 1


async def posted(daemon: Served, event: Event) -> None:
    """The engine has taken up an event."""
    daemon.inside.engine.post(event)
    while daemon.inside.service.operation.trunk("spare")["reachable"] is None:
        await asyncio.sleep(0)


def test_a_call_that_the_gate_refuses_says_why(ctl: Ctl) -> None:
    refused = ctl(
        "call", "place", ONE, "--script", "loan", "--language", "en-IN", "--variable", "loan_amount=5"
    )
    assert refused.code == 1
    assert "asterisk" in refused.err
    wrong = ctl(
        *("call", "place", "12", "--script", "loan", "--language", "en-IN", "--timezone", "Mars/Base"),
        *("--trunk", "nowhere", "--ring-timeout", "0", "--caller-id", "+15550100999"),
    )
    assert wrong.code == 2
    for loc in ("phone:", "timezone:", "trunks.0:", "ring_timeout_seconds:", "variables.loan_amount:"):
        assert loc in wrong.err
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


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("busy=5", {"after_minutes": 5}),
        ("busy=0.5x3", {"after_minutes": 0.5, "max": 3}),
        ("busy=x1", {"max": 1}),
        ("busy", {}),
        ("busy=soon", {"after_minutes": "soon"}),
    ],
)
def test_retry_rules_are_read_as_people_write_them(text: str, rule: dict[str, object]) -> None:
    assert rules.retry_rules([text]) == {"busy": rule}


def test_weight_and_shares_are_given_shown_and_edited(ctl: Ctl, contacts: Path, campaign: str) -> None:
    made = create(ctl, contacts, "--weight", "3", "--shares", "fresh=2, retries=1,callbacks=4", "--json")
    assert made.code == 0, made.err
    assert (made.json["weight"], made.json["shares"]) == (3, {"fresh": 2, "retries": 1, "callbacks": 4})
    edited = ctl("campaign", "edit", campaign, "--shares", "retries=0.5")
    assert edited.code == 0, edited.err
    shown = ctl("campaign", "show", campaign)
    assert (shown.value("weight"), shown.value("shares")) == ("1", "fresh 1, retries 0.5, callbacks 8")
    for wrong in ("fresh=0", "fresh=many", "fresh", "young=2"):
        refused = ctl("campaign", "edit", campaign, "--shares", wrong)
        assert (refused.code, "shares." in refused.err) == (2, True), refused.err


def test_a_report_is_a_table_with_bars(ctl: Ctl, daemon: Served) -> None:
    for number in range(1, 5):
        call = replace(attempt(None, number), started_at=Instant(START + number * 3_600_000))
        closed = ending(call)
        if number > 2:
            closed = ending(call, status=CallStatus.COMPLETED, reason=None, duration=Millis(2_000))
        daemon.do(daemon.inside.store.commit([*opening(call), CallClosed(call, closed)]))
    span = ("--from", "2023-11-14", "--to", "2023-11-16", "--timezone", "Asia/Kolkata")
    shown = ctl("report", "--by", "trunk", *span)
    assert shown.code == 0, shown.err
    (row,) = (line.split() for line in shown.out.splitlines() if line.startswith("lab"))
    assert row[:9] == ["lab", "4", "4", "2", "50.0%", "2", "0", "0", "0"]
    assert row[-1] == "█" * 12 + "░" * 12
    assert "busy 2" in row[9] + " " + row[10]
    hours = ctl("report", "--by", "hour", *span).out
    assert "2023-11-15T04:00+05:30" in hours
    assert "on the clocks of Asia/Kolkata" in hours
    assert ctl("report", "--by", "reason", *span, "--json").json["data"][0]["calls"] == 2
    assert ctl("report", "--by", "trunk", "--from", "2020-01-01", "--to", "2020-01-02").out.endswith("none\n")
    refused = ctl("report", "--by", "moon", "--from", "soon")
    assert (refused.code, "  by: " in refused.err, "  from: " in refused.err) == (2, True, True)


def test_events_are_followed_from_where_one_was(ctl: Ctl, campaign: str) -> None:
    lost = ctl("events", "--after", "1-1", "--count", "1")
    assert lost.code == 0, lost.err
    assert "feed.gap" in lost.out
    first = ctl("--json", "events", "--campaign", campaign, "--after", "1-1", "--count", "1").json
    assert (first["type"], first["id"]) == ("feed.gap", None)
    assert first["data"]["campaign_id"] == campaign
    unknown = ctl("events", "--campaign", "cmp_000000000099")
    assert unknown.code == 1
    assert "cmp_000000000099" in unknown.err
