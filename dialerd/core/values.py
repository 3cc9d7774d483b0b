"""What a contact's value has to be to be read as the type that a script gives its variable.

The list that brings it and the voice that speaks it read alike. What cannot be read is spoken as it stands. Pure, and
no language of its own.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_VALUE = 200
"""Characters of a contact's value that are spoken."""
_TOO_LARGE = Decimal(10) ** 15

_NUMBER = "a number, such as 50000 or 1,234.50"


def text_of(value: Any) -> str:
    """The value as it stands, blanks tidied."""
    return " ".join(str(value).split())[:MAX_VALUE]


def number_in(text: str) -> Decimal | None:
    """The number; commas and blanks group its digits."""
    try:
        number = Decimal(text.replace(",", "").replace(" ", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _TOO_LARGE else None


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
