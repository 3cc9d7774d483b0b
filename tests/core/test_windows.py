"""Windows by example: slots, midnight, closed days, rings, and the clocks of odd zones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from dialerd.core.clock import Instant, Millis, from_datetime, to_datetime
from dialerd.core.wallclock import is_zone
from dialerd.core.windows import HORIZON, Calendar, Opening, Slot, Window, common_hours, opening

RING = Millis(30_000)
HOUR = 3_600_000
EVERY_DAY = frozenset(range(7))
WEEKDAYS = frozenset(range(5))
OFFICE = Slot(WEEKDAYS, 9 * 60, 18 * 60)


def at(text: str, zone: str = "UTC", fold: int = 0) -> Instant:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def window(zone: str, *slots: Slot, closed: tuple[str, ...] = ()) -> Window:
    days = frozenset(date.fromisoformat(day) for day in closed)
    return Window(None, None, (("campaign-hours", Calendar(zone, slots, days)),))


def ask(what: Window, now: Instant, ring: Millis = RING) -> Opening:
    return opening(what, now, ring)


def opens(what: Window, now: Instant, zone: str) -> str | None:
    """When it next opens, on the zone's clocks."""
    found = ask(what, now).next_open
    return None if found is None else to_datetime(found).astimezone(ZoneInfo(zone)).isoformat()


def test_hours_are_those_of_the_zone() -> None:
    hours = window("Asia/Kolkata", OFFICE)
    assert not ask(hours, at("2026-11-30T03:29:59.999")).open
    assert ask(hours, at("2026-11-30T03:30")).open


def test_a_call_is_placed_only_if_its_ring_fits_before_the_hours_end() -> None:
    hours = window("Asia/Kolkata", OFFICE)
    last = at("2026-11-30T17:59:30", "Asia/Kolkata")
    assert ask(hours, at("2026-11-30T12:00", "Asia/Kolkata")).last_start == last
    assert ask(hours, last).open
    late = ask(hours, Instant(last + 1))
    assert (late.open, late.rule, late.last_start) == (False, "campaign-hours", None)
    assert late.next_open == at("2026-12-01T09:00", "Asia/Kolkata")
    assert "Asia/Kolkata" in late.detail


def test_the_next_opening_passes_over_days_without_hours() -> None:
    hours = window("Europe/London", OFFICE)
    assert (
        opens(hours, at("2026-11-27T18:00", "Europe/London"), "Europe/London") == "2026-11-30T09:00:00+00:00"
    )


def test_hours_past_midnight_belong_to_the_day_they_start_on() -> None:
    night = window("Asia/Kolkata", Slot(frozenset({4}), 22 * 60, 2 * 60))
    for moment, expected in (
        ("2026-11-27T21:59", False),
        ("2026-11-27T22:00", True),
        ("2026-11-28T01:59", True),
        ("2026-11-28T02:00", False),
        ("2026-11-27T01:00", False),
    ):
        assert ask(night, at(moment, "Asia/Kolkata")).open is expected, moment


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Pacific/Kiritimati", "Pacific/Niue"])
def test_long_hours_go_on_through_the_next_day_on_every_day(zone: str) -> None:
    """Every day of a week, because computing goes by weeks and a slot may lie across their seam."""
    for day in range(7):
        long = window(zone, Slot(frozenset({day}), 20 * 60, 19 * 60 + 30))
        start = at(f"2026-11-{23 + day}T20:00", zone)
        for hour in range(24):
            assert ask(long, Instant(start + hour * HOUR)).open, (day, hour)
        assert ask(long, start).last_start == start + 23 * HOUR + HOUR // 2 - RING


def test_hours_that_meet_at_midnight_are_one_opening() -> None:
    through = window("Asia/Kolkata", Slot(EVERY_DAY, 22 * 60, 24 * 60), Slot(EVERY_DAY, 0, 60))
    assert ask(through, at("2026-11-27T23:59:45", "Asia/Kolkata")).open
    assert ask(through, at("2026-11-27T23:00", "Asia/Kolkata")).last_start == at(
        "2026-11-28T00:59:30", "Asia/Kolkata"
    )


def test_a_closed_day_closes_the_hours_that_start_on_it_past_midnight_too() -> None:
    night = window("Asia/Kolkata", Slot(EVERY_DAY, 22 * 60, 2 * 60), closed=("2026-11-27",))
    assert ask(night, at("2026-11-27T01:00", "Asia/Kolkata")).open
    assert not ask(night, at("2026-11-27T23:00", "Asia/Kolkata")).open
    assert not ask(night, at("2026-11-28T01:00", "Asia/Kolkata")).open
    assert ask(night, at("2026-11-28T22:00", "Asia/Kolkata")).open


