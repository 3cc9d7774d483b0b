"""The fields of a campaign request: read, checked on their own, every fault found at once.

What needs the store (does the script exist, does it speak the language) is asked in
`dialerd.engine.admission`; the contact list has its own rules. Nothing here does I/O.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import langcodes
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dialerd.core.clock import Instant, from_datetime, to_iso
from dialerd.core.errors import Fault
from dialerd.core.model import Trunk

# The first look-up reads langcodes' tables, which takes tens of milliseconds: at start, not between two dials.
langcodes.tag_is_valid("en-IN")

_LATER = ("agent_id", "retry_rules", "max_callbacks")
_LATER_IN_SCHEDULE = ("hours", "holidays")
_YEARS = range(1971, 2200)
_YEAR_OF_MINUTES = 366 * 24 * 60

_PLAIN = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "finite_number": "must be a finite number",
}
"""Messages for people who write JSON, not Python, by pydantic's error type."""


def _text(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    if any(ord(char) < 0x20 or ord(char) == 0x7F or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("must not contain control characters")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a string, as in 2024-01-15T09:00:00+05:30")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value[:60]!r} is not an ISO 8601 time, as in 2024-01-15T09:00:00+05:30") from None
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset from UTC; write for instance {value}+05:30 or {value}Z")
    if moment.year not in _YEARS:
        raise ValueError(f"the year must be between {_YEARS[0]} and {_YEARS[-1]}")
    return moment


def is_zone(name: str) -> bool:
    """Whether `name` is an IANA time zone that this machine knows."""
    if not name.isascii() or not name.strip("/") or name.startswith("/") or ".." in name or "\0" in name:
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


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


Text = Annotated[str, AfterValidator(_text)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Number = Annotated[float, BeforeValidator(_finite)]


class ScheduleFields(BaseModel):
    """When the campaign may dial."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start_time: Moment | None = Field(None, description="ISO 8601 with offset")
    end_time: Moment | None = Field(None, description="ISO 8601 with offset; after the start, in the future")
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(None, description="IANA time zone")


class CampaignFields(BaseModel):
    """A campaign request without its contacts; what is required is asked after reading, for all at once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Text, Field(max_length=255)] | None = None
    script_id: Annotated[Text, Field(max_length=64)] | None = None
    language: Annotated[str, AfterValidator(_language)] | None = Field(None, description="BCP-47")
    schedule: ScheduleFields | None = Field(
        None, description="without one the campaign stays scheduled until it is started"
    )
    default_region: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="country whose national numbers are accepted (IN, US …); without it E.164 only"
    )
    max_attempts: int = Field(1, ge=1, le=10, description="total attempts, the first included")
    retry_interval_minutes: Number = Field(60, ge=0, le=_YEAR_OF_MINUTES)
    ring_timeout_seconds: Number = Field(30, ge=1, le=300)
    max_concurrent_calls: int | None = Field(None, ge=1, le=100_000)
    calls_per_second: Number | None = Field(None, gt=0, le=1_000)
    weight: Number = Field(1, gt=0, le=1_000)
    trunks: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="names, in order of preference"
    )
    caller_id: str | None = Field(None, description="E.164; one of the caller ids of the trunks")
    keep_open: bool = False
    on_invalid: Literal["reject", "skip"] = "reject"


def read(
    fields: Mapping[str, Any], now: Instant, trunks: Sequence[Trunk]
) -> tuple[CampaignFields, list[Fault]]:
    """The fields that could be read, and every fault of those that could not or that contradict each other."""
    given = {key: value for key, value in fields.items() if value is not None}
    faults = _not_yet(given, _LATER, "")
    schedule = given.pop("schedule", None)
    draft, wrong = _read(CampaignFields, given, "")
    faults += wrong
    faults += [Fault(key, "required") for key in ("name", "script_id", "language") if given.get(key) is None]
    if schedule is not None:
        read_schedule, wrong = _schedule(schedule, now)
        faults += wrong
        draft = draft.model_copy(update={"schedule": read_schedule})
    return draft, faults + _trunk_faults(draft, trunks)


def _schedule(schedule: object, now: Instant) -> tuple[ScheduleFields | None, list[Fault]]:
    if not isinstance(schedule, dict):
        return None, [Fault("schedule", "must be an object with start_time, end_time and timezone")]
    given = {key: value for key, value in schedule.items() if value is not None}
    faults = _not_yet(given, _LATER_IN_SCHEDULE, "schedule.")
    read_schedule, wrong = _read(ScheduleFields, given, "schedule.")
    faults += wrong
    if given.keys() & {"start_time", "end_time"}:
        needed = ("start_time", "end_time", "timezone")
        faults += [Fault(f"schedule.{key}", "required") for key in needed if key not in given]
    start, end = read_schedule.start_time, read_schedule.end_time
    if end is not None:
        if from_datetime(end) <= now:
            faults.append(Fault("schedule.end_time", f"is not in the future: it is {to_iso(now)} now"))
        if start is not None and end <= start:
            faults.append(Fault("schedule.end_time", "is not after start_time"))
    return read_schedule, faults


def _not_yet(given: dict[str, Any], names: Iterable[str], prefix: str) -> list[Fault]:
    """Refuse what a later version will do, rather than take it and not do it."""
    present = [name for name in names if given.pop(name, None) is not None]
    msg = "is not supported by this version of dialerd; leave it out"
    return [Fault(prefix + name, msg) for name in present]


def _trunk_faults(draft: CampaignFields, trunks: Sequence[Trunk]) -> list[Fault]:
    faults = []
    usable = list(trunks)
    known = ", ".join(trunk.name for trunk in trunks)
    if draft.trunks is not None:
        usable = [trunk for trunk in trunks if trunk.name in draft.trunks]
        names = {str(trunk.name) for trunk in trunks}
        for index, name in enumerate(draft.trunks):
            if name not in names:
                faults.append(
                    Fault(f"trunks.{index}", f"there is no trunk {name[:60]!r}; there are: {known}")
                )
            elif name in draft.trunks[:index]:
                faults.append(Fault(f"trunks.{index}", f"{name!r} is named twice"))
    if draft.caller_id is not None and usable:
        allowed = [str(number) for trunk in usable for number in trunk.caller_ids]
        if draft.caller_id not in allowed:
            faults.append(
                Fault("caller_id", f"is not a caller id of the trunks; there are: {', '.join(allowed)}")
            )
    return faults


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], given: Mapping[str, Any], prefix: str) -> tuple[M, list[Fault]]:
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
        msg = _PLAIN.get(item["type"]) or item["msg"].removeprefix("Value error, ")
        found.append(Fault(loc, msg.replace("Input should", "must").replace("input", "value")))
    return found
