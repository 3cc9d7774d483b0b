"""The form of scripts with states: what is understood, and that every fault of texts and course is told at once."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent.script import Proofs, from_body, parse_script
from dialerd.core.errors import InvariantError, RequestError
from tests.agent.scripts import EXAMPLES, VISIT, visit
from tests.agent.test_script import any_json as _json
from tests.agent.test_script import faults

ALL_WRONG_STATES = """\
name: Wrong
variables:
  name: {default: there}
start: nowhere
no_input: {seconds: 90}
no_match: {speech: perhaps}
limits: {seconds: 1, then: escalate}
do_not_call: {keys: ["#", 12], words: ["Stop!", 5], goto: opening}
states:
  opening:
    keys:
      1: lost
      2: {words: [yes]}
      x: opening
  9th: {end: true}
  escalate: {end: true}
  loose: {}
  both: {goto: opening, end: true}
  ask:
    question: {capture: name, type: digits, min: 1}
  number:
    question: {capture: size, type: number, min: 9, max: 2}
    goto: opening
  amount:
    question: {capture: paid, type: amount}
    goto: opening
  time:
    question: {capture: at, type: time, from: "25:00", to: 5}
    goto: opening
  option:
    question: {capture: kind, type: choice}
    goto: opening
  late:
    next:
      - {goto: opening}
      - {when: size ~ 5, goto: opening}
      - {when: weight > 5, goto: opening}
  bye: {end: maybe not}
languages:
  en-IN:
    say:
      opening: {text: Hi, audio: ../x.wav, confirm: Right?}
      nobody: x
      number: {text: "{{nope}}"}
      amount: {text: "Hi {{name}}", audio: a.wav}
      time: {parts: [], text: x}
    values: {nope: {a: b}}
  hi-IN:
    say: {}
