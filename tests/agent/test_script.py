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
from dialerd.agent.script import Variable, from_body, parse_script
from dialerd.core.errors import InvariantError, RequestError
from tests.agent.scripts import EXAMPLES, GOOD, good


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


def test_lines_of_the_simple_form_may_be_recorded_too() -> None:
    text = changed("1: Thank you.", "1: {text: Thank you., audio: thanks.wav}").replace(
        "opening: Hello {{name}}. We offer {{amount}} rupees. Press 1, 2 or 9.",
        "opening: [\"Hello {{name}}.\", {text: 'Press 1, 2 or 9.', audio: press.wav}]",
    )
    script = parse_script(text)
    lines = script.texts["en-IN"].lines
    assert lines["closing.1"] == (Part("Thank you.", "thanks.wav"),)
    assert lines["opening"] == (Part("Hello {{name}}."), Part("Press 1, 2 or 9.", "press.wav"))
    assert from_body(json.loads(json.dumps(script.body))) == script


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


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "name": any_json,
            "keys": any_json,
            "languages": st.dictionaries(st.just("en-IN"), any_json) | any_json,
        },
        optional={
            "variables": any_json,
            "dispositions": any_json,
            "no_input": any_json,
            "script_id": any_json,
        },
    )
)
def test_any_body_is_a_script_or_refused(body: dict[str, object]) -> None:
    with contextlib.suppress(InvariantError):
        from_body(body)
