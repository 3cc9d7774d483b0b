"""Promises about windows, each against an oracle that reads the zone's clock minute by minute."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.core.clock import MINUTE, SECOND, Instant, Millis
from dialerd.core.wallclock import DAY, WEEK, stretches
from dialerd.core.windows import Calendar, Slot, Window, opening

FIRST, LAST = 946_684_800, 2_240_611_200
"""The years 2000 to 2040, in seconds."""

LOOK = 3 * 86_400
"""Zones change at most once within this many seconds, as a test below makes sure."""

ZONES = sorted(available_timezones())
DAY_MINUTES = 1_440
HOUR = 60 * MINUTE


# --- the oracle ----------------------------------------------------------------------------------


def offset(zone: ZoneInfo, second: int) -> timedelta | None:
    return datetime.fromtimestamp(second, zone).utcoffset()


@lru_cache(maxsize=1_024)
def transitions(name: str) -> tuple[int, ...]:
    """The seconds at which the zone's offset changes, found by looking every few days."""
    zone = ZoneInfo(name)
    found = []
    looks = range(FIRST, LAST, LOOK)
    offsets = [offset(zone, second) for second in looks]
    for second, old, new in zip(looks, offsets, offsets[1:], strict=False):
        if old != new:
            inside = range(second, second + LOOK + 1)
            found.append(inside[bisect_right(inside, False, key=lambda at, old=old: offset(zone, at) != old)])
    return tuple(found)


