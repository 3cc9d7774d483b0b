"""The script document: what is understood, and that every fault is told at once, with its line."""

from __future__ import annotations

import contextlib
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent.flow import Choice, Scene
from dialerd.agent.lines import Part
from dialerd.agent.script import Proofs, Variable, from_body, parse_script
from dialerd.core.errors import InvariantError, RequestError
from tests.agent.scripts import EXAMPLES, GOOD, VISIT, good, visit


def faults(text: str) -> list[tuple[str, str]]:
    """Every fault of a script, as (place, message)."""
    with pytest.raises(RequestError) as caught:
        parse_script(text)
    assert caught.value.status == 422
    return [(fault.loc, fault.msg) for fault in caught.value.faults]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_script_is_read() -> None:
    script = good()
    assert (script.script_id, script.name, script.languages) == ("offer", "An offer", ("en-IN",))
    assert script.variables == {"name": {"default": "there"}, "amount": {}}
    opening = script.flow.scenes["opening"]
    assert opening.choices == {
        "1": Choice("closing.1", label="Interested"), "2": Choice("closing.2"), "9": Choice("closing.9"),
    }  # fmt: skip
    assert script.flow.scenes["closing.1"] == Scene(
        "closing.1", end=True, disposition="interested", positive=True
    )
    assert script.flow.scenes["closing.9"].disposition == "dnc"
    assert opening.no_input is not None
    assert (opening.no_input.seconds, opening.no_input.repeats) == (5.0, 1)
    assert script.texts["en-IN"].lines["closing.9"] == (Part("Never again."),)


def test_the_stored_body_gives_the_same_script() -> None:
    script = good()
    stored = json.loads(json.dumps(script.body))
    assert from_body(stored) == script
    assert parse_script(json.dumps(stored)) == script, "a body is a script text too: JSON is YAML"
    assert pickle.loads(pickle.dumps(script)) == script


def test_a_body_that_is_none_is_our_fault() -> None:
    with pytest.raises(InvariantError, match="keys"):
        from_body({"name": "x", "languages": {}})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_right(path: Path) -> None:
    script = parse_script(path.read_text(encoding="utf-8"))
    assert script.script_id == path.stem
    assert {"en-IN", "hi-IN"} <= set(script.languages)
    assert all("default" in about for about in script.variables.values()), "a list with phones alone must do"


ALL_WRONG = """\
script_id: "a b"
nmae: x
variables:
  amount: {type: amount, default: 5}
  when: {type: date, currency: INR}
  account: {type: digits, default: 0123}
  price: {type: amount, currency: RUPEES}
  phone: {}
  timezone: {}
  1x: {}
  flag: {default: [1]}
  odd: {type: colour}
dispositions:
  Wrong-Tag: {}
  maybe: {positive: true, colour: red}
keys:
  1: {disposition: interested, positive: maybe}
  2: {disposition: maybe, positive: false}
  3: {disposition: not_reachable}
  12: {disposition: x}
  4: {label: nope}
  5: {disposition: Bad Tag}
no_input: {seconds: 0, repeats: 1.5}
languages:
  en_IN:
    opening: Hello {{nobody}} and {{
    closings: {1: hi, 2: a, 3: b, 12: c, 4: d, 7: ho}
    no_input: {closing: bye}
    invalid_key: 5
    voice: robot
  hi-IN:
    opening: Hello {{amount}} {{zip}} {{flag}}
    defaults: {when: x, zip: y}
  english: {}
  HI-in: null
"""


