"""A callee who cannot be called back when it asked for it is told so, and asked again."""

from __future__ import annotations

import pytest

from dialerd.agent.exchange import Escalate, Hush, Report
from dialerd.agent.script import parse_script
from dialerd.core.clock import Instant
from dialerd.core.errors import RequestError
from tests.agent.scripts import UNMET, VISIT, refusing
from tests.agent.talk import MORNING, Talk

HOUR = 3_600_000
NOON = Instant(MORNING.answered + 7 * HOUR // 2)
TOMORROW = Instant(MORNING.answered + 24 * HOUR + HOUR // 2)


def asked(*steps: str) -> Talk:
    """A callee who wants to be called later, and has entered a time."""
    talk = Talk(refusing())
    for step in ("2", *steps):
        talk.press(step)
    return talk


def test_a_time_that_nobody_refuses_goes_on_after_a_moment() -> None:
    talk = asked("1830")
    assert isinstance(talk.actions[-2], Report), "told before anything is promised"
    assert talk.said == "When may we call? Four digits."
    assert talk.hear().said == "We will call at 6:30 pm."
    assert talk.ended
    assert talk.report.callback_at == MORNING.answered + 10 * HOUR


def test_a_time_that_is_refused_is_asked_again_with_the_times_that_are_possible() -> None:
    talk = asked("1830").refuse_callback(TOMORROW, Instant(TOMORROW + 3 * HOUR))
    assert talk.said == "Not at 6:30 pm, but 6 January 2026, 9 am, or until 6 January 2026, 12 pm."
    assert talk.press("0900").hear().said == "We will call at 9 am."
    assert talk.report.callback_at == MORNING.answered + HOUR // 2
    assert not any("6:30 pm" in turn and "will call" in turn for turn in talk.turns), "nothing was promised"


def test_where_there_is_no_time_after_it_the_last_one_is_said() -> None:
    assert asked("1830").refuse_callback(None, NOON).said == "Not at 6:30 pm, but 12 pm, or until 12 pm."


def test_where_there_is_no_last_time_the_next_one_is_said() -> None:
    talk = asked("1830").refuse_callback(TOMORROW)
    assert talk.said == "Not at 6:30 pm, but 6 January 2026, 9 am, or until 6 January 2026, 9 am."


def test_where_nobody_can_call_at_all_the_callee_is_told() -> None:
    talk = asked("1830").refuse_callback().hear()
    assert (talk.said, talk.ended) == ("We cannot call.", True)
    assert talk.report.disposition == "callback_requested"
    assert talk.report.callback_at is not None, "what was asked for is to be seen afterwards"


def test_who_insists_is_not_asked_for_ever() -> None:
    talk = asked("1830").refuse_callback(None, NOON)
    assert talk.said.startswith("Not at 6:30 pm")
    assert talk.press("1830").said == "We cannot call.", "that time was refused before"
    assert talk.hear().ended


def test_another_time_may_be_refused_as_often_as_an_answer_may_be_wrong() -> None:
    text = TEXT.replace("no_match: {repeats: 1}", "no_match: {repeats: 2}")
    assert text != TEXT
    talk = Talk(parse_script(text)).press("2")
    for entry, said in (("1830", "Not at 6:30 pm"), ("1730", "Not at 5:30 pm"), ("1630", "Nobody is free.")):
        assert talk.press(entry).refuse_callback(None, NOON).said.startswith(said)


def test_a_refusal_that_comes_late_breaks_off_what_is_promised() -> None:
    talk = asked("1830")
    talk.wait_for_check()
    assert talk.said == "We will call at 6:30 pm."
    talk.refuse_callback(None, NOON)
    assert any(isinstance(action, Hush) for action in talk.actions)
    assert talk.said.startswith("Not at 6:30 pm")
    assert talk.press("1000").hear().said == "We will call at 10 am."


def test_a_refusal_of_another_time_and_one_after_the_end_are_late() -> None:
    talk = asked("1830")
    before = talk.state
    assert talk.refuse_callback(None, NOON, of=NOON).state == before
    talk.hear()
    assert talk.ended
    assert talk.refuse_callback(None, NOON).said == "We will call at 6:30 pm."


@pytest.mark.parametrize("wish", ["9", "0"])
def test_who_wants_no_call_any_more_or_a_person_is_not_asked_again(wish: str) -> None:
    talk = asked("1830").interrupt(wish)
    said = talk.said
    assert said == {"9": "Never again.", "0": "Please hold the line."}[wish]
    assert talk.refuse_callback(None, NOON).said == said
    talk.hear()
    assert any(isinstance(action, Escalate) for action in talk.actions) == (wish == "0")


def test_a_script_that_says_nothing_of_it_goes_on() -> None:
    talk = Talk(parse_script(VISIT)).press("2").press("1830")
    assert talk.said == "We will call at 6:30 pm."
    assert talk.refuse_callback(None, NOON).hear().said == "We will call at 6:30 pm."


# --- how it is written ---------------------------------------------------------------------------

TEXT = (
    VISIT.replace("callback: true}", "callback: true, unmet: sorry}")
    .replace("later: When may we call? Four digits.", UNMET)
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "loc", "word"),
    [
        ("callback: true, unmet", "unmet", "states.later.question.unmet", "callback: true"),
        ("unmet: sorry}", "unmet: nowhere}", "states.later.question", "no such state"),
        (UNMET, "later: When?", "languages.en-IN.say.later.unmet", "is missing"),
        ("unmet: sorry}", "}", "languages.en-IN.say.later.unmet", "never said"),
        ("Not at {{call_at}}", "Not {{calls_at}}", "languages.en-IN.say.later.unmet", "not declared"),
        ('{text: "Hello', '{text: "{{callback_latest}}', "languages.en-IN.say.opening.text", "not declared"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_named(before: str, after: str, loc: str, word: str) -> None:
    assert before in TEXT
    with pytest.raises(RequestError) as caught:
        parse_script(TEXT.replace(before, after))
    assert [fault.loc for fault in caught.value.faults if word in fault.msg] == [loc], caught.value.faults


def test_a_state_that_only_a_refusal_leads_to_is_reached() -> None:
    parse_script(TEXT)
    assert refusing().flow.scenes["never_again"].end
