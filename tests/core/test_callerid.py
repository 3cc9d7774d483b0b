"""Which number a call shows: sticky per contact, capped per day, rested when callees stop answering it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from dialerd.core.callerid import pool
from dialerd.core.clock import Instant, Millis
from dialerd.core.identity import E164, TrunkName
from dialerd.core.trunk import Trunk
from dialerd.core.usage import Usage
from tests.core.world_builder import BUSY, RINGS_OUT, START, Behaviour, Driver, campaign, contacts, trunk

QUICK = Behaviour(answers=True, ring_ms=100, talk_ms=100)
POOL = tuple(E164(f"+1555010010{n}") for n in range(4))
HOUR = 3_600_000
DAY = 24 * HOUR


def pooled(**changes: object) -> Trunk:
    return replace(trunk(channels=20, rate=50.0), caller_ids=POOL, **changes)  # type: ignore[arg-type]


def test_calls_are_spread_over_the_pool() -> None:
    driver = Driver.ready(pooled())
    driver.behave = lambda order: QUICK
    driver.admit(campaign(), contacts(40))
    driver.run()
    assert Counter(order.caller_id for _, order in driver.originated) == dict.fromkeys(POOL, 10)


def test_a_contact_is_called_with_the_number_it_knows() -> None:
    driver = Driver.ready(pooled())
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=3), contacts(30))
    driver.run()
    seen: dict[str, set[str]] = {}
    for _, order in driver.originated:
        seen.setdefault(order.phone, set()).add(order.caller_id)
    assert len(driver.originated) == 90
    assert all(len(shown) == 1 for shown in seen.values())


def test_a_contact_knows_its_number_after_a_restart() -> None:
    driver = Driver.ready(pooled())
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=2), contacts(10))
    driver.run(until=30_000)
    driver.restart()
    driver.run()
    seen: dict[str, set[str]] = {}
    for _, order in driver.originated:
        seen.setdefault(order.phone, set()).add(order.caller_id)
    assert len(driver.originated) == 20
    assert all(len(shown) == 1 for shown in seen.values())


def test_no_number_is_shown_more_often_than_its_daily_cap_and_dialing_goes_on_when_that_falls() -> None:
    driver = Driver.ready(pooled(caller_id_cap=5))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(end_at=Instant(START + 3 * DAY)), contacts(30))
    driver.run(until=HOUR)
    assert Counter(order.caller_id for _, order in driver.originated) == dict.fromkeys(POOL, 5)
    driver.run()
    assert len(driver.originated) == 30
    for number in POOL:
        at = [instant for instant, order in driver.originated if order.caller_id == number]
        assert all(later - first >= DAY for first, later in zip(at, at[5:], strict=False))


def test_a_caller_id_that_a_campaign_asks_for_is_capped_as_well() -> None:
    driver = Driver.ready(pooled(caller_id_cap=3))
    driver.admit(campaign(caller_id=POOL[2]), contacts(10))
    driver.run(until=HOUR)
    assert [order.caller_id for _, order in driver.originated] == [POOL[2]] * 3


def worn(**changes: object) -> Driver:
    """The first number of the pool is answered by nobody, the others by all."""
    driver = Driver.ready(pooled(caller_id_rest=Millis(2 * HOUR), **changes))
    driver.behave = lambda order: RINGS_OUT if order.caller_id == POOL[0] else QUICK
    driver.admit(campaign(end_at=Instant(START + DAY)), contacts(1_200))
    return driver


def test_a_number_that_nobody_answers_any_more_rests() -> None:
    driver = worn()
    driver.run()
    counted = Counter(order.caller_id for _, order in driver.originated)
    assert counted[POOL[0]] <= 110
    assert min(counted[number] for number in POOL[1:]) >= 300
    change = driver.world.lines.committed[TrunkName("lab")].change
    assert change is not None
    assert set(change.resting) == {POOL[0]}


def test_a_rest_is_durable() -> None:
    driver = worn()
    driver.run(until=600_000)
    driver.restart()
    before = Counter(order.caller_id for _, order in driver.originated)
    driver.run(until=HOUR)
    assert Counter(order.caller_id for _, order in driver.originated)[POOL[0]] <= before[POOL[0]] + 2


def test_no_number_rests_where_that_is_turned_off() -> None:
    driver = Driver.ready(pooled(caller_id_rest=Millis(0)))
    driver.behave = lambda order: RINGS_OUT if order.caller_id == POOL[0] else QUICK
    driver.admit(campaign(end_at=Instant(START + DAY)), contacts(600))
    driver.run()
    assert Counter(order.caller_id for _, order in driver.originated)[POOL[0]] >= 100


def test_all_numbers_falling_together_rest_none() -> None:
    driver = Driver.ready(pooled(caller_id_rest=Millis(HOUR)))
    driver.behave = lambda order: RINGS_OUT
    driver.admit(campaign(end_at=Instant(START + DAY)), contacts(800))
    driver.run()
    assert len(driver.originated) == 800
    assert not driver.world.lines.committed[TrunkName("lab")].change


def test_a_day_is_counted_in_whole_hours_and_one_more() -> None:
    usage = Usage([(0, 2), (3, 1)])
    usage.add(Instant(4 * HOUR))
    assert usage.count(Instant(24 * HOUR)) == 4
    assert usage.count(Instant(25 * HOUR)) == 2
    assert usage.count(Instant(29 * HOUR)) == 0


def test_how_a_single_number_is_answered_is_counted_as_well() -> None:
    driver = Driver.ready(trunk())
    driver.behave = lambda order: QUICK if int(order.phone[-1]) % 2 else BUSY
    driver.admit(campaign(), contacts(10))
    driver.run()
    (shown,) = pool(driver.world, driver.world.lines.committed[TrunkName("lab")], driver.now.wall)
    assert (shown.calls, shown.finals, shown.answered, shown.rests_until) == (10, 10, 5, None)
