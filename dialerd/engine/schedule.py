"""The schedule of a campaign as a request gives it: read, merged with what was there, every fault found at once.

Weekly hours and holidays are read by `dialerd.core.schedule_text`. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from dialerd.core.clock import Instant, from_datetime, to_datetime, to_iso
from dialerd.core.errors import Fault
from dialerd.core.model import Campaign
from dialerd.core.schedule_text import parse_holidays, parse_hours
from dialerd.core.windows import Slot
from dialerd.engine.fields import Moment, Zone, read_model
from dialerd.engine.settings import HolidayDates

OPEN_END_YEARS = 3
"""Years of holidays that a schedule without an end is closed for."""
MOST_COUNTRIES = 5
MOST_HOLIDAY_YEARS = 10
"""Working out a country's holidays takes up to a few milliseconds a year, for which dialing waits."""

_HOURS: JsonDict = {
    "description": "weekly hours in the time zone; an end at or before the start is on the next day",
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "required": ["days", "from", "to"],
        "properties": {
            "days": {
                "type": "array",
                "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
            },
            "from": {"type": "string", "examples": ["09:00"]},
            "to": {"type": "string", "examples": ["18:00"]},
        },
    },
}
_HOLIDAYS: JsonDict = {
    "description": "days in the time zone on which nothing is dialed: dates, and country codes as IN or IN-MH",
    "type": ["array", "string", "null"],
    "items": {"type": "string", "examples": ["2026-01-26", "IN"]},
}


class ScheduleFields(BaseModel):
    """When the campaign may dial."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start_time: Moment | None = Field(None, description="ISO 8601 with offset")
    end_time: Moment | None = Field(None, description="ISO 8601 with offset; after the start, in the future")
    timezone: Zone | None = Field(None, description="IANA time zone")
    hours: Any = Field(None, json_schema_extra=_HOURS)
    holidays: Any = Field(None, json_schema_extra=_HOLIDAYS)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The fields of `Campaign` that say when it may dial, under their names there."""

    start_at: Instant | None = None
    end_at: Instant | None = None
    timezone: str | None = None
    hours: tuple[Slot, ...] = ()
    holidays: tuple[str, ...] = ()
    closed: frozenset[date] = frozenset()

    @classmethod
    def of(cls, campaign: Campaign) -> Schedule:
        """The schedule that a campaign has."""
        return cls(
            campaign.start_at,
            campaign.end_at,
            campaign.timezone,
            campaign.hours,
            campaign.holidays,
            campaign.closed,
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """For `Campaign`."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_schedule(
    given: object, before: Schedule, now: Instant, holiday_dates: HolidayDates
) -> tuple[Schedule, list[Fault]]:
    """`before` with what is given; a null takes a field back to none, and a null for all takes back all."""
    if given is None:
        return Schedule(), []
    if not isinstance(given, dict):
        return before, [Fault("schedule", "must be an object with start_time, end_time and timezone")]
    fields, faults = read_model(ScheduleFields, given, "schedule.")
    known = {name: getattr(fields, name) for name in given.keys() & fields.model_fields_set}
    schedule, wrong = _with_hours(_with_bounds(before, known), given)
    faults += wrong
    faults += _bound_faults(schedule, given, faults, now)
    schedule, wrong = _with_holidays(schedule, given, now, holiday_dates)
    return schedule, faults + wrong


def _with_hours(schedule: Schedule, given: Mapping[str, Any]) -> tuple[Schedule, list[Fault]]:
    """An empty list is what a schedule without weekly hours shows: every hour."""
    if "hours" not in given:
        return schedule, []
    if given["hours"] in (None, []):
        return replace(schedule, hours=()), []
    hours, faults = parse_hours(given["hours"], "schedule.hours")
    return replace(schedule, hours=hours), faults


def _with_bounds(before: Schedule, known: Mapping[str, Any]) -> Schedule:
    bounds = {"start_time": "start_at", "end_time": "end_at"}
    changes: dict[str, Any] = {
        bounds[name]: None if moment is None else from_datetime(moment)
        for name, moment in known.items()
        if name in bounds
    }
    if "timezone" in known:
        changes["timezone"] = known["timezone"]
    return replace(before, **changes)


def _bound_faults(
    schedule: Schedule, given: Mapping[str, Any], known: list[Fault], now: Instant
) -> list[Fault]:
    """What the bounds lack or contradict, where no fault of a bound is known already."""
    wrong = {fault.loc for fault in known}
    values = {
        "start_time": schedule.start_at,
        "end_time": schedule.end_at,
        "timezone": schedule.timezone,
    }
    given_bound = any(given.get(key) is not None for key in ("start_time", "end_time"))
    needed: set[str] = set()
    if schedule.start_at is not None or schedule.end_at is not None or given_bound:
        needed |= values.keys()
    if schedule.hours or given.get("hours") or given.get("holidays", schedule.holidays):
        needed.add("timezone")
    faults = [
        Fault(f"schedule.{key}", "required")
        for key, value in values.items()
        if key in needed and value is None and f"schedule.{key}" not in wrong
    ]
    start, end = schedule.start_at, schedule.end_at
    if end is None or not given.keys() & {"start_time", "end_time"}:
        return faults
    if "end_time" in given and end <= now:
        faults.append(Fault("schedule.end_time", f"is not in the future: it is {to_iso(now)} now"))
    if start is not None and end <= start:
        faults.append(Fault("schedule.end_time", "is not after start_time"))
    return faults


def _with_holidays(
    schedule: Schedule, given: Mapping[str, Any], now: Instant, holiday_dates: HolidayDates
) -> tuple[Schedule, list[Fault]]:
    """The days that its holidays come to, from the first to the last day on which it may dial."""
    holidays: object = given["holidays"] if "holidays" in given else list(schedule.holidays)
    if holidays is None:
        return replace(schedule, holidays=(), closed=frozenset()), []
    first, last = _span(schedule, now)
    asked: set[str] = set()

    def days_of(code: str) -> frozenset[date]:
        asked.add(code)
        if len(asked) > MOST_COUNTRIES:
            raise ValueError(f"{code}: more than {MOST_COUNTRIES} countries; give dates")
        if last.year - first.year > MOST_HOLIDAY_YEARS:
            raise ValueError(
                f"{code}: the holidays of a country are known for {MOST_HOLIDAY_YEARS} years; give an earlier "
                "end_time, or dates"
            )
        return holiday_dates(code, range(first.year, last.year + 1))

    found, faults = parse_holidays(holidays, "schedule.holidays", days_of)
    closed = frozenset(day for day in found.closed if first <= day <= last)
    return replace(schedule, holidays=found.given, closed=closed), faults


def _span(schedule: Schedule, now: Instant) -> tuple[date, date]:
    """From the day before, since a clock may be set back."""
    zone = ZoneInfo(schedule.timezone or "UTC")

    def day(instant: Instant) -> date:
        return to_datetime(instant).astimezone(zone).date()

    first = day(now if schedule.start_at is None else max(now, schedule.start_at)) - timedelta(days=1)
    if schedule.end_at is not None:
        return first, max(first, day(schedule.end_at))
    return first, date(first.year + OPEN_END_YEARS, 12, 31)
