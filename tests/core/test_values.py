"""Which numbers of a contact list are read, and which are in doubt."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.values import misread, number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50000", "50000"),
        ("-500.5", "-500.5"),
        ("1,234,567.50", "1234567.5"),
        ("12,34,567.50", "1234567.5"),
        ("1,50,000", "150000"),
        ("150 000", "150000"),
        ("1 50 000.5", "150000.5"),
        ("7 250,50", "7250.5"),
        ("1.234,50", "1234.5"),
        ("1.234.567", "1234567"),
        ("1.234", "1.234"),
        ("१,५०,०००.५०", "150000.5"),
        ("1e3", "1000"),
    ],
)
def test_a_number_is_read_where_its_groups_leave_no_doubt(text: str, number: str) -> None:
    assert number_in(text) == Decimal(number)
    assert misread(text, "amount") is None


@pytest.mark.parametrize(
    "text",
    ["7250,50", "12,5", "1,50", "1,2,3", "1,234,56", "0,500", "123,45,678", "1,000,00,000", "1.23,5", "1,234.5,6",
     "1 234.567,8", "12 34", "5,", ",5", "७२५०,५०", "NaN", "ten", ""],
)  # fmt: skip
def test_what_is_in_doubt_is_no_number(text: str) -> None:
    assert number_in(text) is None
    assert "such as 50000 or 1,234.50" in (misread(text, "number") or "")


@given(st.integers(-(10**12), 10**12))
def test_every_grouping_of_a_number_is_that_number(number: int) -> None:
    western = f"{number:,}"
    for text in (western, western.replace(",", " "), f"{western}.25", f"{western.replace(',', '.')},25"):
        # One group after a point is a fraction: 1.234 is no thousand; neither is 1,25.
        if not (text.endswith(",25") and "." not in text):
            assert number_in(text) in (number, Decimal(f"{number}.25"))
