"""A text as a voice must be given it, where its own reading of what is written would be wrong.

espeak-ng takes the signs that group digits for the end of a number (1,50,000 becomes "one, fifty, zero"; in fifteen
languages whatever follows the decimal sign is lost with it), says no minus in most languages, and takes `[[` for
phonemes. So it is given digits without groups, the minus as a word, and no markup. The written text is for people and
stays as it is. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from babel.numbers import get_decimal_symbol, get_group_symbol

from dialerd.agent.text import locale_of

_MARKUP = re.compile(r"([\[\]])\1+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
"""Embedded commands begin with such a character; NUL ends the text."""
_NARROW = re.compile("[\xa0\u2007\u202f]")
"""Blanks that CLDR groups digits with, and that voices do not know."""

_MINUS: Mapping[str, str] = {
    "ar": "سالب",
    "as": "মাইনাছ",
    "be": "мінус",
    "bg": "минус",
    "bn": "মাইনাস",
    "cs": "minus",
    "cy": "minws",
    "da": "minus",
    "de": "minus",
    "en": "minus",
    "es": "menos",
    "fa": "منفی",
    "fr": "moins",
    "gu": "માઇનસ",
    "hi": "माइनस",
    "hu": "mínusz",
    "is": "mínus",
    "it": "meno",
    "kn": "ಮೈನಸ್",
    "ml": "മൈനസ്",
    "mr": "उणे",
    "ne": "माइनस",
    "nl": "min",
    "or": "ମାଇନସ୍",
    "pa": "ਮਨਫ਼ੀ",
    "pl": "minus",
    "pt": "menos",
    "ru": "минус",
    "si": "ඍණ",
    "sk": "mínus",
    "sl": "minus",
    "sq": "minus",
    "sw": "hasi",
    "ta": "மைனஸ்",
    "te": "మైనస్",
    "tr": "eksi",
    "uk": "мінус",
    "ur": "منفی",
}
_ANY_MINUS = "\u2212"
"""Where no word is known; voices that do not know it either say it in English."""

_DECIMAL: Mapping[str, str] = {
    **dict.fromkeys(("en", "ht", "ka", "kk", "ku", "ky", "pap", "ru"), "."),
}
"""The sign that a voice takes for a decimal one, where that is not the language's own."""

_SOUTH_ASIA = frozenset({"IN", "PK", "BD", "NP", "LK"})
_LAKH, _CRORE = 100_000, 10_000_000
_UNITS: Mapping[str, tuple[str, str]] = {"en": ("lakh", "crore"), "ne": ("लाख", "करोड")}
"""Of voices that do not say them by themselves; those of the other South Asian languages do."""

_PAISE = re.compile(r"\bpaise\b")
"""English voices say "pays"."""
_CLOCK = re.compile(r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?![\d:])")


@dataclass(frozen=True, slots=True)
class _Clock:
    """Around a time of day with minutes; `at`: what the text says after it, and what is said instead."""

    after_hour: str
    after_minute: str
    at: tuple[str, str]


_CLOCKS: Mapping[str, _Clock] = {
    "hi": _Clock(" बजकर ", " मिनट", (" बजे", " पर")),
    "ur": _Clock(" بج کر ", " منٹ", (" بجے", " پر")),
}


@dataclass(frozen=True, slots=True)
class _Figures:
    """How a language's numbers are found in a text, and how its voice is given them."""

    number: re.Pattern[str]
    decimal: str
    minus: str
    units: tuple[str, str] | None

    def spoken(self, text: str) -> str:
        return self.number.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        grouped, plain, fraction = found["grouped"], found["plain"], found["fraction"]
        whole = plain or self._whole("".join(filter(str.isdigit, grouped)))
        sign = f"{self.minus} " if found["minus"] else ""
        return sign + whole + (f"{self.decimal}{fraction}" if fraction else "")

    def _whole(self, digits: str) -> str:
        if self.units is None or int(digits) < _LAKH:
            return digits
        lakh, crore = self.units
        crores, rest = divmod(int(digits), _CRORE)
        lakhs, rest = divmod(rest, _LAKH)
        parts = ((crores, f" {crore}"), (lakhs, f" {lakh}"), (rest, ""))
        return " ".join(f"{count}{unit}" for count, unit in parts if count)


def spoken_form(text: str, language: str) -> str:
    """`text` as a voice for `language` must be given it."""
    text = _MARKUP.sub(r"\1", _CONTROL.sub(" ", text))
    text = _figures(language).spoken(_words(text, language.split("-")[0].lower()))
    return _NARROW.sub(" ", text)


def _words(text: str, language: str) -> str:
    if language == "en":
        return _PAISE.sub("pie-say", _CLOCK.sub(_oh, text))
    clock = _CLOCKS.get(language)
    if clock is None:
        return text
    written, said = clock.at

    def minutes(found: re.Match[str]) -> str:
        minute = int(found["minute"])
        if not minute:
            return found[0]
        told = f"{found['hour']}{clock.after_hour}{minute}{clock.after_minute}"
        return told + said if found["at"] else told

    return re.sub(rf"{_CLOCK.pattern}(?P<at>{written}(?!\w))?", minutes, text)


def _oh(found: re.Match[str]) -> str:
    """Ten oh five; a full hour and other minutes are read well."""
    minute = found["minute"]
    return f"{found['hour']} oh {minute[1]}" if minute[0] == "0" != minute[1] else found[0]


@lru_cache(maxsize=256)
def _figures(language: str) -> _Figures:
    locale = locale_of(language)
    subtags = language.split("-")
    group = get_group_symbol(locale) if locale is not None else ","
    decimal = get_decimal_symbol(locale) if locale is not None else "."
    spoken = subtags[0].lower()
    units = _UNITS.get(spoken)
    if spoken == "en" and subtags[-1].upper() not in _SOUTH_ASIA:
        units = None
    return _Figures(
        _pattern(group, decimal), _DECIMAL.get(spoken, decimal), _MINUS.get(spoken, _ANY_MINUS), units
    )


def _pattern(group: str, decimal: str) -> re.Pattern[str]:
    """Numbers as CLDR writes them. A comma may stand between lakhs: 1,50,000."""
    between = f"[{re.escape(group)}\xa0\u202f]"
    signs = f"[{re.escape(group + decimal)}\xa0\u202f]"
    inner = r"\d{2,3}" if group == "," else r"\d{3}"
    return re.compile(
        rf"(?<!\d)(?<!\d{signs})(?:(?<!\w)[\u200e\u200f\u061c]?(?P<minus>[-\u2212]))?"
        rf"(?:(?P<grouped>\d{{1,3}}(?:{between}{inner})*{between}\d{{3}})|(?P<plain>\d+))"
        rf"(?:{re.escape(decimal)}(?P<fraction>\d+))?(?!{signs}?\d)"
    )
