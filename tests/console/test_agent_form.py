"""A voice agent as its form holds it: what is asked of the API, where its faults are shown, what is said of engines."""

from __future__ import annotations

from typing import Any

import pytest

from dialerd.console import agent_form, engines
from dialerd.console.agent_form import AgentForm, OwnLabel
from dialerd.console.pages.agents import row
from dialerd.console.pages.new_voice import suited, unable
from dialerd.console.problem import Fault, Refused
from dialerd.console.repertoire import Repertoire

BOT = {
    "engine": "bot",
    "kind": "twilio-stream",
    "healthy": True,
    "state": "ok",
    "sessions_in_use": 3,
    "sessions_limit": 10,
    "max_sessions": 10,
    "voices": [],
    "needs_script": False,
}
EMBEDDED = {
    **BOT,
    "engine": "embedded",
    "kind": "embedded",
    "voices": ["female", "male"],
    "needs_script": True,
}
SHOWN: dict[str, Any] = {
    "agent_id": "sita",
    "agent_name": "Sita",
    "language": "hi-IN",
    "voice": None,
    "script_id": None,
    "engine": "bot",
    "fallback": "priya",
    "dispositions": {
        "site_visit": {"positive": True, "terminal": True},
        "later": {"positive": False, "terminal": False},
    },
    "transfer_target": None,
    "recording": False,
    "created_at": "2027-01-15T03:30:00Z",
}
KNOWN = Repertoire(
    scripts={"loan": {"name": "Loans", "languages": ["en-IN", "hi-IN"]}},
    agents={"sita": SHOWN, "priya": {**SHOWN, "agent_name": "Priya"}},
    engines={"embedded": EMBEDDED, "bot": BOT},
    languages=[
        {"language": "en-GB", "name": "English (United Kingdom)", "engines": ["embedded"]},
        {"language": "hi", "name": "Hindi", "engines": ["embedded", "bot"]},
    ],
)


# --- what is asked of the API --------------------------------------------------------------------


def test_a_new_agent_is_asked_for_by_what_was_filled_in() -> None:
    assert AgentForm(name=" Sita ").new() == {"agent_name": "Sita", "engine": "embedded"}
    filled = AgentForm(
        "Sita", " sita ", "bot", "loan", " hi-IN ", "male", "priya", "+15550100100", "yes",
        [OwnLabel(" site_visit ", positive=True), OwnLabel("later", again=True), OwnLabel()],
    )  # fmt: skip
    assert filled.new() == {
        "agent_id": "sita",
        "agent_name": "Sita",
        "engine": "bot",
        "script_id": "loan",
        "language": "hi-IN",
        "voice": "male",
        "fallback": "priya",
        "transfer_target": "+15550100100",
        "recording": True,
        "dispositions": {
            "site_visit": {"positive": True, "terminal": True},
            "later": {"positive": False, "terminal": False},
        },
    }


def test_an_agent_that_is_opened_and_stored_again_is_not_changed() -> None:
    assert agent_form.of_agent(SHOWN).changes(SHOWN) == {}


def test_only_what_was_changed_is_asked_for_and_what_was_emptied_goes_back_to_its_default() -> None:
    form = agent_form.of_agent(SHOWN)
    form.voice, form.fallback, form.recording, form.labels = "female", None, "", form.labels[1:]
    assert form.changes(SHOWN) == {
        "voice": "female",
        "fallback": None,
        "recording": None,
        "dispositions": {"later": {"positive": False, "terminal": False}},
    }
    form = agent_form.of_agent(SHOWN)
    form.name = " "
    assert form.changes(SHOWN) == {"agent_name": None}


def test_the_same_agent_is_asked_for_under_the_same_name() -> None:
    once = AgentForm(name="Sita").once("form")
    assert AgentForm(name="Sita").once("form") == once
    assert AgentForm(name="Gita").once("form") != once
    assert AgentForm(name="Sita").once("another") != once


# --- where faults are shown ----------------------------------------------------------------------


def test_a_label_that_stands_twice_is_said_before_one_is_lost() -> None:
    form = AgentForm(labels=[OwnLabel("later"), OwnLabel(""), OwnLabel("later ", again=True), OwnLabel("")])
    (fault,) = form.repeated()
    assert fault == Fault("dispositions.later", "stands here twice")
    assert form.rows(fault) == [0, 2]


