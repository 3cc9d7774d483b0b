"""Words, numbers and charts as people read them."""

from __future__ import annotations

import pytest

from dialerd.console import chart, phone, script_lines, wording
from dialerd.console.happening import Happening
from dialerd.console.pages.campaigns import conversions, left_out, matches, settled
from dialerd.console.pages.events import row
from dialerd.console.pages.new_review import counted, ending, value_of
from dialerd.console.statusbar import in_flight, summary


def test_numbers_are_masked_unless_they_are_asked_for() -> None:
    assert phone.shown("+919876543210", whole=False) == "+91 ••• 10"
    assert phone.shown("+919876543210", whole=True) == "+919876543210"
    assert phone.shown("+9198*", whole=False) == "+9198*"
    assert phone.shown(None, whole=False) == "–"
    said = phone.blurred("the same number as +919876543210, line 2", whole=False)
    assert said == "the same number as +91 ••• 10, line 2"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (87, "1 min 27 s"),
        (3600, "1 h"),
        (200_000, "2 days 7 h"),
    ],
)
def test_durations_are_said_as_people_do(value: float | None, said: str) -> None:
    assert wording.seconds(value) == said


def test_ratios_of_nothing_are_not_zero() -> None:
    assert wording.percent(None) == "–"
    assert wording.percent(0.0) == "0.0%"
    assert wording.percent(0.717) == "71.7%"


def test_dispositions_have_words_and_declared_ones_their_own() -> None:
    assert wording.outcome("not_reachable", "busy") == "Not reached: busy"
    assert wording.outcome("wants_a_visit", None) == "Wants a visit"
    assert wording.outcome(None, None) == "–"


def test_who_talks_in_a_campaign_is_said_with_who_stands_in() -> None:
    alone = {"agent_id": None, "engine": "embedded", "fallbacks": []}
    assert wording.agent(alone) == "none: the script alone"
    bot = {"agent_id": "sita", "engine": "bot", "fallbacks": []}
    assert wording.agent(bot) == "sita, by the engine bot"
    helped = {**bot, "fallbacks": ["gita", "priya"]}
    assert wording.agent(helped) == "sita, by the engine bot; if it cannot: gita, then priya"


def test_who_talked_in_a_call_is_said_with_who_was_meant_to() -> None:
    alone = {"agent_id": None, "engine": "embedded", "taken_over_by": None}
    assert wording.talker(alone) == "the script alone, by the engine embedded"
    taken = {"agent_id": "priya", "engine": "embedded", "detail": "engine bot: it is not there"}
    bot = {"agent_id": "sita", "engine": "bot", "taken_over_by": taken}
    assert wording.talker(bot) == (
        "priya, by the engine embedded; not sita, by the engine bot: engine bot: it is not there"
    )


@pytest.mark.parametrize(
    ("by", "left", "answered", "said"),
    [
        ("human", False, "2026-06-09T06:30:00Z", "a person"),
        ("machine", False, "2026-06-09T06:30:00Z", "an answering machine"),
        ("machine", True, "2026-06-09T06:30:00Z", "an answering machine, which was left a message"),
        (None, False, "2026-06-09T06:30:00Z", "could not be told"),
        (None, False, None, "–"),
    ],
)
def test_who_answered_is_said(by: str | None, left: bool, answered: str | None, said: str) -> None:
    assert wording.answerer({"answered_by": by, "message_left": left, "answered_at": answered}) == said


def test_what_became_of_a_handover_is_said_with_what_the_person_was_told() -> None:
    assert wording.handover(None) == "no"
    asked = {"target": "desk", "where": "endpoint:desk", "state": "ringing", "outcome": None}
    told = {"reason": "asked for a person", "summary": "wants the loan"}
    assert wording.handover({**asked, **told}) == (
        "to endpoint:desk: it rings there (asked for a person. wants the loan)"
    )
    ended = {
        "target": None,
        "where": None,
        "state": "ended",
        "outcome": "no_target",
        "reason": None,
        "summary": None,
    }
    assert wording.handover(ended) == "to nobody: there is nobody to reach"


def test_times_are_on_a_named_clock() -> None:
    assert wording.moment("2027-01-15T03:30:00Z", "Asia/Kolkata") == "15 Jan 2027, 09:00:00 Asia/Kolkata"
    assert wording.moment("2027-01-15T03:30:00Z") == "15 Jan 2027, 03:30:00 UTC"
    assert wording.moment(None) == "–"
    assert wording.wall("2026-11-27T01:43:23.481+05:30") == "Fri, 27 Nov 2026, 01:43:23 (UTC+05:30)"
    assert wording.wall("2026-11-27T01:43:23Z") == "Fri, 27 Nov 2026, 01:43:23 (UTC+00:00)"
    assert wording.wall(None) == "–"


def test_rules_have_words_under_their_own_names() -> None:
    assert wording.rule("min-gap") == "Last call to the number"
    assert wording.rule("campaign-rate") == "Campaign rate"
    assert {name for name in wording._RULES if "_" in name} == set(), "the API's have hyphens"


def test_a_window_is_one_sentence() -> None:
    schedule = {
        "start_time": "2027-01-15T03:30:00Z",
        "end_time": "2027-01-15T12:30:00Z",
        "timezone": "Asia/Kolkata",
        "hours": [{"days": ["mon", "tue"], "from": "09:00", "to": "12:00"}],
        "holidays": ["IN"],
    }
    assert wording.window(schedule) == (
        "15 Jan 2027 09:00 to 15 Jan 2027 18:00; Mon, Tue 09:00–12:00; not on IN (Asia/Kolkata)"
    )
    nothing = {"start_time": None, "end_time": None, "timezone": None, "hours": [], "holidays": []}
    assert wording.window(nothing) == "Until every contact is done"


