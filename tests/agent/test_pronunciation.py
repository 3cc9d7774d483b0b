"""What voices are given, and what they make of it: espeak-ng's own phonemes of amounts, in each of its languages."""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent.pronunciation import spoken_form
from dialerd.agent.speech import WORDS_PER_MINUTE
from dialerd.agent.text import format_value
from dialerd.agent.voices import PROGRAM, Voices, find_voices

CURRENCIES = {
    **dict.fromkeys(("as", "bn", "en", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur"), "INR"),
    **{"ne-NP": "NPR", "ur-PK": "PKR", "bn-BD": "BDT", "si-LK": "LKR", "en-LK": "LKR", "en-ZA": "ZAR"},
    **{"en-GB": "GBP", "en-US": "USD", "en-NG": "NGN", "es-MX": "MXN", "pt-BR": "BRL", "ar-EG": "EGP"},
    **{"pl-PL": "PLN", "ru-RU": "RUB", "uk-UA": "UAH", "cs-CZ": "CZK", "hu-HU": "HUF", "da-DK": "DKK"},
    **{"tr-TR": "TRY", "fa-IR": "IRR", "id-ID": "IDR", "vi-VN": "VND", "ms-MY": "MYR", "sw-KE": "KES"},
    **{"fr-CH": "CHF", "de-CH": "CHF", "sv-SE": "SEK", "nb-NO": "NOK", "ro-RO": "RON", "bg-BG": "BGN"},
    **dict.fromkeys(("de", "fr", "es", "it", "nl", "pt", "el", "fi", "hr", "lt", "lv", "et", "sk", "sl", "sq"), "EUR"),
}  # fmt: skip
SPOKEN = [(language if "-" in language else f"{language}-IN" if currency == "INR" else language, currency)
          for language, currency in CURRENCIES.items()]  # fmt: skip
AMOUNTS = ("50", "7250", "7250.05", "7250.25", "7250.5", "72.5", "725050", "725005", "150", "150000", "50000",
           "1050000", "12345678", "12345678.9")  # fmt: skip
WITHOUT_FRACTION = ("HUF", "IRR", "IDR", "VND")
"""Currencies whose amounts people, and CLDR, tell without one."""


@cache
def voices() -> Voices:
    return find_voices()


def phonemes(texts: list[str], language: str) -> list[str]:
    """What the voice makes of each, as espeak-ng writes it down; without stress, and without blanks between words."""
    voice = voices().choose(language).name
    command = [PROGRAM, "-v", voice, "-s", WORDS_PER_MINUTE, "-b", "1", "--stdin", "-q", "--ipa"]
    done = subprocess.run(command, input="\n\n".join(texts).encode(), capture_output=True, check=True)
    # Some voices lack a sound of theirs, and say so.
    said = re.sub(r"Invalid phoneme code \d+|\([a-z-]+\)|[ ˈˌ]", "", done.stdout.decode())
    heard = said.split()
    assert len(heard) == len(texts)
    return heard


@pytest.mark.parametrize(("language", "currency"), SPOKEN, ids=lambda each: each)
def test_every_amount_is_heard_as_itself(language: str, currency: str) -> None:
    amounts = [amount for amount in AMOUNTS if currency not in WITHOUT_FRACTION or "." not in amount]
    given = [spoken_form(format_value(amount, "amount", language, currency), language) for amount in amounts]
    heard = dict(zip(amounts, phonemes(given, language), strict=True))
    assert len(set(heard.values())) == len(amounts), "no two amounts sound alike"
    below = [
        spoken_form(format_value(f"-{each}", "amount", language, currency), language) for each in amounts
    ]
    for amount, negative in zip(amounts, phonemes(below, language), strict=True):
        assert len(negative) > len(heard[amount]), "a minus is said"
        assert negative.endswith(heard[amount][-6:])
    wholes = [amount.partition(".")[0] for amount in amounts]
    for amount, whole, text, digits in zip(amounts, wholes, given, phonemes(wholes, language), strict=True):
        # Where a voice has no lakhs and crores of its own, it is given them as words.
        if whole in text:
            # The last sounds of a number may lean on what follows it.
            assert digits[: max(len(digits) - 4, 2)] in heard[amount], "the digits are one number"


@pytest.mark.parametrize(
    ("value", "language", "words"),
    [
        ("7000.50", "en-IN", "seven thousand rupees and fifty pie say"),
        ("150000", "en-IN", "one lakh fifty thousand rupees"),
        ("-500", "en-IN", "minus five hundred rupees"),
        ("50.50", "hi-IN", "पचास रुपये पचास पैसे"),
        ("-50", "hi-IN", "माइनस पचास रुपये"),
        ("50.50", "mr-IN", "पन्नास रुपये पन्नास पैसे"),
        ("50.50", "ta-IN", "ஐம்பது ரூபாய் ஐம்பது பைசா"),
    ],
)
def test_rupees_and_paise_are_heard_as_people_say_them(value: str, language: str, words: str) -> None:
    said = spoken_form(format_value(value, "amount", language, "INR"), language)
    heard, expected = phonemes([said, words], language)
    assert heard == expected


@pytest.mark.parametrize(
    ("text", "language", "spoken"),
    [
        ("a loan of 1,50,000 rupees", "en-IN", "a loan of 1 lakh 50000 rupees"),
        ("1,50,000, at 10.5 percent", "en-IN", "1 lakh 50000, at 10.5 percent"),
        ("2,50,00,000", "en-IN", "2 crore 50 lakh"),
        ("50,000", "en-IN", "50000"),
        ("1,50,000", "en-GB", "150000"),
        ("1,500,000", "en-US", "1500000"),
        ("1,50,000 और 7,250.50", "hi-IN", "150000 और 7250.50"),
        ("7\u202f250,50 euros", "fr-FR", "7250,50 euros"),
        ("7\xa0250,50", "en-ZA", "7250.50"),
        ("7’250.50", "de-CH", "7250.50"),
        ("7.250,50 am 05.12.2026", "de-DE", "7250,50 am 05.12.2026"),
        ("5 декабря 2026\u202fг.", "ru-RU", "5 декабря 2026 г."),
        ("1, 2 or 9", "en-IN", "1, 2 or 9"),
        ("dial 0-22-500, at 9-17", "en-IN", "dial 0-22-500, at 9-17"),
        ("-5 or \u22125", "en-IN", "minus 5 or minus 5"),
        ("10:05 am, 10:00, 17:30", "en-IN", "10 oh 5 am, 10:00, 17:30"),
        ("सुबह 10:05 बजे", "hi-IN", "सुबह 10 बजकर 5 मिनट पर"),
        ("शाम 5:30", "hi-IN", "शाम 5 बजकर 30 मिनट"),
        ("शाम 6 बजे", "hi-IN", "शाम 6 बजे"),
        ("5:30 بجے", "ur-PK", "5 بج کر 30 منٹ پر"),
        ("7,250.50", "zxx", "7250.50"),
    ],
)
def test_what_voices_would_misread(text: str, language: str, spoken: str) -> None:
    assert spoken_form(text, language) == spoken


@pytest.mark.parametrize(
    "text", ["[[h@l'oU]]", "[[[h@l'oU]]]", "[[[[h@l'oU]]]]", "[\x00[h@l'oU]]", "\x01[[h@l'oU]]"]
)
def test_brackets_are_no_phonemes(text: str) -> None:
    said, letters, sounds = phonemes([spoken_form(text, "en-IN"), "h@l'oU", "[[h@l'oU]]"], "en-IN")
    assert said == letters != sounds


@given(
    st.one_of(
        st.text(alphabet="[]\x00\x01 <>/&;a1,.-", max_size=60),
        st.text(max_size=60),
        st.lists(
            st.sampled_from(["[", "]", "[[", "<speak>", "<break time='9s'/>", "\x01+9S", "1,000", "é"])
        ).map("".join),
    ),
    st.sampled_from(["en-IN", "hi-IN", "fr-FR", "de-CH", "ne-NP", "zxx"]),
)
def test_no_text_reaches_a_voice_as_markup(text: str, language: str) -> None:
    given = spoken_form(text, language)
    assert "[[" not in given
    assert "]]" not in given
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in given)