def shown_open(calendar: Calendar, instant: int) -> bool:
    """Whether what the zone's clock shows lies in a slot whose day is not closed."""
    local = datetime.fromtimestamp(instant // SECOND, ZoneInfo(calendar.zone))
    today = local.date()
    yesterday = today - timedelta(days=1)
    minute = local.hour * 60 + local.minute
    if not calendar.slots:
        return today not in calendar.closed
    for slot in calendar.slots:
        tonight = today.weekday() in slot.days and today not in calendar.closed
        overnight = yesterday.weekday() in slot.days and yesterday not in calendar.closed
        if slot.start < slot.end:
            if tonight and slot.start <= minute < slot.end:
                return True
        elif (tonight and minute >= slot.start) or (overnight and minute < slot.end):
            return True
    return False


def permitted(window: Window, instant: int, ring: int) -> bool:
    """Whether a call may ring from `instant` on. Clocks change their reading, and offsets, at whole minutes."""
    if window.start is not None and instant < window.start:
        return False
    if window.end is not None and instant + ring > window.end:
        return False
    minutes = range(instant - instant % MINUTE + MINUTE, instant + ring, MINUTE)
    return all(shown_open(calendar, at) for _, calendar in window.calendars for at in (instant, *minutes))


# --- windows around transitions ------------------------------------------------------------------

minutes_of_day = st.integers(0, DAY_MINUTES - 1)
rings = st.sampled_from([1, 1_000, 30_000, 60_000, 90_001, 600_000]).map(Millis)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and an instant near one of its transitions if it has any, or near a seam of the computation."""
    zone = draw(st.sampled_from(ZONES))
    changes = transitions(zone)
    instant = SECOND * (draw(st.sampled_from(changes)) if changes else draw(st.integers(FIRST, LAST)))
    if draw(st.booleans()):
        return zone, instant - instant % WEEK + draw(st.integers(-2, 2)) * 6 * HOUR
    return zone, instant + draw(st.integers(-2 * DAY, 2 * DAY))


@st.composite
def calendars(draw: st.DrawFn, zone: str, near: int) -> Calendar:
    """Hours and closed days, some of them on the edge that the clocks reach near an instant."""
    local = datetime.fromtimestamp(near // SECOND, ZoneInfo(zone))
    edge = local.hour * 60 + local.minute
    minute = st.one_of(minutes_of_day, st.integers(-90, 90).map(lambda off: (edge + off) % DAY_MINUTES))
    slot = st.builds(
        Slot, st.frozensets(st.integers(0, 6), min_size=1), minute, st.one_of(minute, st.just(DAY_MINUTES))
    )
    closed = st.integers(-2, 3).map(lambda off: local.date() + timedelta(days=off))
    return Calendar(zone, tuple(draw(st.lists(slot, max_size=3))), draw(st.frozensets(closed, max_size=2)))


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, Instant]:
    """A window of one or two rules, with or without bounds, and an instant near a transition of its first zone."""
    zone, now = draw(moments())
    rules = [("campaign-hours", draw(calendars(zone, now)))]
    if draw(st.booleans()):
        rules.append(("legal-hours", draw(calendars(draw(st.sampled_from(ZONES)), now))))
    bound = st.one_of(st.none(), st.integers(now - DAY, now + 3 * DAY).map(Instant))
    return Window(draw(bound), draw(bound), tuple(rules)), Instant(now)


@given(windows(), rings)
def test_no_dial_outside_any_window(case: tuple[Window, Instant], ring: Millis) -> None:
    window, now = case
    assert opening(window, now, ring).open is permitted(window, now, ring)


@given(windows(), rings)
def test_a_ring_fits_before_the_close(case: tuple[Window, Instant], ring: Millis) -> None:
    window, now = case
    start = opening(window, now, ring).next_open
    if start is None:
        return
    assert permitted(window, start, ring)
    last = opening(Window(window.start, window.end, window.calendars), start, ring).last_start
    if last is not None and last - start < 2 * DAY:
        assert all(permitted(window, at, ring) for at in (*range(start, last, 10 * MINUTE), last))
        assert not permitted(window, last + 1, ring)


@given(windows(), rings)
def test_next_open_is_exact(case: tuple[Window, Instant], ring: Millis) -> None:
    window, now = case
    found = opening(window, now, ring).next_open
    until = now + 2 * DAY if found is None else min(found, now + 2 * DAY)
    edges = [] if window.start is None else [int(window.start)]
    candidates = sorted({int(now), *edges, *range(now - now % MINUTE + MINUTE, until, MINUTE)})
    earlier = [at for at in candidates if now <= at < until and permitted(window, at, ring)]
    assert earlier == []
    assert found is None or (found >= now and permitted(window, found, ring))


@given(windows(), st.data(), rings)
def test_adding_a_rule_never_widens_a_window(
    case: tuple[Window, Instant], data: st.DataObject, ring: Millis
) -> None:
    window, now = case
    extra = data.draw(calendars(data.draw(st.sampled_from(ZONES)), now))
    narrower = Window(window.start, window.end, (*window.calendars, ("extra", extra)))
    before, after = opening(window, now, ring), opening(narrower, now, ring)
    assert before.open or not after.open
    if after.next_open is not None:
        assert before.next_open is not None
        assert before.next_open <= after.next_open


_MONDAYS_AND_PAST = Window(
    None,
    Instant(1237896000001),
    (("campaign-hours", Calendar("Asia/Ust-Nera", (Slot(frozenset({0}), 0, 1440),))),),
)


@given(windows(), st.lists(st.integers(-3 * DAY, 3 * DAY), min_size=1, max_size=8), rings)
@example((_MONDAYS_AND_PAST, Instant(1237982400000)), [-DAY, 0], Millis(1))
def test_an_answer_does_not_depend_on_what_was_asked_before(
    case: tuple[Window, Instant], offsets: list[int], ring: Millis
) -> None:
    window, now = case
    for shift in offsets:
        then = Instant(now + shift)
        fresh = Window(window.start, window.end, window.calendars)
        assert opening(window, then, ring) == opening(fresh, then, ring)


@given(windows(), rings)
def test_a_closed_window_names_a_rule_that_closes_it(case: tuple[Window, Instant], ring: Millis) -> None:
    window, now = case
    found = opening(window, now, ring)
    if found.open:
        assert (found.rule, found.next_open) == (None, now)
    elif found.rule == "window":
        assert not permitted(Window(window.start, window.end), now, ring)
    else:
        alone = tuple(rule for rule in window.calendars if rule[0] == found.rule)
        assert not permitted(Window(None, None, alone), now, ring)


# --- every transition of every zone --------------------------------------------------------------


def histories() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every zone with its transitions, zones that share one history once."""
    seen: set[tuple[object, ...]] = set()
    for zone in ZONES:
        changes = transitions(zone)
        clock = ZoneInfo(zone)
        history = tuple((change, offset(clock, change), offset(clock, change - 1)) for change in changes)
        if history and history not in seen:
            seen.add(history)
            yield zone, changes


def test_no_dial_outside_the_hours_at_any_transition_of_any_zone() -> None:
    """Slots whose edges the clock jumps over, lands on and shows twice, asked at each quarter of an hour."""
    ring = Millis(60_000)
    asked = 0
    for zone, changes in histories():
        clock = ZoneInfo(zone)
        for change in changes:
            before = datetime.fromtimestamp(change - 60, clock)
            after = datetime.fromtimestamp(change, clock)
            slots = tuple(
                Slot(frozenset(range(7)), start, (start + 40) % DAY_MINUTES)
                for start in (before.hour * 60 + before.minute - 19, after.hour * 60 + after.minute - 20)
                if start >= 0
            )
            calendar = Calendar(zone, slots or (Slot(frozenset(range(7)), 0, 20),))
            window = Window(None, None, (("hours", calendar),))
            for minute in (-61, -60, -21, -20, -19, -2, -1, 0, 1, 19, 20, 59, 60, 79):
                now = Instant((change + minute * 60) * SECOND)
                assert opening(window, now, ring).open is permitted(window, now, ring), (zone, now)
                asked += 1
    assert asked > 50_000


def test_no_zone_changes_twice_within_six_days() -> None:
    """What `dialerd.core.wallclock` relies on to see every change, read from the database's own files."""
    for zone in ZONES:
        changes = stored_transitions(zone)
        assert all(later - earlier > 6 * 86_400 for earlier, later in pairwise(changes)), zone


def stored_transitions(zone: str) -> tuple[int, ...]:
    """The instants that a zone's file lists, those of our time (RFC 8536: the second, 64-bit block)."""
    data = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()

    def counts(start: int) -> tuple[int, ...]:
        return struct.unpack(">6l", data[start + 20 : start + 44])

    isut, isstd, leap, times, types, chars = counts(0)
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    times = counts(second)[3]
    return tuple(
        at for at in struct.unpack(f">{times}q", data[second + 44 : second + 44 + 8 * times]) if at > 0
    )


def test_weeks_are_cut_where_the_offset_changes() -> None:
    for zone, changes in histories():
        clock = ZoneInfo(zone)
        for change in changes:
            week = stretches(zone, change * SECOND // WEEK)
            assert [part.start for part in week[1:]] == [part.end for part in week[:-1]]
            assert change * SECOND in {part.start for part in week}
            for part in week:
                shown = offset(clock, part.start // SECOND)
                assert shown == timedelta(milliseconds=part.offset) == offset(clock, part.end // SECOND - 1)


def test_the_date_line_skips_a_whole_day() -> None:
    """Samoa had no 30 December 2011: its hours, and its being closed, open and close nothing."""
    slot = Slot(frozenset({4}), 0, DAY_MINUTES)
    friday = Calendar("Pacific/Apia", (slot,), frozenset({date(2011, 12, 23)}))
    window = Window(None, None, (("hours", friday),))
    now = Instant(int(datetime(2011, 12, 24, tzinfo=ZoneInfo("Pacific/Apia")).timestamp()) * SECOND)
    expected = datetime(2012, 1, 6, tzinfo=ZoneInfo("Pacific/Apia"))
    assert opening(window, now, Millis(30_000)).next_open == int(expected.timestamp()) * SECOND
