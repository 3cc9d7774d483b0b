"""What a callee has entered, as a value: whether it is complete, whether it is possible, and what it means.

Pure: which day it is, and where the callee's clock stands, are arguments.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from dialerd.agent.document import Scalar
from dialerd.agent.flow import Question
from dialerd.core.clock import Instant
from dialerd.core.values import date_in, text_of

_HORIZON = 2
"""Days to look for the next time of day on: one is skipped where clocks are set forward."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The callee's clock: the instant that the call was answered, and the zone."""

    answered: Instant
    zone: str = "UTC"

    def at(self, instant: Instant) -> datetime.datetime:
        """The local time."""
        return datetime.datetime.fromtimestamp(instant / 1_000, ZoneInfo(self.zone))


@dataclass(frozen=True, slots=True)
class Value:
    """An answer that was understood. `instant`: when a time of day will be next."""

    value: Scalar
    instant: Instant | None = None


def complete(question: Question, entry: str) -> bool:
    """Whether no further digit can follow."""
    return len(entry) >= question.longest


def understand(
    question: Question, entry: str, now: datetime.datetime, known: Mapping[str, Any] | None = None
) -> Value | None:
    """The value that `entry` (digits) means at the local time `now`; None: it means none that is possible.

    `known`: the values so far, for a question that refers to one.
    """
    if not question.shortest <= len(entry) <= question.longest:
        return None
    match question.kind:
        case "date":
            return _date(question, entry, now.date())
        case "time":
            return _time(question, entry, now, _day(question, known or {}))
        case "number" | "amount":
            number = int(entry)
            return Value(number) if _within(question, number) else None
    return Value(entry)


def _within(question: Question, number: float) -> bool:
    low_enough = question.high is None or number <= question.high
    return low_enough and (question.low is None or number >= question.low)


def _date(question: Question, entry: str, today: datetime.date) -> Value | None:
    years = [int(entry[4:])] if question.layout == "DDMMYYYY" else [today.year, today.year + 1]
    for year in years:
        try:
            day = datetime.date(year, int(entry[2:4]), int(entry[:2]))
        except ValueError:
            continue
        if question.layout == "DDMM" and day < today:
            continue
        if question.within_days is not None and not 0 <= (day - today).days <= question.within_days:
            continue
        return Value(day.isoformat())
    return None


def _day(question: Question, known: Mapping[str, Any]) -> datetime.date | None:
    value = known.get(question.on) if question.on is not None else None
    return date_in(text_of(value)) if value is not None else None


def _time(question: Question, entry: str, now: datetime.datetime, on: datetime.date | None) -> Value | None:
    hour, minute = int(entry[:-2]), int(entry[-2:])
    if hour > 23 or minute > 59 or not _within(question, hour * 60 + minute):
        return None
    days = [on] if on is not None else [now.date() + datetime.timedelta(each) for each in range(_HORIZON + 1)]
    for day in days:
        then = datetime.datetime.combine(day, datetime.time(hour, minute), now.tzinfo)
        instant = Instant(round(then.timestamp() * 1_000))
        real = datetime.datetime.fromtimestamp(instant / 1_000, now.tzinfo)
        if then.timestamp() > now.timestamp() and (real.hour, real.minute) == (hour, minute):
            return Value(f"{hour:02d}:{minute:02d}", instant)
    return None
