"""Legal hours: the presets, an installation's changes of them, and the calendars of a number."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from dialerd.core.clock import Millis, from_datetime
from dialerd.core.errors import Fault
from dialerd.core.legal import PRESETS, LegalRules, legal_rules
from dialerd.core.windows import Window, opening

RING = Millis(30_000)
CHRISTMAS = date(2026, 12, 25)
ST_ANDREW = date(2026, 11, 30)


def holidays_of(code: str) -> frozenset[date]:
    known = {
        "GB-ENG": {CHRISTMAS},
        "GB-WLS": {CHRISTMAS},
        "GB-SCT": {CHRISTMAS, ST_ANDREW},
        "GB-NIR": {CHRISTMAS},
    }
    if code not in known:
        raise ValueError(f"no holidays are known of {code!r}")
    return frozenset(known[code])


def rules(**changes: object) -> LegalRules:
    found, faults = legal_rules(changes, "dialing.legal_hours", holidays_of)
    assert faults == []
    return found


def may_call(legal: LegalRules, country: str, moment: str, *zones: str) -> bool:
    """Whether a call may be placed when it is `moment` in the first of the callee's possible zones."""
    preset = legal.preset(country)
    assert preset is not None
    calendars = tuple(("legal-hours", calendar) for calendar in legal.calendars(preset, zones))
    now = from_datetime(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zones[0])))
    return opening(Window(None, None, calendars), now, RING).open


@pytest.mark.parametrize(
    ("country", "zone", "moment", "expected"),
    [
        ("IN", "Asia/Kolkata", "2026-11-29T08:59", False),
        ("IN", "Asia/Kolkata", "2026-11-29T09:00", True),
        ("IN", "Asia/Kolkata", "2026-11-29T20:59:30", True),
        ("IN", "Asia/Kolkata", "2026-11-29T20:59:31", False),
        ("US", "America/New_York", "2026-11-29T07:59", False),
        ("US", "America/New_York", "2026-11-29T08:00", True),
        ("US", "America/New_York", "2026-11-29T21:00", False),
        ("GB", "Europe/London", "2026-11-27T08:00", True),
        ("GB", "Europe/London", "2026-11-28T08:00", False),
        ("GB", "Europe/London", "2026-11-28T09:00", True),
        ("GB", "Europe/London", "2026-11-29T12:00", False),
        ("GB", "Europe/London", "2026-12-25T12:00", False),
        ("GB", "Europe/London", "2026-11-30T12:00", False),
    ],
)
def test_presets_open_as_their_sources_say(country: str, zone: str, moment: str, expected: bool) -> None:
    assert may_call(rules(), country, moment, zone) is expected


def test_every_preset_cites_its_source() -> None:
    assert {preset.country for preset in PRESETS} == {"IN", "US", "GB"}
    assert all(len(preset.source) > 40 for preset in PRESETS)


def test_where_no_preset_is_no_rule_is() -> None:
    assert rules().preset("FR") is None


def test_all_possible_zones_must_be_open() -> None:
    coasts = ("America/New_York", "America/Los_Angeles")
    assert not may_call(rules(), "US", "2026-11-30T10:59", *coasts)
    assert may_call(rules(), "US", "2026-11-30T11:00", *coasts)
    assert not may_call(rules(), "US", "2026-11-30T21:00", *coasts)


def test_an_installation_replaces_and_adds_countries() -> None:
    legal = rules(
        IN={"hours": [{"days": ["mon"], "from": "10:00", "to": "19:00"}], "holidays": ["2026-11-30"]},
        FR={"hours": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "10:00", "to": "13:00"}]},
    )
    assert not may_call(legal, "IN", "2026-11-30T12:00", "Asia/Kolkata")
    assert may_call(legal, "IN", "2026-12-07T12:00", "Asia/Kolkata")
    assert may_call(legal, "FR", "2026-11-30T12:00", "Europe/Paris")
    assert [preset.country for preset in legal.presets] == ["IN", "US", "GB", "FR"]
    changed = legal.preset("IN")
    assert changed is not None
    assert (changed.source, changed.holidays) == ("set by this installation", ("2026-11-30",))


def test_a_replaced_preset_keeps_nothing_of_the_old_one() -> None:
    legal = rules(GB={"hours": [{"days": ["sun"], "from": "00:00", "to": "24:00"}]})
    assert may_call(legal, "GB", "2026-11-29T12:00", "Europe/London")
    assert not may_call(legal, "GB", "2026-11-27T12:00", "Europe/London")


def test_every_fault_of_the_changes_is_told() -> None:
    _, faults = legal_rules(
        {"in": {}, "FR": "off", "DE": {"holidays": ["XX"], "zone": "UTC"}, "IT": {"hours": []}},
        "legal",
        holidays_of,
    )
    assert [fault.loc for fault in faults] == [
        "legal.in",
        "legal.FR",
        "legal.DE.zone",
        "legal.DE.hours",
        "legal.DE.holidays.0",
        "legal.IT.hours",
    ]
    assert faults[0] == Fault("legal.in", "must be a country code of two capital letters, as in IN")
