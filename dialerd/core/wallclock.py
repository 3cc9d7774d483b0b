"""What the clocks of a time zone show: their offset from UTC and where it changes.

Everything about local time is arithmetic on these offsets, which are looked up in one direction only, from UTC to
local, so that repeated and skipped hours need no rule of their own. The zone database is read through `zoneinfo`;
which database that is, is decided at start (`dialerd.numbering`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from dialerd.core.clock import SECOND, Instant, Millis
from dialerd.core.errors import InvariantError

DAY = 86_400_000
WEEK = 7 * DAY

_PROBE = 6 * 3600
"""Seconds between two looks at an offset. No zone has ever changed twice within six days (a test compares the
database), so two looks that agree have nothing between them."""

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time from `start` until before `end` in which the zone's clocks are `offset` ahead of UTC."""

    start: Instant
    end: Instant
    offset: Millis


def is_zone(name: str) -> bool:
    """Whether the zone database knows `name`."""
    return _zone(name) is not None


def stretches(name: str, week: int) -> tuple[Stretch, ...]:
    """A week (counted from 1970-01-01T00:00Z) cut where the zone's offset changes. Raises `KeyError` for no zone."""
    if _zone(name) is None:
        raise KeyError(name)
    return _stretches(name, week)


def offsets(name: str, first: Instant, last: Instant) -> tuple[Stretch, ...]:
    """The stretches that the instants from `first` to `last` lie in. Raises `KeyError` for no zone."""
    found: list[Stretch] = []
    for week in range(first // WEEK, last // WEEK + 1):
        for stretch in stretches(name, week):
            if found and found[-1].offset == stretch.offset:
                stretch = Stretch(found.pop().start, stretch.end, stretch.offset)
            found.append(stretch)
    return tuple(stretch for stretch in found if stretch.end > first and stretch.start <= last)


def local_date(instant: Instant, name: str) -> date:
    """The date on the zone's calendars. Raises `KeyError` for no zone."""
    for stretch in stretches(name, instant // WEEK):
        if stretch.start <= instant < stretch.end:
            return date.fromordinal((instant + stretch.offset) // DAY + _EPOCH)
    raise InvariantError(f"the week of {instant} has a gap in {name}")


def _zone(name: str) -> ZoneInfo | None:
    try:
        return _load(name)
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=1_024)
def _load(name: str) -> ZoneInfo:
    """Failures are not kept: a database that could not be read for a moment is read again."""
    return ZoneInfo(name)


@lru_cache(maxsize=8_192)
def _stretches(name: str, week: int) -> tuple[Stretch, ...]:
    zone = _load(name)
    first, last = week * WEEK // SECOND, (week + 1) * WEEK // SECOND
    found: list[Stretch] = []
    since, offset = first, _offset(zone, first)
    for probe in range(first + _PROBE, last + _PROBE, _PROBE):
        then = _offset(zone, probe)
        if then != offset:
            change = _change(zone, probe - _PROBE, probe)
            if change >= last:
                break
            found.append(_stretch(since, change, offset))
            since, offset = change, then
    found.append(_stretch(since, last, offset))
    return tuple(found)


def _stretch(since: int, until: int, offset: int) -> Stretch:
    return Stretch(Instant(since * SECOND), Instant(until * SECOND), Millis(offset * SECOND))


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The second at which the offset becomes that of `after`."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, second: int) -> int:
    """Whole seconds ahead of UTC."""
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone.key} has no offset")
    return offset.days * 86_400 + offset.seconds
