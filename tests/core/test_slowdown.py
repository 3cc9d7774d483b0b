"""A trunk goes as fast as its carrier takes calls: it begins slowly, gives way to 503, and comes back."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from dialerd.core.commands import ChangeTrunk, PlaceCall, Refused
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ScriptId, TrunkName
from dialerd.core.messages import TrunkReachability
from dialerd.core.model import Terms
from tests.core.world_builder import BUSY, CONGESTED, Behaviour, Driver, campaign, contacts, policy, trunk

QUICK = Behaviour(answers=True, ring_ms=100, talk_ms=400)
MINUTE = 60_000


def carrier(driver: Driver, most: int) -> Callable[[Originate], Behaviour]:
    """One that takes so many calls within any second and answers 503 to what is above."""
    taken: deque[int] = deque()

    def behave(order: Originate) -> Behaviour:
        while taken and taken[0] <= driver.elapsed - 1_000:
            taken.popleft()
        if len(taken) >= most:
            return CONGESTED
        taken.append(driver.elapsed)
        return QUICK

    return behave


def test_the_rate_settles_near_what_the_carrier_takes_and_nobody_is_burnt() -> None:
    rules = policy(refund_spacing=tuple(MINUTE * n for n in (1, 5, 15)))
    driver = Driver.ready(trunk(channels=200, rate=50.0), rules=rules)
    driver.behave = carrier(driver, 10)
    driver.admit(campaign(), contacts(4_000))
    driver.run(until=5 * MINUTE)
    per_minute = Counter(at // MINUTE for at, _, _ in driver.sent)
    for minute in (2, 3, 4):
        assert 8.0 * 60 <= per_minute[minute] <= 10.5 * 60
    burnt = [
        c for c in driver.store.values() if c.reason is Reason.CONGESTION and c.state is ContactState.FINISHED
    ]
    assert not burnt
    refunds = sum(contact.refunds for contact in driver.store.values())
    assert refunds < 0.06 * len(driver.sent)


def test_a_trunk_begins_at_a_quarter_of_its_rate_and_is_at_all_of_it_within_seconds() -> None:
    driver = Driver.ready(trunk(channels=200, rate=40.0))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(), contacts(500))
    driver.run(until=10_000)
    per_second = Counter(at // 1_000 for at, _, _ in driver.sent)
    assert per_second[0] <= 20
    assert all(per_second[second] >= 36 for second in range(4, 10))


def test_a_trunk_that_is_to_keep_its_rate_keeps_it() -> None:
    driver = Driver.ready(replace(trunk(channels=200, rate=40.0), adaptive=False))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(), contacts(200))
    driver.run(until=3_000)
    assert Counter(at // 1_000 for at, _, _ in driver.sent)[0] >= 36


def test_a_trunk_begins_slowly_again_when_it_is_back() -> None:
    driver = Driver.ready(trunk(channels=200, rate=40.0))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(), contacts(2_000))
    driver.run(until=10_000)
    assert rate(driver) == 40.0
    driver.events(TrunkReachability("lab", False, "gone"))
    driver.events(TrunkReachability("lab", True, "back"))
    assert rate(driver) == 10.0
    driver.run(until=20_000)
    driver.command(ChangeTrunk(TrunkName("lab"), paused="mending"))
    driver.command(ChangeTrunk(TrunkName("lab"), mended=True))
    assert rate(driver) == 10.0


def test_numbers_that_get_503_for_ever_slow_nobody_down() -> None:
    driver = Driver.ready(trunk(channels=200, rate=20.0))
    driver.behave = lambda order: CONGESTED if order.phone.endswith("7") else QUICK
    driver.admit(campaign(), contacts(1_500))
    driver.run(until=3 * MINUTE)
    done = [contact for contact in driver.store.values() if contact.state is ContactState.FINISHED]
    assert len(done) >= 0.85 * 1_500


def test_a_run_of_403_slows_a_trunk_and_a_single_one_does_not() -> None:
    forbidden = Behaviour(sip=403, cause=21, rings=False)
    driver = Driver.ready(trunk(channels=50, rate=20.0))
    driver.behave = lambda order: forbidden if order.phone.endswith("00") else BUSY
    driver.admit(campaign(), contacts(600))
    driver.run(until=20_000)
    assert rate(driver) == 20.0
    driver.behave = lambda order: forbidden if int(order.phone[-1]) % 2 else BUSY
    driver.run(until=24_000)
    assert rate(driver) < 15.0


def test_a_slowed_trunk_never_delays_another() -> None:
    a, b = (
        replace(trunk(name, channels=50, rate=10.0), prefixes=(taken,))
        for name, taken in (("a", "91"), ("b", "1"))
    )
    driver = Driver.ready(a, b)
    driver.behave = lambda order: CONGESTED if order.trunk == "a" else QUICK
    indian = contacts(300)
    american = [
        replace(c, phone=type(c.phone)(f"+1555010{c.id - 1_000:04d}")) for c in contacts(300, first=1_001)
    ]
    driver.admit(campaign(), [*indian, *american])
    driver.run(until=40_000)
    assert len([order for _, order in driver.originated if order.trunk == "b"]) == 300


def rate(driver: Driver) -> float:
    return driver.world.lines.committed[TrunkName("lab")].rate


def why_not(driver: Driver, calls: int) -> str:
    """What the last of so many calls at one instant is refused for."""
    orders = [
        PlaceCall(E164(f"+9198765{number:05}"), ScriptId("s"), 1, "en-IN", Terms()) for number in range(calls)
    ]
    refused = [answer for order in orders if isinstance(answer := driver.command(order), Refused)]
    return refused[-1].why[0].detail


def test_a_trunk_that_begins_does_not_blame_its_carrier() -> None:
    driver = Driver.ready(trunk(rate=20.0))
    driver.behave = lambda order: QUICK
    assert why_not(driver, 8) == ("trunk lab: 5 calls a second reached (slowed from 20: it begins slowly)")


def test_a_trunk_whose_carrier_turned_calls_away_says_so() -> None:
    driver = Driver.ready(trunk(rate=20.0))
    driver.behave = lambda order: CONGESTED
    driver.admit(campaign(), contacts(40))
    driver.run(until=3_000)
    driver.behave = lambda order: QUICK
    driver.run(until=driver.elapsed + 5_000)
    assert why_not(driver, 30).endswith("the carrier takes no more)")