def test_without_hours_only_closed_days_close() -> None:
    always = window("Asia/Kolkata", closed=("2026-12-25",))
    eve = ask(always, at("2026-12-24T12:00", "Asia/Kolkata"))
    assert eve.open
    assert eve.last_start == at("2026-12-24T23:59:30", "Asia/Kolkata")
    day = ask(always, at("2026-12-25T00:00", "Asia/Kolkata"))
    assert (day.rule, day.next_open) == ("campaign-hours", at("2026-12-26T00:00", "Asia/Kolkata"))
    assert "2026-12-25 is a closed day" in day.detail


def test_the_words_for_a_closed_day_end_with_the_day() -> None:
    hours = window("Asia/Kolkata", OFFICE, closed=("2026-12-25",))
    assert "closed day" in ask(hours, at("2026-12-25T23:59", "Asia/Kolkata")).detail
    assert "closed day" not in ask(hours, at("2026-12-26T00:00", "Asia/Kolkata")).detail


def test_a_window_without_end_has_no_last_start() -> None:
    assert ask(window("Asia/Kolkata"), at("2026-11-30T12:00")).last_start is None
    assert ask(window("Asia/Kolkata", closed=("2030-01-01",)), at("2026-11-30T12:00")).last_start is None


def test_absolute_bounds_and_hours_hold_together() -> None:
    hours = Calendar("Asia/Kolkata", (OFFICE,))
    start, end = at("2026-11-30T18:00", "Asia/Kolkata"), at("2026-12-01T09:30", "Asia/Kolkata")
    bounded = Window(start, end, (("campaign-hours", hours),))
    before = ask(bounded, at("2026-11-30T17:00", "Asia/Kolkata"))
    assert (before.rule, before.next_open) == ("window", at("2026-12-01T09:00", "Asia/Kolkata"))
    assert ask(bounded, start).rule == "campaign-hours"
    assert ask(bounded, at("2026-12-01T09:00", "Asia/Kolkata")).last_start == end - RING
    after = ask(bounded, Instant(end - RING + 1))
    assert (after.rule, after.next_open) == ("window", None)


def test_hours_that_open_only_after_the_end_never_open() -> None:
    hours = Calendar("Asia/Kolkata", (OFFICE,))
    tonight = Window(None, at("2026-11-30T23:00", "Asia/Kolkata"), (("campaign-hours", hours),))
    found = ask(tonight, at("2026-11-30T20:00", "Asia/Kolkata"))
    assert (found.open, found.rule, found.next_open) == (False, "campaign-hours", None)


def test_the_rule_named_is_the_one_that_closes_it_now() -> None:
    both = Window(
        None,
        None,
        (
            ("campaign-hours", Calendar("Asia/Kolkata", (Slot(EVERY_DAY, 9 * 60, 18 * 60),))),
            ("legal-hours", Calendar("Europe/London", (Slot(EVERY_DAY, 8 * 60, 21 * 60),))),
        ),
    )
    early = ask(both, at("2026-11-30T08:00", "Asia/Kolkata"))
    later = ask(both, at("2026-11-30T09:00", "Asia/Kolkata"))
    assert (early.rule, later.rule) == ("campaign-hours", "legal-hours")
    assert early.next_open == later.next_open == at("2026-11-30T08:00", "Europe/London")


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "", "America", "../UTC", "/etc/localtime", "a\0b", "é", "x" * 300]
)
def test_an_unknown_zone_is_closed_and_named(zone: str) -> None:
    assert not is_zone(zone)
    start = at("2026-12-01T00:00")
    for bounded in (None, start):
        found = ask(Window(bounded, None, (("legal-hours", Calendar(zone)),)), at("2026-11-30T12:00"))
        assert (found.open, found.next_open, found.rule) == (False, None, "legal-hours")
        assert repr(zone) in found.detail


def test_rules_without_a_common_hour_never_open() -> None:
    morning = Calendar("Asia/Kolkata", (Slot(EVERY_DAY, 9 * 60, 12 * 60),))
    apart = Window(None, None, (("a", morning), ("b", Calendar("America/Chicago", morning.slots))))
    assert ask(apart, at("2026-11-30T12:00")).next_open is None


def test_an_opening_is_looked_for_400_days_ahead() -> None:
    closed = tuple(date.fromordinal(day).isoformat() for day in range(739_951, 739_951 + 402))
    now = at(f"{closed[0]}T00:00", "Asia/Kolkata")
    far = window("Asia/Kolkata", closed=closed)
    assert ask(far, now).next_open is None
    nearer = window("Asia/Kolkata", closed=closed[:400])
    assert ask(nearer, now).next_open == now + HORIZON


def test_a_ring_longer_than_every_slot_never_fits() -> None:
    short = window("Asia/Kolkata", Slot(EVERY_DAY, 600, 601))
    assert ask(short, at("2026-11-30T10:00", "Asia/Kolkata"), Millis(60_000)).next_open is not None
    assert ask(short, at("2026-11-30T10:00", "Asia/Kolkata"), Millis(60_001)).next_open is None


# --- clocks that jump ----------------------------------------------------------------------------


