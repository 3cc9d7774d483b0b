"""Where a number's phone may be: its possible time zones and its country, from tables that are handed in.

A zone is never guessed. Several possible zones are all returned, none means that it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from dialerd.core.errors import Fault
from dialerd.core.identity import E164
from dialerd.core.wallclock import is_zone

V = TypeVar("V")

FROM_CONTACT = "contact"
FROM_SETTINGS = "default_zones"
FROM_NUMBER = "number"
UNKNOWN = "unknown"


class PrefixTable(Generic[V]):
    """Values by the digits that a number begins with; the longest prefix wins."""

    __slots__ = ("_longest", "_values")

    def __init__(self, values: Mapping[str, V]) -> None:
        """Prefixes are digits without a plus sign; the empty one matches every number."""
        self._values = dict(values)
        self._longest = max(map(len, self._values), default=-1)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, digits: str) -> V | None:
        """The value of the longest prefix of `digits`, None if there is none."""
        for length in range(min(self._longest, len(digits)), -1, -1):
            value = self._values.get(digits[:length])
            if value is not None:
                return value
        return None


class CalleeZones:
    """The zones of numbers, by what is known best: the contact, this installation's settings, the number itself."""

    __slots__ = ("_countries", "_defaults", "_numbers")

    def __init__(
        self,
        numbers: PrefixTable[tuple[str, ...]],
        countries: PrefixTable[str],
        defaults: PrefixTable[str] | None = None,
    ) -> None:
        self._numbers = numbers
        self._countries = countries
        self._defaults = PrefixTable[str]({}) if defaults is None else defaults

    def resolve(self, phone: E164, timezone: str | None) -> tuple[tuple[str, ...], str]:
        """Every zone the phone may be in, and where that is known from. `timezone` is what its contact says."""
        if timezone:
            return (timezone,), FROM_CONTACT
        digits = phone.digits
        default = self._defaults.get(digits)
        if default is not None:
            return (default,), FROM_SETTINGS
        zones = self._numbers.get(digits)
        return (zones, FROM_NUMBER) if zones else ((), UNKNOWN)

    def country(self, phone: E164) -> str | None:
        """The country (ISO 3166 alpha-2) whose numbering plan the number belongs to."""
        return self._countries.get(phone.digits)


def parse_default_zones(value: Mapping[str, str], loc: str) -> tuple[PrefixTable[str], list[Fault]]:
    """The setting `{"+1800": "America/New_York"}` (the plus sign may be left out), and every fault of it."""
    zones: dict[str, str] = {}
    faults: list[Fault] = []
    for given, zone in value.items():
        prefix = given.removeprefix("+")
        if not prefix.isascii() or not prefix.isdigit() or len(prefix) > 15 or prefix.startswith("0"):
            msg = "must be the digits that numbers begin with, country code first, as in +1800"
            faults.append(Fault(f"{loc}.{given}", msg))
        elif prefix in zones:
            faults.append(Fault(f"{loc}.{given}", f"the prefix {prefix} is given twice"))
        if not is_zone(zone):
            faults.append(Fault(f"{loc}.{given}", f"{zone!r} is not an IANA time zone, as in Asia/Kolkata"))
        zones[prefix] = zone
    return PrefixTable(zones), faults