def test_every_fault_is_told_at_once_with_its_line() -> None:
    found = dict(faults(ALL_WRONG))
    assert found["script_id"].startswith("line 1: ")
    expected = {
        "nmae": (2, "is not known here"),
        "variables.amount": (4, "currency"),
        "variables.when.currency": (5, "belongs to"),
        "variables.account.default": (6, "in quotes"),
        "variables.price.currency": (7, "ISO 4217"),
        "variables.phone": (8, "need not be declared"),
        "variables.timezone": (9, "dialer's own"),
        "variables.1x": (10, "not a variable name"),
        "variables.flag.default": (11, "must be text"),
        "variables.odd.type": (12, "one of: text"),
        "dispositions.Wrong-Tag": (14, "lower-case"),
        "dispositions.maybe.colour": (15, "not known"),
        "keys.1.positive": (17, "true or false"),
        "keys.2.positive": (18, "contradicts"),
        "keys.3.disposition": (19, "dialer itself"),
        "keys.12": (20, "not a key"),
        "keys.4.disposition": (21, "missing"),
        "keys.5.disposition": (22, "lower-case"),
        "no_input.seconds": (23, "from 1 to 60"),
        "no_input.repeats": (23, "whole number"),
        "languages.en_IN": (25, "BCP-47"),
        "languages.en_IN.opening": (26, "braces"),
        "languages.en_IN.closings.7": (27, "not one of the script's keys"),
        "languages.en_IN.closings.5": (27, "no closing line"),
        "languages.en_IN.no_input.repeat": (28, "missing"),
        "languages.en_IN.invalid_key": (29, "must be text"),
        "languages.en_IN.voice": (30, "female, male"),
        "languages.hi-IN.opening": (32, "{{zip}}"),
        "languages.hi-IN.defaults.when": (33, "variables.when.default first"),
        "languages.hi-IN.defaults.zip": (33, "not one of the script's variables"),
        "languages.hi-IN.closings": (31, "missing"),
        "languages.english": (34, "BCP-47"),
        "languages.english.opening": (34, "missing"),
        "languages.HI-in": (35, "must be a mapping"),
    }
    for place, (line, words) in expected.items():
        assert place in found, place
        assert found[place].startswith(f"line {line}: "), (place, found[place])
        assert words in found[place], (place, found[place])
    assert found["name"] == "is missing"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("name: An offer\n", "", "name"),
        ("keys:\n  1: {disposition: interested, label: Interested}\n", "keys: {}\nx:\n", "keys"),
        ("9: Never again.", '9: ""', "languages.en-IN.closings.9"),
        (", 9: Never again.", "", "languages.en-IN.closings.9"),
        ("invalid_key: Not that one.", 'invalid_key: "a\\u0007b"', "languages.en-IN.invalid_key"),
        ("invalid_key: Not that one.", 'invalid_key: "a\\ud800b"', "languages.en-IN.invalid_key"),
        ("invalid_key: Not that one.", f"invalid_key: {'x' * 2001}", "languages.en-IN.invalid_key"),
        ("no_input: {repeat: Please press a key., ", "no_input: {", "languages.en-IN.no_input.repeat"),
        ("  en-IN:", "  de-DE-DE:", "languages.de-DE-DE"),
        ("{{amount}}", "{{betrag}}", "languages.en-IN.opening"),
        ("{{amount}}", "{{a b}}", "languages.en-IN.opening"),
        ("{{amount}}", "{{}}", "languages.en-IN.opening"),
        ("{{amount}}", "amount}}", "languages.en-IN.opening"),
    ],
)
def test_single_faults(old: str, new: str, place: str) -> None:
    assert place in dict(faults(changed(old, new)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b\n",
        "a: 1\na: 2\n",
        "a: [",
        "a: *nowhere\n",
        "a: 1\n---\nb: 2\n",
        "a:\tb\n",
        "[" * 3000,
        "x: " + "9" * 5000,
        "x: 2026-99-99",
        "x: !!int words",
        "x: !!binary words",
        "!!python/object:os.system x",
        "? [1, 2]\n: 3\n",
        "a: &a [*a]\n",
        "<<: [1]\n",
        "\0",
    ],
)
def test_what_is_no_script_is_refused(text: str) -> None:
    assert faults(text)


def test_yaml_1_2_leaves_words_and_times_alone() -> None:
    text = changed("invalid_key: Not that one.", "invalid_key: no").replace("Never again.", "18:00")
    lines = parse_script(text).texts["en-IN"].lines
    assert (lines["invalid_key"], lines["closing.9"]) == ((Part("no"),), (Part("18:00"),))


def test_a_language_is_spelled_in_the_standard_way_and_only_once() -> None:
    twice = GOOD + GOOD[GOOD.index("  en-IN:") :].replace("en-IN", "EN-in")
    assert dict(faults(twice))["languages.EN-in"].endswith("is en-IN once more")
    assert parse_script(changed("  en-IN:", "  EN-in:")).languages == ("en-IN",)


def test_a_script_that_never_asks_again_needs_no_line_for_it() -> None:
    text = changed("repeats: 1", "repeats: 0").replace("repeat: Please press a key., ", "")
    assert "no_input_repeat" not in parse_script(text).texts["en-IN"].lines


def test_labels_may_be_declared_and_dates_given_as_defaults() -> None:
    text = changed("keys:", "dispositions: {branch_visit: {positive: true}}\nkeys:")
    text = text.replace("{disposition: not_interested}", "{disposition: branch_visit}")
    script = parse_script(text.replace("{type: number}", "{type: date, default: 2026-01-05}"))
    closing = script.flow.scenes["closing.2"]
    assert (closing.disposition, closing.positive) == ("branch_visit", True)
    assert script.declared["amount"] == Variable("date", "2026-01-05")
    assert from_body(json.loads(json.dumps(script.body))) == script


@given(st.text(max_size=200))
def test_any_text_is_a_script_or_refused(text: str) -> None:
    with contextlib.suppress(RequestError):
        parse_script(text)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"name": _json, "keys": _json, "languages": st.dictionaries(st.just("en-IN"), _json) | _json},
        optional={"variables": _json, "dispositions": _json, "no_input": _json, "script_id": _json},
    )
)
def test_any_body_is_a_script_or_refused(body: dict[str, object]) -> None:
    with contextlib.suppress(InvariantError):
        from_body(body)


# --- the form with states ------------------------------------------------------------------------

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
        ("queue:desk", "queue:a&b", "escalation.target", "neither a name"),
        ("queue:desk", "the desk", "escalation.target", "neither a name"),
        ("    transferring: Please hold the line.\n", "", "languages.en-IN.transferring", "missing"),
        ("sorry: Nobody is free.", 'sorry: "{{rating}}."', "languages.en-IN.say.sorry", "may not have been captured"),
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
         "from", "to", "options", "terminator", "confirm", "callback"]
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
