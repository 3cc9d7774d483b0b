"""Where a number's phone may be, by what is known best."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.errors import Fault
from dialerd.core.identity import E164
from dialerd.core.zones import CalleeZones, PrefixTable, parse_default_zones

NUMBERS = PrefixTable({"1": ("America/New_York", "America/Chicago"), "1212": ("America/New_York",)})
COUNTRIES = PrefixTable({"1": "US", "1876": "JM", "44": "GB"})


def test_the_longest_prefix_wins() -> None:
    table = PrefixTable({"": "any", "1": "one", "1212": "four"})
    assert [table.get(digits) for digits in ("12125550100", "12135550100", "1", "442071838750", "")] == [
        "four",
        "one",
        "one",
        "any",
        "any",
    ]


def test_an_empty_table_knows_nothing() -> None:
    assert PrefixTable[str]({}).get("12125550100") is None


@given(st.dictionaries(st.text("0123", max_size=5), st.integers(), max_size=20), st.text("0123", max_size=8))
def test_a_look_up_finds_what_a_search_of_all_prefixes_finds(values: dict[str, int], digits: str) -> None:
    matching = [prefix for prefix in values if digits.startswith(prefix)]
    expected = values[max(matching, key=len)] if matching else None
    assert PrefixTable(values).get(digits) == expected


def test_a_contact_knows_better_than_the_settings_and_these_better_than_the_number() -> None:
    zones = CalleeZones(NUMBERS, COUNTRIES, PrefixTable({"1800": "America/Denver"}))
    assert zones.resolve(E164("+18005550100"), "Asia/Kolkata") == (("Asia/Kolkata",), "contact")
    assert zones.resolve(E164("+18005550100"), None) == (("America/Denver",), "default_zones")
    assert zones.resolve(E164("+12125550100"), None) == (("America/New_York",), "number")
    assert zones.resolve(E164("+13125550100"), "") == (("America/New_York", "America/Chicago"), "number")


def test_a_number_of_nowhere_has_no_zone() -> None:
    zones = CalleeZones(NUMBERS, COUNTRIES)
    assert zones.resolve(E164("+882161234567"), None) == ((), "unknown")
    assert zones.country(E164("+882161234567")) is None
    assert zones.country(E164("+18765550100")) == "JM"


def test_default_zones_are_read_with_or_without_plus() -> None:
    table, faults = parse_default_zones(
        {"+1800": "America/Denver", "91": "Asia/Kolkata"}, "dialing.default_zones"
    )
    assert faults == []
    assert (table.get("18005550100"), table.get("919876543210")) == ("America/Denver", "Asia/Kolkata")


def test_every_fault_of_default_zones_is_told() -> None:
    _, faults = parse_default_zones(
        {"+1800": "America/Denver", "1800": "Mars/Base", "x": "UTC", "0044": "Moon/Base"}, "zones"
    )
    assert faults == [
        Fault("zones.1800", "the prefix 1800 is given twice"),
        Fault("zones.1800", "'Mars/Base' is not an IANA time zone, as in Asia/Kolkata"),
        Fault("zones.x", "must be the digits that numbers begin with, country code first, as in +1800"),
        Fault("zones.0044", "must be the digits that numbers begin with, country code first, as in +1800"),
        Fault("zones.0044", "'Moon/Base' is not an IANA time zone, as in Asia/Kolkata"),
    ]
