"""Tables of the world's numbers, holidays and clocks, built at start from the libraries that know them.

The core looks a number up in these tables, so that no library is asked while dialing. Nothing here decides anything.
"""

from __future__ import annotations

import re
import warnings
import zoneinfo
from collections.abc import Iterable, Iterator
from datetime import date
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import holidays
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
    is_number_type_geographical,
    region_code_for_number,
)
from phonenumbers.phonemetadata import PhoneNumberDesc
from phonenumbers.tzdata import TIMEZONE_DATA

from dialerd.core.errors import InvariantError
from dialerd.core.zones import CalleeZones, PrefixTable

_NORTH_AMERICA = 1
_NO_COUNTRY = "001"
"""The library's region of codes that belong to no country, as +800 and satellite phones."""

_FILLER = "2345678901"
_TAILS = (_FILLER, *(digit * 10 for digit in "0123456789"))

_RENAMED = {
    "Africa/Asmera": "Africa/Asmara",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Choibalsan": "Asia/Ulaanbaatar",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Pacific/Enderbury": "Pacific/Kanton",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
}
"""Zones that the library calls by names which the zone database has left behind."""


def callee_zones(defaults: PrefixTable[str] | None = None) -> CalleeZones:
    """Zones and countries of all numbers; `defaults` are this installation's zones."""
    return CalleeZones(zone_table(), country_table(), defaults)


def begins_numbers(prefix: str) -> bool:
    """Whether the numbers of any country begin so: `+` and digits, or nothing."""
    digits = prefix.removeprefix("+")
    codes = (str(code) for code in COUNTRY_CODE_TO_REGION_CODE)
    return any(code.startswith(digits) or digits.startswith(code) for code in codes)


# --- zones ---------------------------------------------------------------------------------------


def zone_table() -> PrefixTable[tuple[str, ...]]:
    """Every zone in which a phone may be whose number begins so.

    The library's table holds for numbers that are bound to a place. Others, as mobiles are in most countries, may be
    anywhere in theirs. In North America every number is bound to the place of its area code.
    """
    zones = {
        prefix: tuple(_RENAMED.get(name, name) for name in names) for prefix, names in TIMEZONE_DATA.items()
    }
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        whole = zones.get(str(code), ())
        if len(whole) < 2 or code == _NORTH_AMERICA:
            continue
        roaming = {f"{code}{digits}" for digits in _placeless(code, regions)}
        for prefix in [prefix for prefix in zones if prefix[: len(str(code)) + 2] in roaming]:
            del zones[prefix]
        zones |= dict.fromkeys(roaming, whole)
    return PrefixTable(zones)


def _placeless(code: int, regions: Iterable[str]) -> Iterator[str]:
    """The two digits after the country code with which numbers begin that are not bound to a place."""
    patterns: set[str] = set()
    lengths: set[int] = set()
    for region in regions:
        metadata = _metadata(region)
        lengths |= _lengths(metadata)
        for kind in _unbound_kinds(metadata, code):
            if kind is not None and kind.national_number_pattern:
                patterns.add(f"(?:{kind.national_number_pattern})")
    placeless = re.compile("|".join(sorted(patterns)), re.ASCII)
    for first in map(str, range(10, 100)):
        if any(placeless.fullmatch((first + tail)[:length]) for length in lengths for tail in _TAILS):
            yield first


def _unbound_kinds(metadata: PhoneMetadata, code: int) -> Iterator[PhoneNumberDesc | None]:
    if not is_number_type_geographical(PhoneNumberType.MOBILE, code):
        yield metadata.mobile
    yield metadata.toll_free
    yield metadata.premium_rate
    yield metadata.shared_cost
    yield metadata.personal_number
    yield metadata.voip
    yield metadata.pager
    yield metadata.uan
    yield metadata.voicemail


# --- countries -----------------------------------------------------------------------------------


def country_table() -> PrefixTable[str]:
    """The country of numbers that begin so.

    Where countries share a code, the smaller ones are found by asking the library for a number of each area. What
    cannot be told apart by its first digits (mobiles of Jersey, say) counts as the largest country's.
    """
    countries: dict[str, str] = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        if regions[0] == _NO_COUNTRY:
            continue
        countries[str(code)] = regions[0]
        for area in _areas(code) if len(regions) > 1 else ():
            region = _region(code, area, regions[0])
            if region not in (None, regions[0]):
                countries[f"{code}{area}"] = region
    return PrefixTable(countries)


def _areas(code: int) -> Iterator[str]:
    """What may follow a country code that countries share."""
    if code == _NORTH_AMERICA:
        yield from map(str, range(200, 1000))
        return
    yield from map(str, range(1, 100))
    for prefix in TIMEZONE_DATA:
        if prefix.startswith(str(code)) and len(prefix) > len(str(code)) + 2:
            yield prefix.removeprefix(str(code))


def _region(code: int, area: str, largest: str) -> str | None:
    digits = (area + _FILLER)[: max(_lengths(_metadata(largest)))]
    leading_zero = digits.startswith("0") or None
    number = PhoneNumber(code, int(digits), italian_leading_zero=leading_zero)
    region: str | None = region_code_for_number(number)
    return region


def _metadata(region: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        raise InvariantError(f"phonenumbers lists the region {region} and has no metadata of it")
    return metadata


def _lengths(metadata: PhoneMetadata) -> set[int]:
    """Digits that the country's numbers have after its code, rare long ones left out."""
    general = metadata.general_desc
    return {length for length in (general.possible_length if general else ()) if length <= 10}


# --- holidays ------------------------------------------------------------------------------------


def holiday_dates(code: str, years: Iterable[int]) -> frozenset[date]:
    """The public holidays of a country, or of a part of it: `IN`, `IN-MH`, `GB-ENG`.

    Far ahead some are missing: those that follow the moon are known for some years only (India's until 2035).
    Raises `ValueError` telling which codes there are, for one that the library does not know.
    """
    country, dash, part = code.partition("-")
    known = _holiday_codes()
    if country not in known:
        raise ValueError(f"no holidays are known of {country!r}; countries are {', '.join(sorted(known))}")
    if dash and part not in known[country]:
        parts = ", ".join(known[country]) or "none"
        raise ValueError(f"no holidays are known of {code!r}; parts of {country} are {parts}")
    with warnings.catch_warnings():  # of years that it knows only in part
        warnings.simplefilter("ignore", UserWarning)
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=years))


def _holiday_codes() -> dict[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)


# --- clocks --------------------------------------------------------------------------------------


def pin_zones() -> None:
    """Have `zoneinfo` read the installed tzdata package alone, instead of the host's zone files before it.

    To be called once in every process, before any zone is used: those in use already are forgotten, not changed.
    """
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()


def tzdata_version() -> str:
    """The release of the zone database that `zoneinfo` reads here, as in `2026a`; `unknown` if it does not tell."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "UTC").exists():
            return _release(folder / "tzdata.zi", folder / "+VERSION")
    return _release(resources.files("tzdata") / "zoneinfo" / "tzdata.zi")


def _release(*files: Traversable) -> str:
    for file in files:
        try:
            with file.open("r", encoding="ascii") as lines:
                return lines.readline().removeprefix("# version").strip() or "unknown"
        except OSError:
            continue
    return "unknown"
