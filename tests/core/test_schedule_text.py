"""Hours and holidays as people write them: what is accepted, and every fault at once."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.errors import Fault
from dialerd.core.schedule_text import MAX_HOLIDAYS, MAX_SLOTS, parse_holidays, parse_hours
from dialerd.core.windows import Slot

REPUBLIC_DAY = date(2026, 1, 26)
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def holidays_of(code: str) -> frozenset[date]:
    if code != "IN":
        raise ValueError(f"no holidays are known of {code!r}; countries are IN")
    return frozenset({REPUBLIC_DAY})


def test_hours_are_read_as_slots() -> None:
    slots, faults = parse_hours(
        [
            {"days": ["mon", "fri"], "from": "09:00", "to": "18:30"},
            {"days": ["sat"], "from": "22:00", "to": "02:00"},
            {"days": WEEK, "from": "00:00", "to": "24:00"},
        ],
        "schedule.hours",
    )
    assert faults == []
    assert slots == (
        Slot(frozenset({0, 4}), 540, 1110),
        Slot(frozenset({5}), 1320, 120),
        Slot(frozenset(range(7)), 0, 1440),
    )


def test_every_fault_of_hours_is_told() -> None:
    _, faults = parse_hours(
        [
            {"days": ["mon", "monday", 3], "from": "24:00", "to": "9:00", "zone": "UTC"},
            {"days": [], "from": "09:00"},
            "always",
            {"days": ["mon"], "from": "09:00", "to": "09:00"},
            {"days": "mon", "from": 540, "to": None},
        ],
        "schedule.hours",
    )
    days = "days are mon, tue, wed, thu, fri, sat, sun"
    assert faults == [
        Fault("schedule.hours.0.zone", "unknown field"),
        Fault("schedule.hours.0.days", f"'monday', 3: {days}"),
        Fault("schedule.hours.0.from", 'must be a time from "00:00" to "23:59", as in "09:00"'),
        Fault("schedule.hours.0.to", 'must be a time from "00:00" to "24:00", as in "09:00"'),
        Fault("schedule.hours.1.to", "required"),
        Fault("schedule.hours.1.days", 'must be a list of days, as in ["mon", "tue"]'),
        Fault("schedule.hours.2", "must be an object with days, from and to"),
        Fault("schedule.hours.3.to", 'is the same as from; the whole day is from "00:00" to "24:00"'),
        Fault("schedule.hours.4.days", 'must be a list of days, as in ["mon", "tue"]'),
        Fault("schedule.hours.4.from", 'must be a time from "00:00" to "23:59", as in "09:00"'),
        Fault("schedule.hours.4.to", 'must be a time from "00:00" to "24:00", as in "09:00"'),
    ]


@pytest.mark.parametrize("value", [None, "09:00-18:00", {}, [], 7, [{}] * (MAX_SLOTS + 1)])
def test_hours_that_are_no_list_are_refused(value: object) -> None:
    slots, faults = parse_hours(value, "hours")
    assert (slots, [fault.loc for fault in faults]) == ((), ["hours"])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([*WEEK, "09:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["days", "from", "to", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_is_written_gives_slots_or_faults(value: object) -> None:
    slots, faults = parse_hours(value, "hours")
    assert bool(slots) or bool(faults)
    holidays, wrong = parse_holidays(value, "holidays", holidays_of)
    assert wrong or len(holidays.closed) <= len(holidays.given)


def test_holidays_are_dates_and_countries() -> None:
    found, faults = parse_holidays(["2026-12-25", "IN"], "schedule.holidays", holidays_of)
    assert faults == []
    assert found.given == ("2026-12-25", "IN")
    assert found.closed == {date(2026, 12, 25), REPUBLIC_DAY}
    country, faults = parse_holidays("IN", "schedule.holidays", holidays_of)
    assert (country.given, country.closed, faults) == (("IN",), {REPUBLIC_DAY}, [])


def test_a_date_of_toml_is_a_date_and_a_time_is_not() -> None:
    noon = datetime(2026, 12, 26, 12, tzinfo=UTC)
    found, faults = parse_holidays([date(2026, 12, 25), noon], "holidays", holidays_of)
    assert (found.given, found.closed) == (("2026-12-25",), {date(2026, 12, 25)})
    assert [fault.loc for fault in faults] == ["holidays.1"]


def test_every_fault_of_holidays_is_told() -> None:
    found, faults = parse_holidays(["2026-02-30", "XX", "in", 7, "IN"], "holidays", holidays_of)
    assert found.closed == {REPUBLIC_DAY}
    assert faults == [
        Fault("holidays.0", "there is no 2026-02-30"),
        Fault("holidays.1", "no holidays are known of 'XX'; countries are IN"),
        Fault("holidays.2", '\'in\' is neither a date as in "2026-01-26" nor a country as in "IN"'),
        Fault("holidays.3", '\'7\' is neither a date as in "2026-01-26" nor a country as in "IN"'),
    ]
    assert parse_holidays("nowhere", "holidays", holidays_of)[1][0].loc == "holidays"
    assert parse_holidays(None, "holidays", holidays_of)[1][0].loc == "holidays"
    assert parse_holidays(["IN"] * (MAX_HOLIDAYS + 1), "holidays", holidays_of)[1][0].loc == "holidays"
