"""The kinds of fields that requests are made of, and pydantic's findings in the words of the API.

Nothing here knows a noun of the product: what a campaign or a call may be asked for is said in modules of theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, TypeVar

import langcodes
from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError, WithJsonSchema

from dialerd.core.clock import YEARS, Instant, from_datetime, parse_iso
from dialerd.core.errors import Fault
from dialerd.core.wallclock import is_zone

# The first look-up reads langcodes' tables, which takes tens of milliseconds: at start, not between two dials.
langcodes.tag_is_valid("en-IN")

_CHOSEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
NOT_AN_ID = "must be 1 to 64 letters, digits, '_' or '-'"

_PLAIN = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "finite_number": "must be a finite number",
}
"""Messages for people who write JSON, not Python, by pydantic's error type."""
UNKNOWN_PARAMETER = "unknown parameter"


def _text(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    if any(ord(char) < 0x20 or ord(char) == 0x7F or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("must not contain control characters")
    return value


def title(value: object, longest: int = 255) -> str:
    """A name for people, as it is given beside a document. Raises `ValueError` in the words of the API."""
    if not isinstance(value, str) or not value or len(value) > longest:
        raise ValueError(f"must be a string of 1 to {longest} characters")
    return _text(value)


def _chosen_id(value: str) -> str:
    if not _CHOSEN_ID.fullmatch(value):
        raise ValueError(NOT_AN_ID)
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a string, as in 2024-01-15T09:00:00+05:30")
    return parse_iso(value)


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError(f"{value[:60]!r} is not an IANA time zone, as in Asia/Kolkata")
    return value


def _language(value: str) -> str:
    if not value.isascii() or not langcodes.tag_is_valid(value):
        raise ValueError(f"{value[:60]!r} is not a BCP-47 language, as in hi-IN or en-IN")
    return value


def _finite(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return min(max(value, -(10**15)), 10**15)


def instant(text: str, zone: tzinfo, *, last: bool) -> Instant:
    """A time with its offset, or a date on the clocks of `zone`: its first moment, or its `last`.

    Raises `ValueError` in the words of the API.
    """
    try:
        day = date.fromisoformat(text) if len(text) == _DATE_LENGTH else None
        moment = datetime.combine(day, time(), zone) if day is not None else datetime.fromisoformat(text)
        if moment.year in YEARS and day is not None and last:
            moment = datetime.combine(day + timedelta(days=1), time(), zone)
            return Instant(from_datetime(moment) - 1)
        if moment.year in YEARS:
            return from_datetime(moment)
    except ValueError:
        pass
    raise ValueError("must be an ISO 8601 time with offset, as in 2024-01-15T09:00:00Z, or a date")


_DATE_LENGTH = len("2024-01-15")

Text = Annotated[str, AfterValidator(_text)]
ChosenId = Annotated[
    str, AfterValidator(_chosen_id), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})
]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Number = Annotated[float, BeforeValidator(_finite)]
Zone = Annotated[str, AfterValidator(_zone)]
Language = Annotated[str, AfterValidator(_language)]

M = TypeVar("M", bound=BaseModel)


def read_model(model: type[M], given: Mapping[str, Any], prefix: str = "") -> tuple[M, list[Fault]]:
    """Read what can be read: a wrong field is left at its default, so that the others are judged as well."""
    try:
        return model.model_validate(given), []
    except ValidationError as error:
        faults = faults_of(error, prefix)
        wrong = {fault["loc"][0] for fault in error.errors()}
    return model.model_validate({key: value for key, value in given.items() if key not in wrong}), faults


def faults_of(error: ValidationError, prefix: str = "") -> list[Fault]:
    """Pydantic's findings in the words of the API."""
    found = []
    for item in error.errors(include_url=False):
        loc = prefix + ".".join(str(part) for part in item["loc"])
        found.append(Fault(loc, plainly(item["type"], item["msg"])))
    return found


def plainly(kind: str, said: str) -> str:
    """One of pydantic's findings in the words of the API."""
    msg = _PLAIN.get(kind) or said.removeprefix("Value error, ")
    return msg.replace("Input should", "must").replace("input", "value")


def is_chosen_id(value: str) -> bool:
    """Whether somebody may choose this as the id of a script or an agent."""
    return _CHOSEN_ID.fullmatch(value) is not None
