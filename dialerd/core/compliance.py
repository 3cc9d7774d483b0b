"""What the law of the callee's place says about when to call: zones of a number, legal hours, and the age of both.

Tables are handed in; nothing here looks a number up in a library. Where a rule applies and the callee's clock is
unknown, nothing is dialed.
"""

from __future__ import annotations

from functools import lru_cache

from dialerd.core.clock import Instant, to_datetime
from dialerd.core.identity import E164
from dialerd.core.legal import LegalRules
from dialerd.core.record import record
from dialerd.core.wallclock import DAY
from dialerd.core.windows import Window
from dialerd.core.zones import CalleeZones

STALE_AFTER_YEARS = 3
"""A zone database older than this knows nothing of recent changes of law."""


@record
class Callee:
    """What is known of a number's place."""

    zones: tuple[str, ...] = ()
    """Every zone its phone may be in."""
    source: str = "not asked"
    country: str | None = None
    window: Window = Window(None, None)
    """The legal hours of all its zones together; unbounded where no rule applies."""
    detail: str = "no rule applies"
    fault: str | None = None
    """Why its legal hours cannot be told, so that it may not be called."""


class Compliance:
    """The rules of this installation."""

    def __init__(
        self, legal: LegalRules | None = None, zones: CalleeZones | None = None, tzdata: str = "unknown"
    ) -> None:
        """`legal` None: legal hours are off. `tzdata`: the release of the zone database, as in `2025b`."""
        self._legal = legal
        self._zones = zones
        self.tzdata = tzdata
        self._known: dict[tuple[str | None, tuple[str, ...], str], Callee] = {}

    def callee(self, phone: E164, timezone: str | None) -> Callee:
        """What is known of `phone`; `timezone` is what its contact says, and goes before everything else."""
        if self._zones is None:
            return _UNKNOWN
        zones, source = self._zones.resolve(phone, timezone)
        country = self._zones.country(phone)
        key = (country, zones, source)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._callee(country, zones, source)
        return known

    def stale(self, now: Instant) -> str | None:
        """Why the zone database is too old to be trusted, None if it is not or if its age is unknown."""
        year = self.tzdata[:4]
        if not year.isdigit() or _year(now // DAY) - int(year) <= STALE_AFTER_YEARS:
            return None
        return f"the time zone database is of {year}: install a newer tzdata"

    def _callee(self, country: str | None, zones: tuple[str, ...], source: str) -> Callee:
        preset = self._legal.preset(country) if self._legal is not None and country is not None else None
        if preset is None or self._legal is None:
            return Callee(zones, source, country)
        if not zones:
            return Callee(
                zones,
                source,
                country,
                fault=f"legal hours of {country} apply and the number's time zone is unknown: give the contact "
                "a timezone, or set dialing.default_zones for its prefix",
            )
        calendars = tuple(("legal-hours", calendar) for calendar in self._legal.calendars(preset, zones))
        detail = f"{country} in {', '.join(zones[:3])}{' …' if len(zones) > 3 else ''}"
        return Callee(zones, source, country, Window(None, None, calendars), detail)


@lru_cache(maxsize=4)
def _year(day: int) -> int:
    return to_datetime(Instant(day * DAY)).year


_UNKNOWN = Callee()
