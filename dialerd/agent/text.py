"""What is said, from how it is written: templates, values in the listener's language, sentences.

Pure. CLDR (through Babel) knows how a language writes numbers, amounts and dates. What voices misread is put right
in `dialerd.agent.pronunciation`, for them alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision

from dialerd.agent.money import in_rupees
from dialerd.core.values import date_in, digits_in, number_in, text_of, time_in

MAX_NAME = 64

KINDS = ("text", "number", "amount", "date", "time", "digits")
"""What a variable may hold; all but `text` are written as its language does, `digits` one by one."""

_SLOT = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?…。！？।॥۔؟]+[\"'”’)\]]*\s+")
_ABBREVIATIONS = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "sr",
        "jr",
        "st",
        "rs",
        "no",
        "nos",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "approx",
    }
)
_BLANK_BEFORE_STOP = re.compile(r"\s+(?=[,.;:!?।॥،؛؟۔])")
_STOP_AT_FIRST = re.compile(r"\A[\s,;:،؛]+")
_GLUED = re.compile(r"(?<=[^\W\d])(?=-?\d)")
_BLANKS = re.compile(r"[ \t\r\n]+")
"""What is tidied; no-break blanks are part of a number (150 000)."""


class TemplateError(ValueError):
    """A text whose braces do not make sense; the message says which."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places for values. `parts` alternates text and variable names, text first and last."""

    parts: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """The variables it uses."""
        return frozenset(self.parts[1::2])

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with `values` in place; blanks that an empty value leaves are tidied, and a comma at first."""
        filled = [part if index % 2 == 0 else values[part] for index, part in enumerate(self.parts)]
        text = _BLANK_BEFORE_STOP.sub("", _BLANKS.sub(" ", "".join(filled)).strip())
        nothing_at_first = len(filled) > 1 and not filled[0].strip() and not filled[1]
        return _STOP_AT_FIRST.sub("", text) if nothing_at_first else text


def is_name(text: str) -> bool:
    """Whether a variable may be called so; marks count as letters, for scripts that need them."""
    return len(text) <= MAX_NAME and text.isidentifier()


def parse_template(text: str) -> Template:
    """Read `{{name}}` places. Raises `TemplateError`."""
    parts = _SLOT.split(text)
    for index, part in enumerate(parts):
        if index % 2 == 0 and ("{{" in part or "}}" in part):
            raise TemplateError("has braces without their counterpart; a variable is written {{name}}")
        if index % 2 == 1 and not is_name(part):
            raise TemplateError(f"{{{{{part[:40]}}}}} is not a variable name (letters, digits and '_')")
    return Template(tuple(parts))


def sentences(text: str) -> list[str]:
    """The sentences of a template's text: parts that can be spoken, and kept, on their own."""
    found, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        before = text[start : end.start()].rsplit(maxsplit=1)
        if not before or before[-1].lower() in _ABBREVIATIONS:
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


# --- values --------------------------------------------------------------------------------------


def format_value(value: Any, kind: str, language: str, currency: str | None = None) -> str:
    """`value` as `language` writes it; a value that is not of its `kind` is said as it stands."""
    text = text_of(value)
    locale = locale_of(language)
    if kind == "digits":
        return " ".join(digits_in(text) or "")
    if locale is None:
        return text
    if kind in ("date", "time"):
        return _date(text, locale) if kind == "date" else _time(text, locale)
    if kind == "text" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return text
    return _number(text, kind, locale, currency)


def _number(text: str, kind: str, locale: Locale, currency: str | None) -> str:
    number = number_in(text)
    if number is None:
        return text
    if kind != "amount" or currency is None:
        return str(format_decimal(number, locale=locale))
    # Plus nothing: so that nought has no minus.
    amount = number.quantize(Decimal(1).scaleb(-get_currency_precision(currency))) + 0
    rupees = in_rupees(amount, locale) if currency == "INR" else None
    if rupees is not None:
        return rupees
    whole = amount == amount.to_integral_value()
    # Without a fraction CLDR's currency digits would have the voice say "point zero zero".
    said = format_currency(
        amount.to_integral_value() if whole else amount,
        currency,
        locale=locale,
        format_type="name",
        currency_digits=not whole,
    )
    # Straight after a name, as in Sinhala, a minus would be a hyphen.
    return _GLUED.sub(" ", str(said))


def _date(text: str, locale: Locale) -> str:
    day = date_in(text)
    return text if day is None else str(format_date(day, "long", locale=locale))


def _time(text: str, locale: Locale) -> str:
    time = time_in(text)
    if time is None:
        return text
    pattern = _clock(locale, whole=time.minute == 0)
    # Its blank may be one that voices do not know.
    return " ".join(str(format_time(time, pattern, locale=locale)).split())


def _clock(locale: Locale, *, whole: bool) -> str:
    """How a time of day is written: where the clock has twelve hours, with the part of the day as it is said.

    `pm` is said in English; elsewhere it is evening, night, शाम. A full hour has no minutes then.
    """
    usual = str(locale.time_formats["short"].pattern)
    if "a" not in usual:
        return usual
    if locale.language == "en":
        return "h a" if whole else usual
    spoken = locale.datetime_skeletons.get("Bh" if whole else "Bhm")
    return str(spoken.pattern) if spoken is not None else usual


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale | None:
    """CLDR's locale for a tag, or for its language alone; None: CLDR does not know it."""
    for tag in (language, language.split("-")[0]):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None