def test_a_skipped_hour_opens_nothing() -> None:
    hours = window("America/New_York", Slot(EVERY_DAY, 2 * 60, 3 * 60))
    found = opens(hours, at("2026-03-07T03:00", "America/New_York"), "America/New_York")
    assert found == "2026-03-09T02:00:00-04:00"


def test_hours_cut_by_a_skipped_hour_open_when_the_clock_shows_them() -> None:
    hours = window("America/New_York", Slot(EVERY_DAY, 2 * 60 + 30, 3 * 60 + 30))
    found = opens(hours, at("2026-03-08T00:00", "America/New_York"), "America/New_York")
    assert found == "2026-03-08T03:00:00-04:00"


def test_both_passes_of_a_repeated_hour_are_open() -> None:
    hours = window("America/New_York", Slot(EVERY_DAY, 60 + 15, 60 + 45))
    first, second = (at("2026-11-01T01:15", "America/New_York", fold) for fold in (0, 1))
    assert second - first == HOUR
    assert ask(hours, first).last_start == first + 30 * 60_000 - RING
    assert ask(hours, Instant(first + 30 * 60_000)).next_open == second
    whole = window("America/New_York", Slot(EVERY_DAY, 60, 2 * 60))
    start = at("2026-11-01T01:00", "America/New_York")
    assert ask(whole, start).last_start == start + 2 * HOUR - RING


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("Australia/Lord_Howe", "2026-10-04T01:00", "2026-10-04T02:30:00+11:00"),
        ("Pacific/Chatham", "2026-09-27T02:00", "2026-09-27T03:45:00+13:45"),
        ("Europe/Dublin", "2026-03-29T00:30", "2026-03-29T02:00:00+01:00"),
        ("Pacific/Apia", "2011-12-29T23:30", "2011-12-31T00:00:00+14:00"),
        ("Pacific/Kwajalein", "1993-08-20T23:30", "1993-08-22T00:00:00+12:00"),
        ("Africa/Cairo", "2014-05-15T23:59", "2014-05-16T01:00:00+03:00"),
    ],
)
def test_a_day_begins_where_the_clock_lands(zone: str, now: str, expected: str) -> None:
    """The skipped time is closed by slots of its own length: what opens next is what the clock shows after it."""
    before = datetime.fromisoformat(now)
    after = datetime.fromisoformat(expected).replace(tzinfo=None)
    minute = after.hour * 60 + after.minute
    hours = window(
        zone,
        Slot(EVERY_DAY, minute, minute + 15),
        closed=(before.date().isoformat(),) if after.date() != before.date() else (),
    )
    assert opens(hours, at(now, zone), zone) == expected


def test_morocco_leaves_and_enters_summer_time_around_ramadan() -> None:
    hours = window("Africa/Casablanca", Slot(EVERY_DAY, 9 * 60, 10 * 60))
    winter = ask(hours, at("2026-02-20T00:00")).next_open
    summer = ask(hours, at("2026-04-20T00:00")).next_open
    assert winter == at("2026-02-20T09:00")
    assert summer == at("2026-04-20T08:00")


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "start", "end"), [({7}, 0, 60), ({0}, -1, 60), ({0}, 1440, 60), ({0}, 0, 1441)]
)
def test_a_slot_lies_within_a_day(days: set[int], start: int, end: int) -> None:
    with pytest.raises(ValueError, match="day"):
        Slot(frozenset(days), start, end)


def test_common_hours_tell_how_much_and_when() -> None:
    day = (Slot(EVERY_DAY, 8 * 60, 21 * 60),)
    now = at("2026-11-30T00:00")
    coasts = [Calendar(zone, day) for zone in ("America/New_York", "America/Los_Angeles")]
    common = common_hours(coasts, now, RING)
    assert common.next_open == at("2026-11-30T00:00")
    assert common.weekly == 7 * (10 * HOUR - RING)
    in_summer_only = common_hours([*coasts, Calendar("Asia/Kolkata", day)], now, RING)
    assert in_summer_only.weekly == 0
    assert in_summer_only.next_open == at("2027-03-14T08:00", "America/Los_Angeles")
    assert common_hours([*coasts, Calendar("Mars/Base", day)], now, RING).next_open is None


def test_common_hours_of_no_calendar_are_all() -> None:
    now = from_datetime(datetime(2026, 11, 30, tzinfo=UTC))
    assert common_hours([], now, RING).next_open == now


def test_the_rule_that_is_named_is_the_first_that_closes_it_at_that_instant() -> None:
    mondays = Calendar("UTC", (Slot(frozenset({0}), 9 * 60, 18 * 60),))
    holiday = Calendar("UTC", (), frozenset({date(2026, 12, 2)}))
    both = Window(None, None, (("campaign-hours", holiday), ("legal-hours", mondays)))
    asked = [ask(both, at(f"2026-12-0{day}T12:00")).rule for day in (1, 2, 3)]
    assert asked == ["legal-hours", "campaign-hours", "legal-hours"]