def test_a_fault_of_a_label_is_at_its_row() -> None:
    long = "Very " * 14
    form = AgentForm(labels=[OwnLabel("later"), OwnLabel(long), OwnLabel("a.b")])
    assert form.rows(Fault(f"dispositions.{long.strip()[:60]}", "is not a label")) == [1]
    assert form.rows(Fault("dispositions.a.b", "is not a label")) == [2]
    assert form.rows(Fault("dispositions", "are 200; at most 100")) == []
    assert form.rows(Fault("language", "is wrong")) == []


def test_an_id_that_is_taken_is_a_fault_of_the_id() -> None:
    taken = Refused(409, {"detail": "there is an agent 'sita' already", "state": "exists"})
    assert agent_form.faults(taken) == [Fault("agent_id", "there is an agent 'sita' already")]
    wrong = Refused(422, {"errors": [{"loc": "engine", "msg": "there is none"}]})
    assert agent_form.faults(wrong) == (Fault("engine", "there is none"),)


def test_who_uses_an_agent_is_led_to() -> None:
    used = Refused(409, {"state": "used", "used_by": ["cmp_0123456789ab", "cal_0123456789ab", "cmp_mine"]})
    assert agent_form.users(used) == [
        ("cmp_0123456789ab", "/campaigns/cmp_0123456789ab"),
        ("cal_0123456789ab", "/calls/cal_0123456789ab"),
        ("cmp_mine", "/agents/cmp_mine"),
    ]
    assert agent_form.users(Refused(404, {})) == []


# --- engines and what they speak -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "said", "tone", "trouble"),
    [
        (BOT, "Ready, 3 of 10 calls", "good", ""),
        ({**BOT, "sessions_in_use": 10}, "Full, 10 of 10 calls", "warn", ""),
        ({**BOT, "state": "closed the last call"}, "Ready, 3 of 10 calls", "good", "closed the last call"),
        (
            {**BOT, "healthy": False, "sessions_limit": 0, "state": "Connection refused"},
            "Cannot take calls", "bad", "Connection refused",
        ),
    ],
)  # fmt: skip
def test_an_engine_is_said_to_be_as_it_is(engine: dict[str, Any], said: str, tone: str, trouble: str) -> None:
    assert engines.state(engine) == (said, tone)
    assert engines.trouble(engine) == trouble
    assert bool(unable("bot", engine)) is not engine["healthy"]


def test_an_agent_whose_engine_is_gone_says_so_in_the_list() -> None:
    listed = row(SHOWN, None)
    assert (listed["engine"], listed["state"]) == ("bot (not in the settings)", "Not in the settings")
    assert row(SHOWN, BOT)["engine"] == "bot (twilio-stream)"
    assert "not in the settings" not in engines.trouble(BOT)
    assert unable("bot", None)


def test_what_is_gone_stays_in_a_list_until_something_else_is_chosen() -> None:
    assert KNOWN.script_names() == {"loan": "Loans (loan)"}
    assert KNOWN.script_names(kept="old") == {"loan": "Loans (loan)", "old": "old: there is no such script"}
    assert KNOWN.agent_names(but="sita", kept="priya") == {"priya": "Priya (priya)"}
    assert KNOWN.engine_names("gone")["gone"] == "gone (not in the settings)"
    assert KNOWN.needs_script("gone")
    assert not KNOWN.needs_script("bot")


def test_languages_suggest_themselves_by_script_then_by_engine() -> None:
    assert KNOWN.spoken("bot", "loan") == ["en-IN", "hi-IN"]
    assert KNOWN.spoken("bot", None) == ["hi"]
    assert KNOWN.spoken("any-language", None) == ["en-GB", "hi"]
    assert KNOWN.language_names(["en-IN", "xx"]) == {"en-IN": "English (en-IN)", "xx": "xx"}


def test_the_language_of_an_agent_is_spelled_as_its_script_does() -> None:
    assert suited("hi-in", ["en-IN", "hi-IN"]) == "hi-IN"
    assert suited("ta-IN", ["en-IN", "hi-IN"]) == "en-IN"
    assert suited("ta-IN", []) is None
