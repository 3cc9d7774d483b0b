"""Texts as they are written and spoken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent.pronunciation import spoken_form
from dialerd.agent.text import (
    TemplateError,
    format_value,
    parse_template,
    sentences,
)
from dialerd.core.values import misread


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("Hello {{name}}.", {"name": "Priya"}, "Hello Priya."),
        ("Hello {{ name }}, welcome", {"name": ""}, "Hello, welcome"),
        ("{{a}}{{b}}", {"a": "1", "b": "2"}, "12"),
        ("{{name}}, a loan", {"name": ""}, "a loan"),
        ("{{name}}, a loan", {"name": "Asha"}, "Asha, a loan"),
        ("नमस्ते {{name}} जी, यह", {"name": ""}, "नमस्ते जी, यह"),
        ("नमस्ते {{नाम}}।", {"नाम": ""}, "नमस्ते।"),
        ("{single} braces", {}, "{single} braces"),
        ("{{a}}", {"a": "{{b}}"}, "{{b}}"),
    ],
)
def test_templates(text: str, values: dict[str, str], filled: str) -> None:
    template = parse_template(text)
    assert template.names == values.keys()
    assert template.fill(values) == filled


@pytest.mark.parametrize(
    "text", ["{{", "}}", "{{a", "a}}", "{{a b}}", "{{1a}}", "{{}}", "{{{a}}}}", "{{a}} {{"]
)
def test_braces_that_make_no_sense(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dear Mr. {{name}}, hello. Bye.", ["Dear Mr. {{name}}, hello.", "Bye."]),
        ("Rs. 500 are due. Pay.", ["Rs. 500 are due.", "Pay."]),
        ("3.5 percent. Yes.", ["3.5 percent.", "Yes."]),
        ("नमस्ते। क्या आप हैं? हाँ।", ["नमस्ते।", "क्या आप हैं?", "हाँ।"]),
        ('He said "go." Then left.', ['He said "go."', "Then left."]),
        ("آپ کیسے ہیں؟ ٹھیک۔ شکریہ", ["آپ کیسے ہیں؟", "ٹھیک۔", "شکریہ"]),
        ("", []),
        ("...", ["..."]),
        ("No.", ["No."]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize(
    ("value", "kind", "language", "written"),
    [
        (50000, "number", "en-IN", "50,000"),
        ("50000", "number", "hi-IN", "50,000"),
        ("150000", "number", "en-IN", "1,50,000"),
        ("1,50,000", "number", "en-US", "150,000"),
        ("1.234,50", "number", "en-IN", "1,234.5"),
        ("7250,50", "number", "en-IN", "7250,50"),
        (1234.5, "number", "de-DE", "1.234,5"),
        ("soon", "number", "en-IN", "soon"),
        ("NaN", "number", "en-IN", "NaN"),
        ("9" * 40, "number", "en-IN", "9" * 40),
        (50000, "text", "en-IN", "50,000"),
        ("50000", "text", "en-IN", "50000"),
        (True, "text", "en-IN", "True"),
        ("2026-01-05", "date", "en-IN", "5 January 2026"),
        ("2026-01-05", "date", "hi-IN", "5 जनवरी 2026"),
        ("2026-01-05", "date", "en-US", "January 5, 2026"),
        ("tomorrow", "date", "en-IN", "tomorrow"),
        ("0042-x", "digits", "en-IN", "0 0 4 2 x"),
        ("+919876", "digits", "hi-IN", "9 1 9 8 7 6"),
        ("a\n  b", "text", "en-IN", "a b"),
        ("50000", "number", "x-private", "50000"),
        ("17:30", "time", "en-IN", "5:30 pm"),
        ("18:00", "time", "en-IN", "6 pm"),
        ("18:00", "time", "hi-IN", "शाम 6"),
        ("00:30", "time", "hi-IN", "रात 12:30"),
        ("17:30", "time", "de-DE", "17:30"),
        ("half past", "time", "hi-IN", "half past"),
    ],
)
def test_values_in_the_listeners_language(value: Any, kind: str, language: str, written: str) -> None:
    assert format_value(value, kind, language) == written


@pytest.mark.parametrize(
    ("value", "language", "currency", "written"),
    [
        ("50000", "en-IN", "INR", "50,000 rupees"),
        ("50000.5", "en-IN", "INR", "50,000 rupees and 50 paise"),
        ("50000.05", "en-IN", "INR", "50,000 rupees and 5 paise"),
        ("1", "en-IN", "INR", "1 rupee"),
        ("0.01", "en-IN", "INR", "1 paisa"),
        ("0", "en-IN", "INR", "0 rupees"),
        ("-0", "en-IN", "INR", "0 rupees"),
        ("0.999", "en-IN", "INR", "1 rupee"),
        ("-150000.75", "en-IN", "INR", "-1,50,000 rupees and 75 paise"),
        ("50000", "hi-IN", "INR", "50,000 रुपये"),
        ("7250.50", "hi", "INR", "7,250 रुपये 50 पैसे"),
        ("7250.50", "ta-IN", "INR", "7,250 ரூபாய் 50 பைசா"),
        ("7250.50", "en-US", "INR", "7,250.50 Indian rupees"),
        ("7250.50", "en-IN", "USD", "7,250.50 US dollars"),
        ("7250.501", "en-US", "USD", "7,250.50 US dollars"),
        ("0.999", "en-US", "USD", "1 US dollar"),
        ("7250.5", "en-US", "JPY", "7,250 Japanese yen"),
        ("7250.50", "fr-FR", "EUR", "7\u202f250,50 euros"),
    ],
)
def test_amounts(value: str, language: str, currency: str, written: str) -> None:
    assert format_value(value, "amount", language, currency) == written
    assert parse_template("{{a}}").fill({"a": written}) == written, "a no-break blank is part of a number"


@given(st.text(max_size=60), st.sampled_from(["text", "number", "amount", "date", "digits"]))
def test_any_value_can_be_spoken(value: str, kind: str) -> None:
    for language in ("en-IN", "hi-IN", "zz"):
        spoken_form(format_value(value, kind, language, "INR"), language)


@given(st.text(alphabet="ab.?! ।{}", max_size=40))
def test_sentences_lose_nothing(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(
    st.sampled_from(["number", "amount", "date", "time"]),
    st.one_of(
        st.text(max_size=30),
        st.floats(),
        st.integers(),
        st.booleans(),
        st.dates().map(str),
        st.times().map(str),
        st.sampled_from(
            [
                "20/01/2027",
                "tomorrow",
                "1,50,000",
                "5 pm",
                "1e3",
                "-5",
                "20270120",
                "1e20",
                "7250,50",
                "1.234,50",
            ]
        ),
    ),
)
def test_what_a_list_is_warned_of_is_what_is_said_as_it_stands(kind: str, value: Any) -> None:
    said = format_value(value, kind, "en-IN", "INR")
    if misread(value, kind) is not None:
        assert said == " ".join(str(value).split())
    elif kind in ("amount", "date"):
        assert said != str(value), "it is said as what it is"
