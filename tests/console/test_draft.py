"""A campaign as the seven steps gather it: what is asked of the API, and where its faults are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dialerd.console import contact_text, draft
from dialerd.console.draft import Draft
from dialerd.console.problem import Fault

NOW = datetime(2027, 1, 15, 3, 30, tzinfo=UTC)
FILLED = Draft(
    name="  Q4 — hi-IN ",
    script_id="loan",
    language="hi-IN",
    at_launch=False,
    start="2027-01-15T09:00",
    end="2027-01-15T18:00",
    timezone="Asia/Kolkata",
    contacts=contact_text.pasted("phone\n+919876543210\n"),
)


def test_times_are_sent_with_the_offset_of_their_zone() -> None:
    schedule = FILLED.fields(NOW)["schedule"]
    assert schedule == {
        "start_time": "2027-01-15T09:00:00+05:30",
        "end_time": "2027-01-15T18:00:00+05:30",
        "timezone": "Asia/Kolkata",
    }
    assert FILLED.fields(NOW)["name"] == "Q4 — hi-IN"


def test_a_campaign_may_start_at_its_launch_and_end_when_all_is_done() -> None:
    at_launch = replace(FILLED, at_launch=True)
    assert at_launch.schedule(NOW)["start_time"] == "2027-01-15T03:30:00+00:00"
    assert not at_launch.started_by_hand
    open_end = replace(at_launch, ends=False)
    assert open_end.schedule(NOW) == {"timezone": "Asia/Kolkata"}
    assert open_end.started_by_hand


def test_hours_and_holidays_narrow_the_window() -> None:
    narrow = replace(FILLED, weekly=True, days=["mon", "sat"], holidays="IN, 2027-01-26,")
    schedule = narrow.schedule(NOW)
    assert schedule["hours"] == [{"days": ["mon", "sat"], "from": "09:00", "to": "18:00"}]
    assert schedule["holidays"] == ["IN", "2027-01-26"]


def test_what_is_no_time_is_sent_as_it_was_typed() -> None:
    """The API says what is wrong with it."""
    assert replace(FILLED, timezone="Mars/Base").schedule(NOW)["start_time"] == "2027-01-15T09:00"
    assert replace(FILLED, end="soon").schedule(NOW)["end_time"] == "soon"


def test_numbers_are_whole_where_they_are_whole() -> None:
    fields = replace(FILLED, max_attempts=3.0, retry_minutes=0.5, concurrent=None).fields(NOW)
    assert repr(fields["max_attempts"]) == "3"
    assert fields["retry_interval_minutes"] == 0.5
    assert "max_concurrent_calls" not in fields
    assert replace(FILLED, max_attempts=2.5).fields(NOW)["max_attempts"] == 2.5


def test_the_same_campaign_is_asked_for_under_the_same_name() -> None:
    once = FILLED.once("wizard", NOW)
    assert replace(FILLED).once("wizard", NOW) == once
    assert replace(FILLED, name="other").once("wizard", NOW) != once
    assert replace(FILLED, contacts=contact_text.pasted("phone\n+1\n")).once("wizard", NOW) != once
    assert FILLED.once("another", NOW) != once
    assert once.isascii()
    assert len(once) <= 255


@pytest.mark.parametrize(
    ("loc", "step"),
    [
        ("name", draft.NAME),
        ("language", draft.VOICE),
        ("agent_id", draft.VOICE),
        ("schedule.end_time", draft.SCHEDULE),
        ("schedule.hours[0].from", draft.SCHEDULE),
        ("contacts", draft.CONTACTS),
        ("contacts[line 4].phone", draft.CONTACTS),
        ("max_attempts", draft.RETRY),
        ("trunks", draft.LAUNCH),
    ],
)
def test_a_fault_belongs_to_the_step_of_its_field(loc: str, step: str) -> None:
    fault = Fault(loc, "is wrong")
    assert draft.step_of(fault) == step
    assert draft.faults_of(step, [fault, Fault("elsewhere", "")])[0] == fault


def test_a_fault_of_a_list_knows_its_line_and_column() -> None:
    fault = Fault("contacts[line 12].loan_amount", "the script needs it")
    assert (fault.line, fault.column) == (12, "loan_amount")
    assert (Fault("contacts[line 1]", "").line, Fault("contacts[line 1]", "").column) == (1, None)
    assert Fault("name", "").line is None


def test_an_earlier_campaign_gives_its_settings_but_not_its_times() -> None:
    shown = {
        "name": "Loans",
        "agent_id": None,
        "script_id": "loan",
        "language": "en-IN",
        "schedule": {
            "start_time": "2026-01-15T03:30:00Z",
            "end_time": "2026-01-15T12:30:00Z",
            "timezone": "Asia/Kolkata",
            "hours": [{"days": ["mon"], "from": "10:00", "to": "12:00"}],
            "holidays": ["IN"],
        },
        "max_attempts": 2,
        "retry_interval_minutes": 5,
        "max_callbacks": 0,
        "ring_timeout_seconds": 20,
        "max_concurrent_calls": 4,
        "answering_machine": "hangup",
        "recording": True,
    }
    copied = draft.of_campaign(shown)
    assert copied.name == "Loans (copy)"
    assert (copied.agent_id, draft.of_campaign({**shown, "agent_id": "sita"}).agent_id) == (None, "sita")
    assert (copied.weekly, copied.days, copied.holidays) == (True, ["mon"], "IN")
    assert (copied.start, copied.end, copied.contacts) == ("", "", None)
    fields = copied.fields(NOW)
    assert (fields["max_attempts"], fields["answering_machine"], fields["recording"]) == (2, "hangup", True)


def test_an_agent_is_sent_and_a_script_only_if_its_engine_speaks_one() -> None:
    assert "agent_id" not in FILLED.fields(NOW)
    embedded = replace(FILLED, agent_id="priya").fields(NOW)
    assert (embedded["agent_id"], embedded["script_id"]) == ("priya", "loan")
    by_bot = replace(FILLED, agent_id="sita", speaks_script=False)
    assert by_bot.fields(NOW)["agent_id"] == "sita"
    assert "script_id" not in by_bot.fields(NOW)
    assert by_bot.once("wizard", NOW) != FILLED.once("wizard", NOW)


def test_whether_calls_are_recorded_is_left_to_nobody_where_an_agent_might_say_it() -> None:
    assert "recording" not in FILLED.fields(NOW)
    assert replace(FILLED, agent_id="sita").fields(NOW)["recording"] is False
    assert replace(FILLED, agent_id="sita", recording=True).fields(NOW)["recording"] is True


def test_faults_are_named_as_the_page_names_their_fields() -> None:
    assert draft.near(Fault("agent_id", "there is none")) == Fault("Voice agent", "there is none")
    assert draft.near(Fault("trunks", "there is none")) == Fault("trunks", "there is none")


def test_bare_numbers_are_a_list_whose_lines_are_the_users_own() -> None:
    bare = contact_text.pasted("+91 98765 43210\n\n98765-43211\n")
    assert bare.csv == b"phone\n+91 98765 43210\n\n98765-43211\n"
    assert bare.line(4) == 3
    with_header = contact_text.pasted("phone\tname\n+919876543210\tAsha\n")
    assert with_header.csv == b"phone\tname\n+919876543210\tAsha\n"
    assert with_header.line(2) == 2
