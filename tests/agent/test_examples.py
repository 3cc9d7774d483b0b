"""The example scripts, held from end to end in every language: each path's label, values and transcript."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from dialerd.agent.answer import Clock
from dialerd.agent.exchange import Escalate
from dialerd.agent.proofreading import proofread
from dialerd.agent.script import ScriptDocument
from dialerd.agent.wording import in_sentences
from dialerd.core.clock import Instant
from tests.agent.scripts import EXAMPLES
from tests.agent.talk import MORNING, Talk

LANGUAGES = ("en-IN", "hi-IN")
SCRIPTS = ("appointment", "cross-sell", "emi-reminder", "opt-out", "survey")
HOUR = 3_600_000
DEVANAGARI = re.compile("[\u0900-\u097f]")


@dataclass(frozen=True)
class Path:
    """What happens, in steps: keys after the line, `wait`, `refuse` (nobody takes the call over), `unmet` (nobody can
    call back then), `hopeless` (nor at any other time)."""

    script: str
    steps: tuple[str, ...]
    disposition: str | None
    captured: dict[str, Any] = field(default_factory=dict)
    positive: bool = False
    callback: int | None = None
    """Hours after the answer, 8:30 in the morning."""
    variables: dict[str, str] = field(default_factory=dict)


def path(script: str, *steps: str, label: str | None = None, positive: bool = False, **more: Any) -> Path:
    return Path(script, steps, label, more.pop("captured", {}), positive, **more)


PATHS = (
    path("appointment", "1", label="confirmed", positive=True),
    path("appointment", "2", "2001", "1030", "1", label="rescheduled", positive=True,
         captured={"new_date": "2026-01-20", "new_time": "10:30"}),
    path("appointment", "2", "3112", "2001", "0800", "1030", "2", "2101", "1400", "1", label="rescheduled",
         positive=True, captured={"new_date": "2026-01-21", "new_time": "14:00"}),
    path("appointment", "2", "0501", "0830", "0900", "1", label="rescheduled", positive=True,
         captured={"new_date": "2026-01-05", "new_time": "09:00"}),
    path("appointment", "2", "2001#", "1030#", "1", label="rescheduled", positive=True,
         captured={"new_date": "2026-01-20", "new_time": "10:30"}),
    path("appointment", "3", "1", label="cancelled"),
    path("appointment", "3", "2", "1", label="confirmed", positive=True),
    path("appointment", "0", "refuse", "1", label="confirmed", positive=True),
    path("appointment", "2", "*9", label="dnc"),
    path("appointment", "wait", "wait"),
    path("appointment", "5", "6", "7"),
    path("cross-sell", "1", "150000#", "1", label="interested", positive=True, captured={"wanted": 150000}),
    path("cross-sell", "1", "5000#", "500000#", "1", label="interested", positive=True, captured={"wanted": 500000}),
    path("cross-sell", "1", "150000#", "2", "90000#", "1", label="interested", positive=True,
         captured={"wanted": 90000}),
    path("cross-sell", "1", "wait", "wait", label="interested", positive=True),
    path("cross-sell", "2", label="not_interested"),
    path("cross-sell", "3", "1830", label="callback_requested", captured={"call_at": "18:30"}, callback=10),
    path("cross-sell", "3", "2500", "0900", label="callback_requested", captured={"call_at": "09:00"}),
    path("cross-sell", "0", "refuse", "1830", label="callback_requested", captured={"call_at": "18:30"}),
    path("cross-sell", "3", "1830", "unmet", "1030", label="callback_requested", captured={"call_at": "10:30"},
         callback=2),
    path("cross-sell", "3", "1830", "hopeless", label="callback_requested", captured={"call_at": "18:30"}, callback=10),
    path("cross-sell", "9", label="dnc"),
    path("cross-sell", "1", "150*9", label="dnc"),
    path("cross-sell", "wait", "wait"),
    path("emi-reminder", "1", "7731", label="paid", positive=True, captured={"reference": "7731"}),
    path("emi-reminder", "1", "wait", label="paid", positive=True),
    path("emi-reminder", "1", "12#", "34#", "56#", label="paid", positive=True),
    path("emi-reminder", "2", "3103", "3103", "3103", label="promise_to_pay", positive=True),
    path("emi-reminder", "2", "wait", "wait", label="promise_to_pay", positive=True),
    path("emi-reminder", "3", "7", "7", "7", label="dispute"),
    path("emi-reminder", "3", "wait", "wait", label="dispute"),
    path("emi-reminder", "2", "2001", "1", label="promise_to_pay", positive=True, captured={"pay_on": "2026-01-20"}),
    path("emi-reminder", "2", "3103", "2001", "1", label="promise_to_pay", positive=True,
         captured={"pay_on": "2026-01-20"}, variables={"due_date": "2026-01-10"}),
    path("emi-reminder", "3", "1", label="dispute", captured={"reason": "amount"}),
    path("emi-reminder", "3", "2", label="dispute", captured={"reason": "closed"}),
    path("emi-reminder", "3", "3", "refuse", label="dispute", captured={"reason": "other"}),
    path("emi-reminder", "9", label="dnc"),
    path("emi-reminder", "wait", "wait"),
    path("opt-out", "1", "2", "1", label="all_calls", positive=True, captured={"a_month": 2}),
    path("opt-out", "1", "wait", "wait", label="all_calls", positive=True),
    path("opt-out", "1", "3", "3", "3", label="all_calls", positive=True),
    path("opt-out", "2", label="account_only"),
    path("opt-out", "9", label="dnc"),
    path("opt-out", "0", "refuse", "9", label="dnc"),
    path("opt-out", "wait", "wait"),
    path("survey", "1", "5", "10", label="surveyed", positive=True, captured={"rating": 5, "recommend": 10}),
    path("survey", "1", "2", "3", "2", "0#", label="surveyed", positive=True,
         captured={"rating": 2, "cause": "fees", "recommend": 0}),
    path("survey", "1", "1", "1", "1", "refuse", "wait", "wait", label="surveyed", positive=True,
         captured={"rating": 1, "cause": "waiting"}),
    path("survey", "1", "5", "77#", "88#", "99#", label="surveyed", positive=True, captured={"rating": 5}),
    path("survey", "1", "1", "wait", "wait", "10", label="surveyed", positive=True,
         captured={"rating": 1, "recommend": 10}),
    path("survey", "1", "1", "1", "7", "7", "7", "10", label="surveyed", positive=True,
         captured={"rating": 1, "cause": "waiting", "recommend": 10}),
    path("survey", "2", label="refused"),
    path("survey", "1", "9", label="dnc"),
    path("survey", "wait", "wait"),
)  # fmt: skip


@cache
def example(name: str) -> ScriptDocument:
    return proofread((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))


def hold(about: Path, language: str) -> tuple[Talk, set[str]]:
    """The whole conversation, and the scenes whose line was said."""
    talk = Talk(example(about.script), language, {"phone": "+919876543210", **about.variables})
    for step in about.steps:
        if step == "wait":
            talk.wait()
        elif step == "refuse":
            talk.refuse()
        elif step == "unmet":
            talk.refuse_callback(None, Instant(MORNING.answered + 3 * HOUR))
        elif step == "hopeless":
            talk.refuse_callback()
        else:
            talk.press(step)
    talk.hear()
    return talk, line_scenes(talk)


def line_scenes(talk: Talk) -> set[str]:
    """The scenes whose own line was said."""
    said = {turn["text"] for turn in talk.report.transcript if turn["speaker"] == "agent"}
    lines = talk.state.texts.lines
    # A template that holds values is told by what comes before the first of them.
    return {
        name
        for name in talk.state.flow.scenes
        if any(
            text.startswith(" ".join(part.text.partition("{{")[0].rstrip() for part in lines[name][:1]))
            for text in said
        )
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("about", PATHS, ids=lambda about: f"{about.script}-{'-'.join(about.steps)}")
def test_a_path_leads_to_its_label(about: Path, language: str) -> None:
    talk, _ = hold(about, language)
    assert talk.ended, talk.turns
    report = talk.report
    assert (report.disposition, report.positive) == (about.disposition, about.positive)
    assert report.captured == about.captured
    if about.callback is not None:
        assert report.callback_at == Instant(MORNING.answered + about.callback * HOUR)
    lines = [turn["text"] for turn in report.transcript if turn["speaker"] == "agent"]
    assert all("{{" not in line and "  " not in line for line in lines)
    assert all(bool(DEVANAGARI.search(line)) == (language == "hi-IN") for line in lines)
    pressed = "".join(step for step in about.steps if step[0] in "0123456789*#")
    assert "".join(turn.get("digits", "") for turn in report.transcript) == pressed
    if "refuse" in about.steps:
        assert any(isinstance(action, Escalate) for action in talk.actions)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_paths_above_go_through_every_state(script: str, language: str) -> None:
    been = set().union(*(hold(about, language)[1] for about in PATHS if about.script == script))
    assert been == set(example(script).flow.scenes)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_state_knows_do_not_call_and_a_person(script: str) -> None:
    flow = example(script).flow
    assert flow.do_not_call is not None
    assert flow.escalation is not None
    assert flow.do_not_call.keys == ("9",)
    assert flow.escalation.asked.keys == ("0",)
    assert flow.do_not_call.words
    assert flow.escalation.asked.words


@pytest.mark.parametrize(
    ("script", "words", "label"),
    [
        ("cross-sell", ("not interested",), "not_interested"),
        ("cross-sell", ("stop calling",), "dnc"),
        ("emi-reminder", ("dispute", "loan is closed"), "dispute"),
        ("appointment", ("cancel", "yes"), "cancelled"),
        ("opt-out", ("only my account",), "account_only"),
        ("survey", ("no thanks",), "refused"),
    ],
)
def test_words_lead_there_too(script: str, words: tuple[str, ...], label: str) -> None:
    talk = Talk(example(script), "en-IN")
    for phrase in words:
        talk.say(phrase)
    assert talk.hear().report.disposition == label
    assert [turn["text"] for turn in talk.report.transcript if turn["speaker"] == "callee"] == list(words)


def test_values_are_said_as_the_language_does() -> None:
    english = Talk(example("emi-reminder"), "en-IN", {"phone": "+91", "name": "Ravi", "emi_amount": "125000"})
    assert "Your instalment of 1,25,000 rupees is due on 5 December 2026." in english.said
    hindi = Talk(example("emi-reminder"), "hi-IN", {"phone": "+91", "name": "रवि", "emi_amount": "125000"})
    assert "आपकी 1,25,000 रुपये की किस्त 5 दिसंबर 2026 को देय है।" in hindi.said
    assert "आख़िरी अंक 4 8 2 1 हैं" in hindi.said
    assert (
        Talk(example("cross-sell"), "hi-IN")
        .press("3")
        .press("1830")
        .hear()
        .said.startswith("धन्यवाद। हम आपको शाम 6:30 बजे कॉल करेंगे।")
    )
    cause = Talk(example("survey"), "hi-IN").press("1").press("1").press("1")
    assert cause.said.startswith("इंतज़ार के समय के बारे में बताने के लिए धन्यवाद।")


def test_an_appointment_is_not_moved_into_the_past() -> None:
    noon = Clock(Instant(MORNING.answered + 4 * HOUR), "Asia/Kolkata")
    call = Talk(example("appointment"), clock=noon).press("2").press("0501").press("0900")
    assert call.said.startswith("Please enter a time to come")
    call.press("1500").hear()
    assert call.said.startswith("Your new appointment is on 5 January 2026 at 3 pm.")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", [*SCRIPTS, "personal-loan-cross-sell"])
def test_nobody_is_called_by_no_name(script: str, language: str) -> None:
    call = Talk(example(script), language)
    for line in ("opening", "voicemail"):
        said = " ".join(
            sentence.text for sentence in in_sentences(call.state.texts.lines[line], call.state.values)
        )
        assert re.match(r"(Hello[,.]|नमस्ते जी[,।]) \w", said), said
    call.press("0").hear()
    assert re.match(r"\w", call.wish.summary)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", [*SCRIPTS, "personal-loan-cross-sell"])
def test_a_message_promises_no_call(script: str, language: str) -> None:
    # It is the last try, unless the campaign says otherwise.
    said = " ".join(part.text for part in example(script).texts[language].lines["voicemail"])
    assert "will call" not in said
    assert "call again" not in said
    assert "कॉल करेंगे" not in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_machine_is_left_a_message_that_names_the_callee(script: str, language: str) -> None:
    name = "Asha" if language == "en-IN" else "आशा"
    talk = Talk(example(script), language, {"phone": "+91", "name": name})
    message = " ".join(
        part.text for part in in_sentences(talk.state.texts.lines["voicemail"], talk.state.values)
    )
    assert name in message
    assert "{{" not in message


def test_who_takes_over_is_told_what_it_is_about() -> None:
    talk = (
        Talk(example("emi-reminder"), "en-IN", {"phone": "+91", "name": "Ravi"}).press("3").press("3").hear()
    )
    assert talk.wish.summary == (
        "Ravi, EMI 4,500 rupees due 5 December 2026, loan ending 4 8 2 1; reason: another reason"
    )