"""


def test_every_fault_of_states_is_told_at_once_with_its_line() -> None:
    found = {}
    for place, said in faults(ALL_WRONG_STATES):
        found.setdefault(place, []).append(said)
    expected = {
        "start": (4, "no such state"),
        "no_input.seconds": (5, "from 1 to 60"),
        "no_match.speech": (6, "true or false"),
        "limits.seconds": (7, "from 10"),
        "limits.then": (7, "has no `escalation`"),
        "do_not_call.keys": (8, "must be digits"),
        "do_not_call.keys.2": (8, "not a key"),
        "do_not_call.words.1": (8, "without punctuation"),
        "do_not_call.words.2": (8, "must be text"),
        "do_not_call.goto": (8, "end: dnc"),
        "states.opening": (10, "nobody's answer"),
        "states.opening.keys.1": (12, "no such state"),
        "states.opening.keys.2.goto": (13, "missing"),
        "states.opening.keys.x": (14, "not a key"),
        "states.9th": (15, "no name for a state"),
        "states.escalate": (16, "no name for a state"),
        "states.loose": (17, "leads nowhere"),
        "states.both.end": (18, "cannot stand beside"),
        "states.ask.question.capture": (20, "name of a variable"),
        "states.ask.question.min": (20, "does not belong"),
        "states.ask.question.length": (20, "missing"),
        "states.ask": (19, "no `goto`"),
        "states.number.question.min": (22, "more than max"),
        "states.amount.question": (25, "currency"),
        "states.time.question.from": (28, "time of day"),
        "states.time.question.to": (28, "must be text"),
        "states.option.question.options": (31, "missing"),
        "states.late.next.1": (35, "no `when`"),
        "states.late.next.2.when": (36, "not a comparison"),
        "states.late.next.3.when": (37, "weight"),
        "states.late.next": (34, "must end with"),
        "states.bye.end": (38, "lower-case"),
        "languages.en-IN.say.opening.audio": (42, "not the name of a WAV file"),
        "languages.en-IN.say.opening.confirm": (42, "never said"),
        "languages.en-IN.say.opening.no_input": (42, "missing"),
        "languages.en-IN.say.nobody": (43, "not one of the script's states"),
        "languages.en-IN.say.number.text": (44, "{{nope}}"),
        "languages.en-IN.say.amount.audio": (45, "cannot speak values"),
        "languages.en-IN.say.time.parts": (46, "cannot stand beside"),
        "languages.en-IN.say.ask": (41, "no text in this language"),
        "languages.en-IN.values.nope": (47, "neither"),
        "languages.hi-IN.say.opening": (49, "no text in this language"),
    }
    for place, (line, words) in expected.items():
        assert place in found, (place, sorted(found))
        assert any(said.startswith(f"line {line}: ") and words in said for said in found[place]), (
            place, found[place],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("      3: rate\n", "", "states.rate", "never reached"),
        ("alone: {disposition: confirmed, goto: booked}", "alone: {goto: alone}", "states.alone", "dead end"),
        ("      4: escalate", "      9: escalate", "states.opening", "key 9 (keys), which is that of do_not_call"),
        ("        2: 2\n", "        0: 2\n", "states.rate", "that of escalation"),
        ("words: [talk to an agent]", "keys: 9", "states.opening", "key 9 of do_not_call and of escalation"),
        ("words: [no]}", "words: [yes]}", "states.opening", "two meanings for 'yes'"),
        ("words: [no]}", "words: [stop calling]}", "states.opening", "two meanings for 'stop calling'"),
        ("max_length: 10", 'max_length: 10, terminator: "*"', "states.number", "ends its digits with *"),
        ("  fallback: sorry\n", "", "escalation.fallback", "missing"),
        ("goto: stop}", "goto: escalate}", "do_not_call.goto", "end: dnc"),
        ("states:\n", "start: escalate\nstates:\n", "start", "must be a state"),
        ("capture: people, type: number, min: 1, max: 20", "capture: day, type: number", "states.people.question.type",
         "captured as date"),
        ("        2: 2\n", "        2: 1\n", "states.rate.question.options.2", "value 1, which is that of the key 1"),
        ("        2: 2\n", "        2: '1'\n", "states.rate.question.options.2", "that of the key 1"),
        ("        2: 2\n", "        2: true\n", "states.rate.question.options.2", "that of the key 1"),
        ("        2: 2\n", "        2: 1.0\n", "states.rate.question.options.2", "that of the key 1"),
        ("        2: 2\n", "        '1': 2\n", "states.rate.question.options.1", "is there already"),
        ("      3: rate\n", "      3: rate\n      '3': thanks\n", "states.opening.keys.3", "is there already"),
        ("confirm: {yes_words", 'confirm: {yes: "*", yes_words', "states.day.question.confirm.yes", "cannot be *"),
        ("min: 1, max: 20", "min: 99999999", "states.people.question.min", "more than 9999999"),
        ("type: time, from", "type: time, on: people, from", "states.later.question.on", "not the name of a date"),
        ("do_not_call: {words", "do_not_call: {keys: [], words", "do_not_call.keys", "must have a key"),
        ("queue:desk", "queue:a&b", "escalation.target", "neither a name"),
        ("queue:desk", "the desk", "escalation.target", "neither a name"),
        ("    transferring: Please hold the line.\n", "", "languages.en-IN.transferring", "missing"),
        ("sorry: Nobody is free.", 'sorry: "{{rating}}."', "languages.en-IN.say.sorry", "may not have been captured"),
        ("    say:\n", "    voicemail: \"{{day}}\"\n    say:\n", "languages.en-IN.voicemail", "asked for nothing"),
        ("people > 10", "peoples > 10", "states.people.next.1.when", "peoples"),
        ("do_not_call: {words", "do_not_call: {mords", "do_not_call.mords", "not known"),
    ],
)  # fmt: skip
def test_faults_of_the_course(old: str, new: str, place: str, words: str) -> None:
    assert old in VISIT
    found = faults(VISIT.replace(old, new, 1))
    assert any(where == place and words in said for where, said in found), found


def test_states_that_lead_in_a_circle_without_a_word_are_named() -> None:
    text = VISIT.replace(
        "  thanks: {end: true}\n", "  thanks: {end: true}\n  one: {goto: two}\n  two: {goto: one}\n"
    )
    found = faults(text.replace("      3: rate\n", "      3: rate\n      5: one\n"))
    assert {place for place, said in found if "circle" in said} == {"states.one", "states.two"}


def test_so_are_those_that_say_something_and_take_no_answer() -> None:
    text = VISIT.replace(
        "  thanks: {end: true}\n",
        "  thanks: {end: true}\n  one: {next: [{when: people > 1, goto: thanks}, {goto: two}]}\n  two: {goto: one}\n",
    )
    text = text.replace("      3: rate\n", "      3: rate\n      5: one\n")
    found = faults(
        text.replace("      alone: Just you.\n", "      alone: Just you.\n      one: One.\n      two: Two.\n")
    )
    told = [(place, said) for place, said in found if "circle" in said]
    assert [place for place, _ in told] == ["states.one", "states.two"]
    assert all("without an answer being taken" in said for _, said in told)


def test_a_branch_needs_no_text_where_it_has_none_in_any_language() -> None:
    text = VISIT.replace("      - {goto: booked}", "      - {goto: which}").replace(
        "  alone: {", '  which: {next: [{when: "people == 2", goto: alone}, {goto: booked}]}\n  alone: {'
    )
    assert parse_script(text).flow.scenes["which"].say is None


def test_recordings_and_words_are_held_against_what_there_is() -> None:
    proofs = Proofs(
        recording=lambda name: "is not there" if name == "gone.wav" else "",
        word=lambda word: f"{word} is no word" if word == "yes" else "",
    )
    text = VISIT.replace("thanks: Thank you.", "thanks: {text: Thank you., audio: gone.wav}")
    with pytest.raises(RequestError) as caught:
        parse_script(text, proofs)
    told = {(fault.loc, fault.msg.partition(": ")[2]) for fault in caught.value.faults}
    assert told == {
        ("languages.en-IN.say.thanks.audio", "is not there"),
        ("states.opening.keys.1.words.1", "yes is no word"),
        ("states.opening.keys.1.words.2", "yes is no word"),
    }


_states = st.fixed_dictionaries(
    {
        "name": _json,
        "do_not_call": _json,
        "states": st.dictionaries(st.sampled_from(["opening", "a", "b"]), _json) | _json,
        "languages": st.dictionaries(st.just("en-IN"), st.fixed_dictionaries({"say": _json}) | _json) | _json,
    },
    optional={"no_input": _json, "no_match": _json, "limits": _json, "escalation": _json, "start": _json},
)


@given(_states)
def test_any_body_of_states_is_a_script_or_refused(body: dict[str, object]) -> None:
    with contextlib.suppress(InvariantError):
        from_body(body)


_question = st.dictionaries(
    st.sampled_from(
        ["capture", "type", "length", "min_length", "max_length", "min", "max", "currency", "format", "within_days",
         "from", "to", "options", "terminator", "confirm", "callback", "unmet"]
    ),
    _json | st.sampled_from(["digits", "number", "amount", "date", "time", "choice", "name", "09:00", "INR", "DDMM"]),
)  # fmt: skip


@given(
    _question,
    st.dictionaries(st.sampled_from(["keys", "goto", "next", "end", "no_input", "disposition"]), _json),
)
def test_any_question_is_understood_or_refused(question: dict[str, object], more: dict[str, object]) -> None:
    body = json.loads(json.dumps(visit().body))
    body["states"]["day"] = {"question": question, "goto": "people", **more}
    with contextlib.suppress(InvariantError):
        from_body(body)


def test_the_script_that_the_documentation_shows_is_right() -> None:
    text = (EXAMPLES.parents[1] / "docs" / "scripts.md").read_text(encoding="utf-8")
    shown = text.partition("```yaml\n")[2].partition("```")[0]
    assert set(parse_script(shown).flow.scenes) == {"opening", "day", "booked", "sorry", "stop", "nobody"}
