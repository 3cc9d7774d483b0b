"""Frequency caps: so many calls to a number within a day and a week, over all campaigns, told by `why`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from dialerd.core import gate
from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Done, PlaceCall, Refused
from dialerd.core.identity import CampaignId, ScriptId
from dialerd.core.model import Terms
from dialerd.sim.store import FakeStore
from tests.core.world_builder import (
    BUSY,
    CMP,
    CONGESTED,
    START,
    Behaviour,
    Driver,
    campaign,
    contacts,
    now_or_never,
    policy,
    trunk,
)

HOUR = 3_600_000
DAY = 24 * HOUR
CAPS = ((Millis(DAY), 2), (Millis(7 * DAY), 4))
QUICK = Behaviour(answers=True, ring_ms=100, talk_ms=100)
OTHER = CampaignId("cmp_000000000002")
LONG = {"end_at": Instant(START + 30 * DAY), "retry_interval": Millis(HOUR)}


def capped(**rules: object) -> Driver:
    return Driver.ready(trunk(), rules=policy(caps=CAPS, **rules))


def stored(driver: Driver) -> tuple[Instant, ...]:
    """What the store tells of calls to the first contact's number."""
    store = FakeStore(disk=driver.disk)
    now_or_never(store.open())
    told = now_or_never(store.recent_calls(contacts(1)[0].phone, START))
    store.crash()
    return told


def placed(driver: Driver) -> list[int]:
    return [at for at, _ in driver.placed]


def test_no_day_and_no_week_holds_more_calls_than_its_cap() -> None:
    driver = capped()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=10, **LONG), contacts(1))
    driver.run()
    at = placed(driver)
    assert len(at) == 10
    assert all(later - first >= DAY for first, later in zip(at, at[2:], strict=False))
    assert all(later - first >= 7 * DAY for first, later in zip(at, at[4:], strict=False))


def test_a_cap_counts_the_calls_of_all_campaigns() -> None:
    driver = capped()
    driver.behave = lambda order: QUICK
    for number in range(1, 4):
        ident = CampaignId(f"cmp_{number:012}")
        driver.admit(campaign(id=ident, **LONG), contacts(1, ident, first=number, phone=1))
    driver.run(until=HOUR)
    assert len(placed(driver)) == 2
    driver.run()
    at = placed(driver)
    assert len(at) == 3
    assert at[2] - at[0] >= DAY


def test_caps_hold_over_a_restart() -> None:
    driver = capped()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=4, **LONG), contacts(1))
    driver.run(until=HOUR + 60_000)
    assert len(placed(driver)) == 2
    driver.restart()
    driver.run()
    at = placed(driver)
    assert len(at) == 4
    assert all(later - first >= DAY for first, later in zip(at, at[2:], strict=False))


def test_what_was_refunded_does_not_count() -> None:
    driver = capped()
    driver.behave = lambda order: CONGESTED if len(driver.originated) <= 3 else BUSY
    driver.admit(campaign(max_attempts=2, **LONG), contacts(1))
    driver.run(until=DAY // 2)
    assert len(placed(driver)) == 5
    assert all(later - first > 0 for first, later in pairwise(placed(driver)))


def test_why_names_the_cap_and_when_it_lifts() -> None:
    driver = capped()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=4, **LONG), contacts(1))
    driver.run(until=HOUR + 60_000)
    contact = replace(driver.store[contacts(1)[0].id], recent=stored(driver))
    first = min(attempt.opened_at for attempt in driver.tries.values())
    ask = gate.Ask(contact.phone, campaign().terms, driver.world.campaigns[CMP], contact)
    (found,) = [check for check in gate.why(driver.world, ask, driver.now) if check.rule == "frequency"]
    assert (found.detail, found.until) == ("2 of 2 calls in 24 h, 2 of 4 calls in 168 h", first + DAY)


def test_a_single_call_passes_the_caps_as_well() -> None:
    driver = capped()
    driver.behave = lambda order: QUICK
    phone = contacts(1)[0].phone
    order = PlaceCall(phone, ScriptId("s"), 1, "en-IN", Terms())
    for _ in range(2):
        assert isinstance(driver.command(order), Done)
        driver.run(until=driver.elapsed + 5_000)
    refused = driver.command(order)
    assert isinstance(refused, Refused)
    assert [check.rule for check in refused.why] == ["frequency"]
    driver.run(until=driver.elapsed + 2 * HOUR)
    refused = driver.command(replace(order, recent=stored(driver)))
    assert isinstance(refused, Refused), "what is forgotten here the store tells"


def test_a_contact_that_has_waited_in_memory_for_long_is_read_again() -> None:
    driver = capped()
    driver.behave = lambda order: QUICK
    driver.admit(campaign(max_concurrent_calls=1, **LONG), contacts(3))
    driver.behave = lambda order: replace(QUICK, talk_ms=2 * HOUR)
    driver.run(until=3 * HOUR)
    assert len(placed(driver)) >= 1
    driver.run()
    assert len(placed(driver)) == 3
