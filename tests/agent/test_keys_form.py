"""The simple form: no more calls, and a person, can be asked for whatever is being said."""

from __future__ import annotations

import json

import pytest

from dialerd.agent.script import from_body, parse_script
from dialerd.core.transfer import TransferTrigger
from tests.agent.scripts import EXAMPLES, GOOD, good
from tests.agent.talk import Talk
from tests.agent.test_script import faults

CONTACT = {"phone": "+919876543210", "amount": "50000"}
WITH_A_PERSON = GOOD.replace(
    "no_input: {seconds: 5, repeats: 1}\n",
    "no_input: {seconds: 5, repeats: 1}\n"
    'escalation: {target: "queue:desk", words: [talk to a person], summary: "{{name}}"}\n',
).replace(
    "    invalid_key:",
    "    transferring: One moment.\n    unavailable: Nobody is free. Press 1, 2 or 9.\n    invalid_key:",
)


def talk(source: str = GOOD) -> Talk:
    return Talk(parse_script(source), variables=CONTACT)


@pytest.mark.parametrize("before", ["1", "2", "555"])
def test_no_more_calls_can_be_asked_for_while_goodbye_is_said(before: str) -> None:
    call = talk().interrupt(before)
    assert not call.ended
    call.interrupt("9")
    assert (call.report.disposition, call.report.positive) == ("dnc", False)
    assert call.said == "Never again."
    assert call.hear().ended
    assert call.report.disposition == "dnc"


def test_no_more_calls_is_final() -> None:
    call = talk(WITH_A_PERSON).interrupt("9").interrupt("1").interrupt("0").interrupt("9")
    assert call.said == "Never again."
    assert call.hear().ended
    assert call.report.disposition == "dnc"
    assert call.turns.count("A: Never again.") == 1


@pytest.mark.parametrize("key", ["*", "#", "0"])
def test_any_key_may_mean_no_more_calls(key: str) -> None:
    call = talk(GOOD.replace("9:", f"'{key}':")).interrupt("1").interrupt(key)
    assert call.report.disposition == "dnc"


def test_each_of_several_keys_has_its_own_closing_as_an_answer() -> None:
    source = GOOD.replace("  9: {disposition: dnc}", "  9: {disposition: dnc}\n  8: {disposition: dnc}")
    source = source.replace("9: Never again.", "9: Never again., 8: As you wish.")
    assert talk(source).interrupt("8").said == "As you wish."
    call = talk(source).interrupt("1").interrupt("8")
    assert (call.said, call.report.disposition) == ("Never again.", "dnc")


def test_a_script_without_such_a_key_knows_no_such_wish() -> None:
    script = parse_script(GOOD.replace("disposition: dnc", "disposition: later"))
    assert script.flow.do_not_call is None
    assert Talk(script, variables=CONTACT).interrupt("1").interrupt("9").report.disposition == "interested"


def test_a_person_can_be_asked_for_and_nobody_there_asks_again() -> None:
    call = talk(WITH_A_PERSON).interrupt("0")
    assert call.said == "One moment."
    call.hear()
    assert (call.wish.target, call.wish.summary, call.wish.trigger) == (
        "queue:desk",
        "there",
        TransferTrigger.KEY,
    )
    call.refuse()
    assert call.said == "Nobody is free. Press 1, 2 or 9."
    assert call.press("1").report.disposition == "interested"
    assert call.hear().ended


def test_a_person_can_be_asked_for_while_goodbye_is_said() -> None:
    call = talk(WITH_A_PERSON).interrupt("1").break_in("talk to a person")
    assert call.hear().wish.trigger is TransferTrigger.KEYWORD
    call.interrupt("9").refuse().hear()
    assert call.ended
    assert call.report.disposition == "dnc"
    assert call.said == "Never again."


def test_words_may_mean_what_keys_do() -> None:
    source = WITH_A_PERSON.replace("{disposition: dnc}", "{disposition: dnc, words: [stop calling]}")
    source = source.replace("label: Interested", "words: ['yes'], label: Interested")
    call = talk(source).say("yes")
    assert (call.said, call.report.disposition) == ("Thank you.", "interested")
    call.break_in("stop calling")
    assert (call.said, call.report.disposition) == ("Never again.", "dnc")
    assert good().flow.worded is False
    assert parse_script(source).flow.worded


@pytest.mark.parametrize(
    "source",
    [WITH_A_PERSON, WITH_A_PERSON.replace("disposition: dnc", "disposition: dnc, words: [no thanks]")],
)
def test_the_stored_body_gives_the_same_script(source: str) -> None:
    script = parse_script(source)
    assert from_body(json.loads(json.dumps(script.body))) == script


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ('target: "queue:desk"', "keys: 1", "escalation.keys", "which is one of the script's keys"),
        ('target: "queue:desk"', "keys: '#'", "escalation.keys", "must be digits"),
        ('target: "queue:desk"', "target: 'no such'", "escalation.target", "neither a name"),
        ("words: [talk to a person], ", "fallback: x, ", "escalation.fallback", "not known here"),
        ("    transferring: One moment.\n", "", "languages.en-IN.transferring", "is missing"),
        ("    unavailable: Nobody is free. Press 1, 2 or 9.\n", "", "languages.en-IN.unavailable", "is missing"),
        ("{disposition: dnc}", "{disposition: dnc, words: [talk to a person]}", "escalation.words", "something else"),
        ("{disposition: dnc}", "{disposition: dnc, words: [Stop, it!]}", "keys.9.words.2", "English words"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, where: str, what: str) -> None:
    assert old in WITH_A_PERSON
    found = dict(faults(WITH_A_PERSON.replace(old, new, 1)))
    assert what in found[where]


def test_the_first_example_hears_both_while_it_says_goodbye() -> None:
    source = (EXAMPLES / "personal-loan-cross-sell.yaml").read_text(encoding="utf-8")
    for language in ("en-IN", "hi-IN"):
        call = Talk(parse_script(source), language).interrupt("1").interrupt("0").hear()
        assert call.wish.trigger is TransferTrigger.KEY
        assert call.refuse().interrupt("9").report.disposition == "dnc"
