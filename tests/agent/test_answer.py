"""Values that callees enter, and the comparisons of branches."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.agent.answer import Value, understand
from dialerd.agent.condition import Condition, ConditionError, parse_condition
from dialerd.agent.flow import Question

KOLKATA = ZoneInfo("Asia/Kolkata")
NOW = datetime.datetime(2026, 12, 30, 17, 0, tzinfo=KOLKATA)


@pytest.mark.parametrize(
    ("entry", "day"),
    [
        ("3112", "2026-12-31"), ("3012", "2026-12-30"), ("0101", "2027-01-01"), ("2912", None), ("2902", None),
        ("0013", None), ("1301", "2027-01-13"), ("0202", None),
    ],
)  # fmt: skip
def test_a_day_without_its_year_is_the_next_one(entry: str, day: str | None) -> None:
    question = Question("day", "date", 4, 4, layout="DDMM", within_days=30)
    assert understand(question, entry, NOW) == (None if day is None else Value(day))


@pytest.mark.parametrize(
    ("entry", "day"), [("29022028", "2028-02-29"), ("29022027", None), ("00000000", None)]
)
def test_a_day_with_its_year(entry: str, day: str | None) -> None:
    question = Question("day", "date", 8, 8, layout="DDMMYYYY")
    assert understand(question, entry, NOW) == (None if day is None else Value(day))


@given(st.text("0123456789", max_size=10), st.sampled_from(["digits", "number", "amount", "date", "time"]))
def test_any_entry_is_a_value_or_none(entry: str, kind: str) -> None:
    sizes = {"date": (8, 8), "time": (4, 4)}.get(kind, (1, 8))
    question = Question("x", kind, *sizes, low=0, high=2_000, layout="DDMMYYYY")  # type: ignore[arg-type]
    found = understand(question, entry, NOW)
    if found is not None and found.instant is not None:
        assert found.instant > NOW.timestamp() * 1_000
        shown = datetime.datetime.fromtimestamp(found.instant / 1_000, KOLKATA)
        assert shown.strftime("%H:%M") == found.value


@pytest.mark.parametrize(
    ("entry", "day", "taken"),
    [
        ("1730", "2026-12-30", "2026-12-30T17:30"),
        ("1630", "2026-12-30", None),
        ("1700", "2026-12-30", None),
        ("1630", "2026-12-31", "2026-12-31T16:30"),
        ("1630", "2026-12-29", None),
        ("1630", "someday", "2026-12-31T16:30"),
    ],
)
def test_a_time_of_a_day_that_is_known_is_still_to_come(entry: str, day: str, taken: str | None) -> None:
    question = Question("at", "time", 4, 4, on="day")
    found = understand(question, entry, NOW, {"day": day})
    told = None
    if found is not None and found.instant is not None:
        told = datetime.datetime.fromtimestamp(found.instant / 1_000, KOLKATA).strftime("%Y-%m-%dT%H:%M")
    assert told == taken


def test_a_time_that_the_clocks_skip_is_not_that_day_s() -> None:
    zone = ZoneInfo("Europe/Berlin")
    night = datetime.datetime(2026, 3, 29, 0, 0, tzinfo=zone)
    found = understand(Question("at", "time", 4, 4), "0230", night)
    assert found is not None
    assert found.instant is not None
    assert (
        datetime.datetime.fromtimestamp(found.instant / 1_000, zone).isoformat()
        == "2026-03-30T02:30:00+02:00"
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rating <= 2", True), ("rating < 2", False), ("rating == 2", True), ("rating != 2", False),
        ("paid < due", True), ("due >= paid", True), ("slot == 'morning'", True), ('slot != "morning"', False),
        ("day > '2026-12-05'", True), ("fee > 1000", True), ("gone == 1", False), ("gone != 1", False),
        ("rating == gone", False), ("digits == '007'", True),
    ],
)  # fmt: skip
def test_comparisons(text: str, holds: bool) -> None:
    values = {
        "rating": 2, "paid": "90", "due": 100, "slot": "morning", "day": "2026-12-10", "fee": "1,500", "digits": "007",
    }  # fmt: skip
    assert parse_condition(text).holds(values) is holds


def test_what_is_compared() -> None:
    assert parse_condition("a > b") == Condition("a", ">", "b", named=True)
    assert parse_condition("a > b").names == {"a", "b"}
    assert parse_condition("a == '5'").names == {"a"}


@pytest.mark.parametrize("text", ["a", "a > ", "a = 2", "a > b c", "a > 1 and b > 2", "a >> 2", "'a' > 2"])
def test_what_is_no_comparison(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(text)
