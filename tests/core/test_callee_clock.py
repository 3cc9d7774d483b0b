"""Whose clock an agent goes by when a callee names a time: the callee's, or the campaign's where that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.compliance import Compliance
from dialerd.core.zones import CalleeZones, PrefixTable
from tests.core.world_builder import Driver, campaign, contacts


def zone_of(
    numbers: dict[str, tuple[str, ...]], contact_zone: str | None, campaign_zone: str | None
) -> str | None:
    driver = Driver.ready()
    zones = CalleeZones(PrefixTable(numbers), PrefixTable({"": "IN"}))
    driver.world.compliance = Compliance(None, zones)
    (contact,) = contacts(1)
    driver.admit(campaign(timezone=campaign_zone), [replace(contact, timezone=contact_zone)])
    driver.run(until=5_000)
    (order,) = driver.attached
    return order.zone


@pytest.mark.parametrize(
    ("numbers", "contact", "campaign_zone", "expected"),
    [
        ({"91": ("Asia/Kolkata",)}, None, "Europe/Berlin", "Asia/Kolkata"),
        ({"91": ("Asia/Kolkata",)}, "Asia/Dubai", "Europe/Berlin", "Asia/Dubai"),
        ({"91": ("America/New_York", "America/Chicago")}, None, "Europe/Berlin", "Europe/Berlin"),
        ({"91": ("America/New_York", "America/Chicago")}, None, None, "America/New_York"),
        ({}, None, "Europe/Berlin", "Europe/Berlin"),
        ({}, None, None, None),
    ],
)
def test_the_agent_is_told_where_the_callees_clock_stands(
    numbers: dict[str, tuple[str, ...]], contact: str | None, campaign_zone: str | None, expected: str | None
) -> None:
    assert zone_of(numbers, contact, campaign_zone) == expected
