"""The hours in which the law, or the code of conduct, of the callee's country lets people be called.

Presets cite their source; an installation may replace them and add others. They are general rules for sales calls: a
state, a branch or a consent may ask for less, which a campaign's own hours then say. Where no preset is, no rule is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from dialerd.core.errors import Fault
from dialerd.core.schedule_text import Holidays, HolidaysOf, parse_holidays, parse_hours
from dialerd.core.windows import Calendar, Slot

_OWN_SOURCE = "set by this installation"


@dataclass(frozen=True, slots=True)
class Preset:
    """One country's hours, on the callee's clock."""

    country: str
    """ISO 3166 alpha-2."""
    slots: tuple[Slot, ...]
    source: str
    holidays: tuple[str, ...] = ()
    """Country codes of the public holidays on which nobody is called."""
    closed: frozenset[date] = frozenset()
    """The days these come to."""


_EVERY_DAY = frozenset(range(7))
_WEEKDAYS = frozenset(range(5))
_SATURDAY = frozenset((5,))

PRESETS = (
    Preset(
        "IN",
        (Slot(_EVERY_DAY, 9 * 60, 21 * 60),),
        "India: TRAI, Telecom Commercial Communications Customer Preference Regulations, 2018: no promotional "
        "calls between 21:00 and 09:00",
    ),
    Preset(
        "US",
        (Slot(_EVERY_DAY, 8 * 60, 21 * 60),),
        "United States: 47 CFR 64.1200(c)(1) (TCPA) and 16 CFR 310.4(c) (Telemarketing Sales Rule): not before "
        "8 a.m. or after 9 p.m. local time at the called party's location; some states allow less",
    ),
    Preset(
        "GB",
        (Slot(_WEEKDAYS, 8 * 60, 21 * 60), Slot(_SATURDAY, 9 * 60, 21 * 60)),
        "United Kingdom: no statutory hours; telemarketing guidance of the DMA (Data & Marketing Association): "
        "Mon-Fri 08:00-21:00, Sat 09:00-21:00, not on Sundays and public holidays",
        ("GB-ENG", "GB-WLS", "GB-SCT", "GB-NIR"),
    ),
)
"""A number does not tell which part of the United Kingdom it is in, so a holiday of any part counts."""


class LegalRules:
    """The rules in force in this installation, by country."""

    __slots__ = ("_presets",)

    def __init__(self, presets: Iterable[Preset]) -> None:
        self._presets = {preset.country: preset for preset in presets}

    def preset(self, country: str) -> Preset | None:
        """The rule of a country; None: none applies."""
        return self._presets.get(country)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """Every rule in force."""
        return tuple(self._presets.values())

    @staticmethod
    def calendars(preset: Preset, zones: Iterable[str]) -> tuple[Calendar, ...]:
        """One calendar for each zone the callee may be in: a call is placed only while all are open."""
        return tuple(Calendar(zone, preset.slots, preset.closed) for zone in zones)


def legal_rules(
    changes: Mapping[str, object], loc: str, holidays_of: HolidaysOf
) -> tuple[LegalRules, list[Fault]]:
    """The presets with an installation's changes, `{"IN": {"hours": […], "holidays": …}}`, and every fault of them.

    A change replaces the whole preset. `holidays_of` is asked for the days of the presets too. Rules that have faults
    must not be used: an entry that could not be read closes nothing.
    """
    presets = {preset.country: preset for preset in PRESETS}
    faults: list[Fault] = []
    for country, change in changes.items():
        where = f"{loc}.{country}"
        if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
            faults.append(Fault(where, "must be a country code of two capital letters, as in IN"))
            continue
        preset, wrong = _changed(country, change, where, holidays_of)
        presets[country] = preset
        faults += wrong
    return LegalRules(_dated(preset, holidays_of) for preset in presets.values()), faults


def _changed(country: str, change: object, loc: str, holidays_of: HolidaysOf) -> tuple[Preset, list[Fault]]:
    if not isinstance(change, Mapping):
        return Preset(country, (), _OWN_SOURCE), [Fault(loc, "must be an object with hours")]
    faults = [Fault(f"{loc}.{key}", "unknown field") for key in change if key not in ("hours", "holidays")]
    slots: tuple[Slot, ...] = ()
    if "hours" in change:
        slots, wrong = parse_hours(change["hours"], f"{loc}.hours")
        faults += wrong
    else:
        faults.append(Fault(f"{loc}.hours", "required"))
    holidays = Holidays()
    if change.get("holidays") is not None:
        holidays, wrong = parse_holidays(change["holidays"], f"{loc}.holidays", holidays_of)
        faults += wrong
    return Preset(country, slots, _OWN_SOURCE, holidays.given, holidays.closed), faults


def _dated(preset: Preset, holidays_of: HolidaysOf) -> Preset:
    if preset.closed:
        return preset
    days = frozenset[date]().union(*(holidays_of(code) for code in preset.holidays))
    return replace(preset, closed=days)
