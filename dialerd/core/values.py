"""What a contact's value has to be to be read as the type that a script gives its variable.

The list that brings it and the voice that speaks it read alike. What cannot be read, or could be read in two ways, is
spoken as it stands: a wrong amount is worse than an odd one. Pure, and no language of its own.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_VALUE = 200
"""Characters of a contact's value that are spoken."""
_TOO_LARGE = Decimal(10) ** 15

_NUMBER = "a number, such as 50000 or 1,234.50"

_UNGROUPED = re.compile(r"[^\s,]+")
_BY_COMMAS = re.compile(r"[+-]?(?:(?!0)\d{1,3}(?:,\d{3})+|(?!0)\d{1,2}(?:,\d{2})+,\d{3})(?:\.\d+)?")
"""1,234,567.50 and, in lakhs and crores, 12,34,567.50."""
_BY_BLANKS = re.compile(r"[+-]?(?:(?!0)\d{1,3}(?: \d{3})+|(?!0)\d{1,2}(?: \d{2})+ \d{3})(?:[.,]\d+)?")
_BY_POINTS = re.compile(r"[+-]?(?:(?!0)\d{1,3}(?:\.\d{3})+,\d+|(?!0)\d{1,3}(?:\.\d{3}){2,})")
"""1.234,50: a point cannot be the decimal sign where a comma, or another point, comes after it. 1.234 it is."""


def text_of(value: Any) -> str:
    """The value as it stands, blanks tidied."""
    return " ".join(str(value).split())[:MAX_VALUE]


def number_in(text: str) -> Decimal | None:
    """The number, whose digits may stand in groups; None: there is none, or it is in doubt (12,5 or 7250,50)."""
    plain = _ungrouped(text)
    try:
        number = Decimal(plain) if plain is not None else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number) < _TOO_LARGE else None


def _ungrouped(text: str) -> str | None:
    """With a decimal point and no groups."""
    if _UNGROUPED.fullmatch(text) and not _BY_POINTS.fullmatch(text):
        return text
    if _BY_COMMAS.fullmatch(text):
        return text.replace(",", "")
    if _BY_BLANKS.fullmatch(text):
        return text.replace(" ", "").replace(",", ".")
    return text.replace(".", "").replace(",", ".") if _BY_POINTS.fullmatch(text) else None


def date_in(text: str) -> datetime.date | None:
    """The day, in ISO 8601."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def time_in(text: str) -> datetime.time | None:
    """The time of day, in ISO 8601."""
    try:
        return datetime.time.fromisoformat(text)
    except ValueError:
        return None


def digits_in(text: str) -> str | None:
    """The letters and digits that are said one by one; None: there are none."""
    return "".join(character for character in text if character.isalnum()) or None


_READ: Mapping[str, tuple[Callable[[str], object | None], str]] = {
    "number": (number_in, _NUMBER),
    "amount": (number_in, f"{_NUMBER}, without its currency"),
    "date": (date_in, "a date as YYYY-MM-DD"),
    "time": (time_in, "a time of day as HH:MM"),
    "digits": (digits_in, "letters or digits"),
}


def misread(value: Any, kind: str) -> str | None:
    """What a value of this kind should have been; None: it can be read, as any text can."""
    known = _READ.get(kind)
    if known is None:
        return None
    read, wanted = known
    return wanted if read(text_of(value)) is None else None
