"""The tables of numbers, holidays and clocks, compared with the libraries they come from."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
import tzdata
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import time_zones_for_number

from dialerd import numbering
from dialerd.core.clock import Millis, from_datetime
from dialerd.core.identity import E164
from dialerd.core.legal import PRESETS
from dialerd.core.wallclock import is_zone
from dialerd.core.windows import Calendar, common_hours

ZONES = numbering.zone_table()
COUNTRIES = numbering.country_table()

KINDS = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
EXAMPLES = [
    (region, kind, number)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in KINDS
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
]
COUNTED_AS = {
    "BL": "GP",
    "CC": "AU",
    "CX": "AU",
    "GG": "GB",
    "IM": "GB",
    "JE": "GB",
    "MF": "GP",
    "YT": "RE",
}
"""Small countries whose numbers, or some of them, cannot be told from those of a large one with the same code."""


def digits(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


@lru_cache
def clock(zone: str) -> tuple[timedelta | None, ...]:
    """How a zone's clocks are set through a year."""
    return tuple(
        datetime(2026, month, 15, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() for month in range(1, 13)
    )


def test_the_country_of_a_number_is_the_librarys() -> None:
    for region, _, number in EXAMPLES:
        country = phonenumbers.region_code_for_number(number) or ""
        assert COUNTRIES.get(digits(number)) in (country, COUNTED_AS.get(country)), (region, digits(number))


def test_no_clock_that_a_phone_may_have_is_left_out() -> None:
    """North America apart, where the library lets a Caribbean mobile be anywhere and its area code says the island."""
    for region, _, number in EXAMPLES:
        zones = ZONES.get(digits(number))
        assert zones is not None
        if number.country_code == 1:
            continue
        possible = {clock(zone) for zone in time_zones_for_number(number)}
        assert possible <= {clock(zone) for zone in zones}, (region, digits(number))


def test_every_zone_of_the_table_is_in_the_zone_database() -> None:
    names = {name for _, _, number in EXAMPLES for name in ZONES.get(digits(number)) or ()}
    assert len(names) > 250
    assert [name for name in names if not is_zone(name)] == []
    assert [name for name in numbering._RENAMED.values() if not is_zone(name)] == []


@pytest.mark.parametrize(
    ("phone", "zones", "country"),
    [
        ("+919876543210", {"Asia/Kolkata"}, "IN"),
        ("+12125550100", {"America/New_York"}, "US"),
        ("+14165550100", {"America/Toronto"}, "CA"),
        ("+18765550100", {"America/Jamaica"}, "JM"),
        ("+442079460100", {"Europe/London"}, "GB"),
        ("+77172555555", {"Asia/Almaty"}, "KZ"),
    ],
)
def test_numbers_of_one_place(phone: str, zones: set[str], country: str) -> None:
    callee = numbering.callee_zones()
    assert callee.resolve(E164(phone), None) == (tuple(zones), "number")
    assert callee.country(E164(phone)) == country


@pytest.mark.parametrize(
    ("phone", "count", "country"),
    [("+18005550100", 42, "US"), ("+79161234567", 16, "RU"), ("+61412345678", 8, "AU")],
)
def test_numbers_of_no_place_may_be_anywhere_in_their_country(phone: str, count: int, country: str) -> None:
    callee = numbering.callee_zones()
    zones, source = callee.resolve(E164(phone), None)
    assert (len(zones), source, callee.country(E164(phone))) == (count, "number", country)


def test_satellite_phones_have_neither_zone_nor_country() -> None:
    callee = numbering.callee_zones()
    assert callee.resolve(E164("+881612345678"), None) == ((), "unknown")
    assert callee.country(E164("+881612345678")) is None


def test_a_toll_free_number_has_two_or_three_common_hours_a_day() -> None:
    zones, _ = numbering.callee_zones().resolve(E164("+18005550100"), None)
    preset = next(preset for preset in PRESETS if preset.country == "US")
    now = from_datetime(datetime(2026, 11, 30, tzinfo=UTC))
    common = common_hours([Calendar(zone, preset.slots) for zone in zones], now, Millis(30_000))
    assert 2 <= common.weekly / 7 / 3_600_000 <= 3


def test_holidays_of_countries_and_their_parts() -> None:
    assert date(2026, 1, 26) in numbering.holiday_dates("IN", [2026])
    assert date(2026, 5, 1) in numbering.holiday_dates("IN-MH", range(2026, 2027))
    scotland, england = (numbering.holiday_dates(code, [2026, 2027]) for code in ("GB-SCT", "GB-ENG"))
    assert date(2027, 1, 4) in scotland - england
    assert {day.year for day in england} == {2026, 2027}


def test_years_of_which_not_all_is_known_are_no_error() -> None:
    assert date(2050, 1, 26) in numbering.holiday_dates("IN", [2050])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("XX", "countries are AD, AE"),
        ("GB-XX", "parts of GB are ENG, NIR"),
        ("IN-", "parts of IN"),
        ("", "countries are"),
    ],
)
def test_an_unknown_holiday_code_is_told_with_those_that_are_known(code: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        numbering.holiday_dates(code, [2026])


def test_the_holidays_of_every_preset_are_known() -> None:
    for preset in PRESETS:
        for code in preset.holidays:
            assert len(numbering.holiday_dates(code, range(2026, 2046))) > 100


def test_pinned_zones_are_those_of_the_tzdata_package() -> None:
    """In a process of its own, whose clocks nothing has touched."""
    code = (
        "import zoneinfo; from dialerd import numbering as n; zoneinfo.ZoneInfo('UTC'); n.pin_zones();"
        "print(n.tzdata_version(), zoneinfo.TZPATH)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert told.strip() == f"{tzdata.IANA_VERSION} ()"


def test_the_version_is_that_of_the_database_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path / "absent"), str(tmp_path)))
    assert numbering.tzdata_version() == tzdata.IANA_VERSION
    (tmp_path / "UTC").touch()
    assert numbering.tzdata_version() == "unknown"
    (tmp_path / "tzdata.zi").write_text("# version 2019c\nR d\n")
    assert numbering.tzdata_version() == "2019c"
