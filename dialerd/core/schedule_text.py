"""Weekly hours and closed days as people write them, in requests and in settings, with every fault at once.

Hours are `[{"days": ["mon", "tue"], "from": "09:00", "to": "18:00"}]`; holidays are dates and country codes. Which
days a country code stands for is asked of the function that is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from dialerd.core.errors import Fault
from dialerd.core.windows import Slot

HolidaysOf = Callable[[str], frozenset[date]]
"""The public holidays of a country code (`IN`, `IN-MH`). Raises `ValueError` telling which codes there are."""

MAX_SLOTS = 100
MAX_HOLIDAYS = 1_000

_DAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CODE = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?", re.ASCII)
_KEYS = ("days", "from", "to")


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days on which nothing is dialed."""

    given: tuple[str, ...] = ()
    """Dates and country codes as they were written."""
    closed: frozenset[date] = frozenset()
    """What they come to."""


def parse_hours(value: object, loc: str) -> tuple[tuple[Slot, ...], list[Fault]]:
    """Weekly hours; an end at or before the start is on the next day, `24:00` ends with the day."""
    if not isinstance(value, list) or not value:
        example = '[{"days": ["mon", "tue"], "from": "09:00", "to": "18:00"}]'
        return (), [Fault(loc, f"must be a list with at least one entry, as in {example}")]
    if len(value) > MAX_SLOTS:
        return (), [Fault(loc, f"has {len(value)} entries, at most {MAX_SLOTS} are allowed")]
    slots: list[Slot] = []
    faults: list[Fault] = []
    for index, entry in enumerate(value):
        slot, wrong = _slot(entry, f"{loc}.{index}")
        faults += wrong
        if slot is not None:
            slots.append(slot)
    return tuple(slots), faults


def parse_holidays(value: object, loc: str, holidays_of: HolidaysOf) -> tuple[Holidays, list[Fault]]:
    """A country code, or a list of dates (`2026-01-26`) and country codes."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        return Holidays(), [Fault(loc, 'must be a list of dates, or a country code as in "IN" or "GB-SCT"')]
    if len(entries) > MAX_HOLIDAYS:
        return Holidays(), [Fault(loc, f"has {len(entries)} entries, at most {MAX_HOLIDAYS} are allowed")]
    given: list[str] = []
    closed: set[date] = set()
    faults: list[Fault] = []
    for index, entry in enumerate(entries):
        where = loc if isinstance(value, str) else f"{loc}.{index}"
        try:
            closed |= _days(entry, holidays_of)
            given.append(str(entry))
        except ValueError as error:
            faults.append(Fault(where, str(error)))
    return Holidays(tuple(given), frozenset(closed)), faults


def _slot(entry: object, loc: str) -> tuple[Slot | None, list[Fault]]:
    if not isinstance(entry, Mapping):
        return None, [Fault(loc, "must be an object with days, from and to")]
    faults = [Fault(f"{loc}.{key}", "unknown field") for key in entry if key not in _KEYS]
    faults += [Fault(f"{loc}.{key}", "required") for key in _KEYS if key not in entry]
    days, wrong = _weekdays(entry["days"], f"{loc}.days") if "days" in entry else (frozenset[int](), [])
    faults += wrong
    times: list[int | None] = []
    for key in ("from", "to"):
        minute = _minute(entry.get(key), last=key == "to")
        if minute is None and key in entry:
            most = "24:00" if key == "to" else "23:59"
            faults.append(Fault(f"{loc}.{key}", f'must be a time from "00:00" to "{most}", as in "09:00"'))
        times.append(minute)
    start, end = times
    if start is not None and start == end:
        msg = 'is the same as from; the whole day is from "00:00" to "24:00"'
        faults.append(Fault(f"{loc}.to", msg))
    if faults or start is None or end is None:
        return None, faults
    return Slot(days, start, end), []


def _weekdays(value: object, loc: str) -> tuple[frozenset[int], list[Fault]]:
    if not isinstance(value, list) or not value:
        return frozenset(), [Fault(loc, 'must be a list of days, as in ["mon", "tue"]')]
    unknown = [day for day in value if not isinstance(day, str) or day not in _DAYS]
    if unknown:
        told = ", ".join(repr(day)[:20] for day in unknown[:7])
        return frozenset(), [Fault(loc, f"{told}: days are {', '.join(_DAYS)}")]
    return frozenset(_DAYS[day] for day in value), []


def _minute(value: object, *, last: bool) -> int | None:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value) or (value == "24:00" and not last):
        return None
    return int(value[:2]) * 60 + int(value[3:])


def _days(entry: object, holidays_of: HolidaysOf) -> frozenset[date]:
    if isinstance(entry, date) and not isinstance(entry, datetime):
        return frozenset((entry,))
    if isinstance(entry, str) and _DATE.fullmatch(entry):
        try:
            return frozenset((date.fromisoformat(entry),))
        except ValueError:
            raise ValueError(f"there is no {entry}") from None
    if isinstance(entry, str) and _CODE.fullmatch(entry):
        return holidays_of(entry)
    raise ValueError(f'{str(entry)[:40]!r} is neither a date as in "2026-01-26" nor a country as in "IN"')
