"""TwiML: what is understood, and what is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.twilio import call_of_sid, call_sid, signature
from dialerd.core.twiml import Hangup, Pause, Redirect, Stream, TwimlFault, parse


def test_a_document_is_read_in_its_order() -> None:
    text = """<?xml version="1.0" encoding="UTF-8"?>
    <Response>
      <Pause length="2"/>
      <Connect><Stream url="wss://bot.example.com/ws?a=1&amp;b=2">
        <Parameter name="who" value="Priya &lt;3"/><Parameter name="loan" value="5"/>
      </Stream></Connect>
      <Redirect method="get">https://example.com/next</Redirect>
      <Hangup/>
    </Response>"""
    assert parse(text) == (
        Pause(2.0),
        Stream("wss://bot.example.com/ws?a=1&b=2", {"who": "Priya <3", "loan": "5"}),
        Redirect("https://example.com/next", "GET"),
        Hangup(),
    )
    assert parse("<Response/>") == ()


@pytest.mark.parametrize(
    "encoding", ["UTF-8", "utf-16", "ISO-8859-1", "windows-1252", "shift_jis", "no-such"]
)
def test_whatever_encoding_a_document_names_it_is_the_text_that_came(encoding: str) -> None:
    stream = "<Connect><Stream url='wss://x' name='s1' track='inbound_track'>"
    text = f"{stream}<Parameter name='who' value='José'/></Stream></Connect>"
    found = parse(f"<?xml version='1.0' encoding='{encoding}'?><Response>{text}</Response>")
    assert found == (Stream("wss://x", {"who": "José"}),)


@pytest.mark.parametrize(
    ("text", "msg"),
    [
        ("", "no XML"),
        ("<Response>", "no XML"),
        ("<Answer/>", "must be a <Response>, not a <Answer>"),
        ("<Response><Say>Hi</Say></Response>", "the verb <Say> is not supported; there are: Connect, Pause"),
        ("<Response><Dial>+1</Dial></Response>", "<Dial>"),
        ("<Response><Connect><Room>x</Room></Connect></Response>", "must hold one <Stream>, not <Room>"),
        ("<Response><Connect/></Response>", "not nothing"),
        ("<Response><Connect><Stream/></Connect></Response>", "must have a url"),
        ("<Response><Connect><Stream url='wss://x'><P/></Stream></Connect></Response>", "<Parameter"),
        ("<Response><Pause length='long'/></Response>", "no number"),
        ("<Response><Pause length='-1'/></Response>", "0 to 60"),
        ("<Response><Pause length='nan'/></Response>", "0 to 60"),
        ("<Response><Redirect/></Response>", "must hold a URL"),
        ("<Response><Redirect method='PUT'>x</Redirect></Response>", "GET, POST"),
        ("<Response>hello</Response>", "<Response> has text in it"),
        (
            "<Response><Connect action='https://x'><Stream url='wss://x'/></Connect></Response>",
            "attribute action",
        ),
        (
            "<Response><Connect><Stream url='wss://x' statusCallback='y'/></Connect></Response>",
            "statusCallback",
        ),
        (
            "<Response><Connect><Stream url='wss://x' track='both_tracks'/></Connect></Response>",
            "'both_tracks'",
        ),
        ("<Response><Connect><Stream url='wss://x'>text</Stream></Connect></Response>", "<Stream> has text"),
        ("<Response><Hangup reason='busy'/></Response>", "attribute reason of <Hangup>"),
        ("<Response><Pause><Say>Hi</Say></Pause></Response>", "<Pause> must hold nothing, not <Say>"),
        ("<Response><Hangup><Say>Hi</Say></Hangup></Response>", "<Hangup> must hold nothing"),
        ("<Response><Redirect>https://x<Say>Hi</Say></Redirect></Response>", "<Redirect> must hold nothing"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><Response>&a;</Response>', "no document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><Response/>', "no document type"),
        ("<a>" * 20, "nested too deeply"),
        ("<Response>" + "x" * 16_000, "longer than"),
    ],
)
def test_what_is_wrong_is_named(text: str, msg: str) -> None:
    with pytest.raises(TwimlFault, match=msg.replace("(", r"\(")) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_fault(text: str) -> None:
    for candidate in (text, f"<Response>{text}</Response>"):
        try:
            parse(candidate)
        except TwimlFault:
            continue


@given(st.integers(0, 16**12 - 1))
def test_names_of_calls_lead_back_to_them(number: int) -> None:
    call = f"cal_{number:012x}"
    assert call_of_sid(call_sid(call)) == call
    assert len(call_sid(call)) == 34


def test_a_name_of_somebody_elses_call_is_none_of_ours() -> None:
    for sid in ("CA" + "1" * 32, "CA", "", "cal_000000000001", "MZ" + "0" * 32):
        assert call_of_sid(sid) is None


def test_requests_are_signed_as_twilio_signs_them() -> None:
    form = [
        ("Digits", "1234"), ("CallSid", "CA1234567890ABCDE"), ("From", "+14158675309"), ("Caller", "+14158675309"),
        ("To", "+18005551212"),
    ]  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature(url, "12345", form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
