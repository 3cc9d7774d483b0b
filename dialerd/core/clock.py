"""Instants and durations: the only shapes in which time enters the core.

Two clocks, because they fail differently. Wall time decides what the law and the user see (windows,
retry instants) and may step; monotonic time decides rates and deadlines and may not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType
from zoneinfo import ZoneInfo

from dialerd.core.record import record

Instant = NewType("Instant", int)
"""A UTC instant: whole milliseconds since 1970-01-01T00:00:00Z."""

Mono = NewType("Mono", int)
"""A reading of a monotonic clock: whole microseconds from an arbitrary origin."""

Millis = NewType("Millis", int)
"""A duration in whole milliseconds."""

SECOND = 1_000
MINUTE = 60_000
MICROS_PER_MILLI = 1_000
YEARS = range(1971, 2200)
"""Years that a time from outside may be in: every instant of them can be shown in every zone."""


@record
class Now:
    """Both clocks, read once at the start of a turn."""

    wall: Instant
    mono: Mono


def seconds(value: float) -> Millis:
    """`value` seconds as a duration."""
    return Millis(round(value * SECOND))


def minutes(value: float) -> Millis:
    """`value` minutes as a duration; fractions are kept to the millisecond."""
    return Millis(round(value * MINUTE))


def after(instant: Instant, duration: Millis) -> Instant:
    """The instant `duration` later."""
    return Instant(instant + duration)


def mono_after(start: Mono, duration: Millis) -> Mono:
    """The monotonic reading `duration` later."""
    return Mono(start + duration * MICROS_PER_MILLI)


def from_datetime(value: datetime) -> Instant:
    """An aware datetime as an instant. Raises `ValueError` for a naive one."""
    if value.tzinfo is None:
        raise ValueError("a date and time needs a UTC offset")
    return Instant(round(value.timestamp() * SECOND))


def parse_iso(text: str) -> datetime:
    """A time in ISO 8601 with its offset, as people write it. Raises `ValueError` saying what is wrong with it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not an ISO 8601 time, as in 2024-01-15T09:00:00+05:30") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write for instance {text}+05:30 or {text}Z")
    if moment.year not in YEARS:
        raise ValueError(f"the year must be between {YEARS[0]} and {YEARS[-1]}")
    return moment


def to_datetime(instant: Instant) -> datetime:
    """The instant as an aware UTC datetime."""
    return datetime.fromtimestamp(instant / SECOND, tz=UTC)


def to_iso(instant: Instant | None) -> str | None:
    """ISO 8601 in UTC with a `Z`, milliseconds kept only where there are any."""
    if instant is None:
        return None
    spec = "milliseconds" if instant % SECOND else "seconds"
    return to_datetime(instant).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


@lru_cache(maxsize=1_024)
def to_local_iso(instant: Instant, zone: str | None) -> str:
    """ISO 8601 on the clocks of `zone`, its name after it; in UTC where the zone is None or not known."""
    try:
        local = to_datetime(instant).astimezone(ZoneInfo(zone)) if zone is not None else None
    except (KeyError, ValueError, OSError):
        local = None
    if local is None:
        return to_iso(instant) or ""
    spec = "milliseconds" if instant % SECOND else "seconds"
    return f"{local.isoformat(timespec=spec)} {zone}"
