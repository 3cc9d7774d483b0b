"""When a call may be placed: absolute bounds and weekly calendars, with room for the phone to ring.

A window never widens: it opens where everything in it is open, and a zone that is unknown is closed. Calendars are
read off the wall clock: an instant is open if what the zone's clock shows then lies in a slot. So both passes of a
repeated hour count, and an hour that is skipped opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from dialerd.core.clock import MINUTE, Instant, Millis
from dialerd.core.errors import InvariantError
from dialerd.core.wallclock import DAY, WEEK, Stretch, is_zone, local_date, stretches

HORIZON = 400 * DAY
"""How far ahead an opening is looked for."""

WINDOW = "window"
"""The rule of the absolute bounds."""

_DATE_STEP = 15 * MINUTE
"""No zone's date changes but at a multiple of this, counted in UTC."""

_DAY_MINUTES = 24 * 60
_EPOCH_WEEKDAY = 3
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Slot:
    """Minutes of the local day, from `start` until before `end`, on the days it starts on (0: Monday).

    An end at or before the start is on the next day. Raises `ValueError` for minutes or days that do not exist.
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < _DAY_MINUTES or not 0 <= self.end <= _DAY_MINUTES:
            raise ValueError(f"a slot from minute {self.start} to {self.end} is not within a day")
        if not self.days <= frozenset(range(7)):
            raise ValueError(f"days are 0 (Monday) to 6, not {sorted(self.days)}")

    @property
    def minutes(self) -> int:
        """How long it is on the clock's face."""
        return self.end - self.start + (_DAY_MINUTES if self.end <= self.start else 0)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weekly hours on the clocks of one zone."""

    zone: str
    slots: tuple[Slot, ...] = ()
    """Empty: every hour."""
    closed: frozenset[date] = frozenset()
    """Days on which no slot starts."""

    @property
    def bounds(self) -> bool:
        """Whether it closes anything."""
        return bool(self.slots or self.closed)


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a call may be placed now; if not, when it may next."""

    open: bool
    next_open: Instant | None
    """The earliest permitted start from now on; None: never, or not within `HORIZON`."""
    last_start: Instant | None
    """While open: the last permitted start of this opening; None: no end within `HORIZON`."""
    rule: str | None = None
    """What closes it now."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What has to be open for a call to be placed. Keep the object: it remembers what it was last asked."""

    start: Instant | None
    end: Instant | None
    calendars: tuple[tuple[str, Calendar], ...] = ()
    """Each with the name of its rule."""
    _known: dict[Millis, _Known] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, and the instants for which it is the answer."""

    since: Instant
    until: Instant
    opening: Opening


def opening(window: Window, now: Instant, ring: Millis) -> Opening:
    """The window at `now`: a call placed at an instant rings through the `ring` that follows, all of it open."""
    known = window._known.get(ring)
    if known is None or not known.since <= now <= known.until:
        known = window._known[ring] = _evaluate(window, now, Millis(max(ring, 1)))
    found = known.opening
    if not found.open or found.next_open == now:
        return found
    return Opening(True, now, found.last_start)


def last_opening(window: Window, now: Instant, ring: Millis) -> Instant | None:
    """The last instant from `now` on at which a call may be placed; None: there is none, or no last one.

    Looked for within `HORIZON` before the window's end.
    """
    if window.end is None:
        return None
    calendars = [calendar for _, calendar in window.calendars]
    if not all(is_zone(calendar.zone) for calendar in calendars):
        return None
    since = now if window.start is None else max(now, window.start)
    since = max(since, Instant(window.end - HORIZON))
    last = None
    for start, end in _runs(calendars, since, window.end):
        latest = min(end, window.end) - max(ring, 1)
        if latest >= max(start, since):
            last = Instant(latest)
    return last


@dataclass(frozen=True, slots=True)
class CommonHours:
    """What several calendars have in common."""

    weekly: Millis
    """Permitted starts in the week that follows, together."""
    next_open: Instant | None
    """None: there is no common hour."""


def common_hours(calendars: Sequence[Calendar], now: Instant, ring: Millis) -> CommonHours:
    """When all calendars are open together, from `now` on. An unknown zone is never open."""
    if not all(is_zone(calendar.zone) for calendar in calendars):
        return CommonHours(Millis(0), None)
    ring = Millis(max(ring, 1))
    first = _first(calendars, now, ring)
    if first is None:
        return CommonHours(Millis(0), None)
    until = now + WEEK
    runs = _runs(calendars, now, Instant(until))
    weekly = sum(max(0, min(end - ring, until) - max(start, now)) for start, end in runs)
    return CommonHours(Millis(weekly), first[0])


def _evaluate(window: Window, now: Instant, ring: Millis) -> _Known:
    for rule, calendar in window.calendars:
        if not is_zone(calendar.zone):
            detail = f"the time zone {calendar.zone!r} is not in the zone database: correct it"
            return _Known(now, now, Opening(False, None, None, rule, detail))
    last = None if window.end is None else Instant(window.end - ring)
    since = now if window.start is None else max(now, window.start)
    if last is not None and since > last:
        detail = "too close to the end of the window, or past it"
        return _Known(now, Instant(now + WEEK), Opening(False, None, None, WINDOW, detail))
    first = _first([calendar for _, calendar in window.calendars], since, ring)
    if first is not None and last is not None and first[0] > last:
        first = None
    if first is not None and first[0] == now:
        return _opened(now, _earlier(first[1], last))
    return _closed(window, now, ring, None if first is None else first[0])


def _opened(now: Instant, last: Instant | None) -> _Known:
    return _Known(now, Instant(now + WEEK) if last is None else last, Opening(True, now, last))


def _closed(window: Window, now: Instant, ring: Millis, next_open: Instant | None) -> _Known:
    """Who closes it at `now`: the first rule that does, which holds until it would open or one before it closes."""
    if window.start is not None and now < window.start:
        closed = Opening(False, next_open, None, WINDOW, "the window has not begun")
        return _Known(now, Instant(window.start - 1), closed)
    until = Instant(now + (WEEK if next_open is not None else DAY))
    if window.end is not None:
        until = min(until, Instant(window.end - ring))
    for rule, calendar in window.calendars:
        first = _first([calendar], now, ring)
        if first is not None and first[0] == now:
            until = until if first[1] is None else min(until, first[1])
            continue
        until = until if first is None else min(until, Instant(first[0] - 1))
        detail = f"outside the hours in {calendar.zone}, or too close to their end"
        if calendar.closed:
            until = min(until, Instant(now - now % _DATE_STEP + _DATE_STEP - 1))
            today = local_date(now, calendar.zone)
            if today in calendar.closed:
                detail = f"{today} is a closed day in {calendar.zone}"
        return _Known(now, until, Opening(False, next_open, None, rule, detail))
    raise InvariantError("a window is closed although each of its rules is open")


def _earlier(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


# --- open runs: half-open pairs of instants ---------------------------------------------------------

_Run = tuple[int, int]


def _first(
    calendars: Sequence[Calendar], now: Instant, ring: Millis
) -> tuple[Instant, Instant | None] | None:
    """The earliest start from `now` on, and the last one of the same run (None: no end within the horizon)."""
    until = now + HORIZON
    for start, end in _runs(calendars, now, Instant(until)):
        begin = max(start, now)
        if begin > until:
            break
        if begin + ring <= end:
            return Instant(begin), None if end > until else Instant(end - ring)
    return None


def _runs(calendars: Sequence[Calendar], since: Instant, until: Instant) -> Iterator[_Run]:
    """The runs in which all calendars are open, from the one that covers or follows `since` to one past `until`."""
    bounding = [calendar for calendar in calendars if calendar.bounds]
    if not bounding:
        yield since, until + WEEK
        return
    start = end = since // WEEK * WEEK
    for week in range(since // WEEK, until // WEEK + 2):
        for begin, close in _common_week(bounding, week):
            if begin > end:
                if end > max(start, since):
                    yield start, end
                start = begin
            end = close
    if end > max(start, since):
        yield start, end


def _common_week(calendars: list[Calendar], week: int) -> Sequence[_Run]:
    """Runs of one week. Moves the calendar that left nothing open to the front: it will do so again next week."""
    common: Sequence[_Run] = _week(calendars[0], week)
    for index in range(1, len(calendars)):
        if not common:
            calendars.insert(0, calendars.pop(index - 1))
            break
        common = _intersection(common, _week(calendars[index], week))
    return common


def _intersection(some: Sequence[_Run], others: Sequence[_Run]) -> list[_Run]:
    found: list[_Run] = []
    mine = theirs = 0
    while mine < len(some) and theirs < len(others):
        start = max(some[mine][0], others[theirs][0])
        end = min(some[mine][1], others[theirs][1])
        if start < end:
            found.append((start, end))
        if some[mine][1] < others[theirs][1]:
            mine += 1
        else:
            theirs += 1
    return found


@lru_cache(maxsize=8_192)
def _week(calendar: Calendar, week: int) -> tuple[_Run, ...]:
    """One calendar's runs within a week, in order and apart from each other."""
    pieces = sorted(
        piece for stretch in stretches(calendar.zone, week) for piece in _pieces(calendar, stretch)
    )
    runs: list[_Run] = []
    for start, end in pieces:
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, end))
    return tuple(runs)


def _pieces(calendar: Calendar, stretch: Stretch) -> Iterator[_Run]:
    """The slots that a stretch of constant offset shows, slots of the day before included."""
    slots = calendar.slots or (_EVERY_HOUR,)
    first = (stretch.start + stretch.offset) // DAY - 1
    last = (stretch.end + stretch.offset - 1) // DAY
    for day in range(first, last + 1):
        if calendar.closed and date.fromordinal(day + _EPOCH_ORDINAL) in calendar.closed:
            continue
        weekday = (day + _EPOCH_WEEKDAY) % 7
        for slot in slots:
            if weekday not in slot.days:
                continue
            opens = day * DAY + slot.start * MINUTE - stretch.offset
            start, end = max(opens, stretch.start), min(opens + slot.minutes * MINUTE, stretch.end)
            if start < end:
                yield start, end


_EVERY_HOUR = Slot(frozenset(range(7)), 0, _DAY_MINUTES)