def test_charts_show_every_disposition_and_hours_on_the_campaigns_clock() -> None:
    drawn = chart.dispositions(
        [{"disposition": "interested", "count": 3}, {"disposition": "dnc", "count": 5}]
    )
    assert drawn["yAxis"]["data"] == ["Interested", "Do not call again"]
    assert [bar["value"] for bar in drawn["series"][0]["data"]] == [3, 5]
    hours = chart.hours({"2027-01-15T09Z": {"calls": 10, "answered": 7}}, "Asia/Kolkata")
    assert hours["xAxis"]["data"] == ["15 Jan 14:30"]
    assert [series["data"] for series in hours["series"]] == [[7], [3]]


def test_a_campaign_is_found_by_all_its_words() -> None:
    campaign = {
        "name": "Q4 Loans",
        "agent_id": None,
        "script_id": "cross-sell",
        "language": "hi-IN",
        "campaign_id": "cmp_1",
    }
    assert matches(campaign, "hi-in LOANS")
    assert not matches(campaign, "loans en-in")
    assert matches({**campaign, "agent_id": "sita", "script_id": None}, "sita loans")
    assert left_out(0, 0) == "There is no campaign here yet."
    assert left_out(3, 0) == "No campaign is called so."


def test_contacts_are_done_that_will_not_be_called_any_more() -> None:
    assert settled({"finished": 5, "suppressed": 1, "expired": 2, "cancelled": 3, "pending": 9}) == 11
    shown = {"metrics": {"conversion_rate": 0.25}, "dispositions": {"connected": 8}}
    assert conversions(shown) == "2 (25.0%)"


STATUS = {
    "halt": None,
    "dialing": True,
    "live_calls": 1,
    "problems": [],
    "campaigns": {"running": 2},
}


@pytest.mark.parametrize(
    ("change", "away", "state"),
    [
        ({}, None, "Dialing"),
        ({"halt": "pause"}, None, "Paused"),
        ({"halt": "panic"}, None, "Panic"),
        ({"dialing": False, "problems": ["Asterisk: away"]}, None, "Cannot dial"),
        ({}, "refused", "Away"),
    ],
)
def test_the_status_bar_says_whether_calls_are_placed(
    change: dict[str, object], away: str | None, state: str
) -> None:
    assert summary({**STATUS, **change}, away)[0] == state


def test_calls_that_left_before_an_order_are_named() -> None:
    assert in_flight({"in_flight": 0}, "Paused.") == "Paused."
    assert in_flight({"in_flight": 2}, "Paused.") == "Paused. 2 calls sent before that may still ring."


def test_the_review_counts_rows_and_those_not_to_be_called() -> None:
    report = {"received": 8, "accepted": 5, "duplicates": 1, "invalid": [{}, {}], "suppressed_dnc": 1}
    contacts = {"zone_unknown": 0, "no_common_hours": 3}
    assert counted(report, contacts) == (
        "8 rows in the list: 4 to be called, 2 left out as invalid, 1 repeated, 1 on the do-not-call list, "
        "3 with no common hours."
    )
    assert value_of({"busy": 0.25, "no_answer": 0.75}) == "busy 25%, no answer 75%"


def test_a_forecast_says_how_it_ends() -> None:
    done = {"ends_by": "done", "finishes_at": "2027-01-15T03:30:00Z", "seconds": 90.0}
    assert ending(done, None) == "Done in 1 min 30 s, 15 Jan 2027, 03:30:00 UTC."
    assert ending({**done, "ends_by": "end_time"}, None).startswith("It is not done when its window ends")
    assert ending({"ends_by": "never", "finishes_at": None}, None).startswith("It would never be done")


def test_an_event_is_told_in_words_and_leads_to_its_call() -> None:
    data = {"call_id": "cal_1", "campaign_id": "cmp_1", "disposition": "not_reachable", "reason": "busy",
            "attempt": 2, "detail": None, "phone": "+919876543210"}  # fmt: skip
    told = row(Happening("a-1", "call.completed", "2027-01-15T03:30:00Z", data), whole=False)
    assert told["kind"] == "Call completed"
    assert told["about"] == "+91 ••• 10 · Not reached: busy · attempt 2"
    assert told["href"] == "/calls/cal_1"
    paused = Happening("a-2", "trunk.paused", "2027-01-15T03:30:00Z", {"trunk": "lab", "why": "by order"})
    assert row(paused, whole=False)["about"] == "trunk lab · why by order"


def test_lines_of_a_script_are_listened_to_by_their_own_names() -> None:
    keys = {
        "languages": {
            "en": {
                "defaults": {"name": "there"},
                "opening": "Hello\n  there",
                "closings": {"1": "Thanks"},
                "no_input": {"repeat": "Again", "closing": "Bye"},
            }
        }
    }
    assert [(line.name, line.text, line.heard_as) for line in script_lines.lines(keys, "en")] == [
        ("opening", "Hello there", "opening"),
        ("closings.1", "Thanks", "closing.1"),
        ("no_input.repeat", "Again", "no_input_repeat"),
        ("no_input.closing", "Bye", "no_input_closing"),
    ]
    states = {
        "states": {},
        "languages": {
            "en": {"no_input": "Hm", "say": {"a": {"text": "A", "again": "B", "confirm": "C"}, "b": "D"}}
        },
    }
    assert [(line.name, line.heard_as) for line in script_lines.lines(states, "en")] == [
        ("no_input", None),
        ("a.text", "a"),
        ("a.again", None),
        ("a.confirm", "a.confirm"),
        ("b", "b"),
    ]
    assert script_lines.lines(keys, "hi") == []
    assert script_lines.samples({"bank": {"default": "B"}, "due": {"type": "date"}}) == ["due=2027-01-20"]
