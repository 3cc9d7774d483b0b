"""Which trunk a number takes: prefix before order, rest after congestion, formats, failover."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from dialerd.core.identity import E164
from tests.core.world_builder import CONGESTED, Behaviour, Driver, campaign, contacts, trunk


def routed(*prefixes: tuple[str, ...]) -> list[str]:
    trunks = [replace(trunk(f"t{n}"), prefixes=taken) for n, taken in enumerate(prefixes)]
    driver = Driver.ready(*trunks)
    driver.admit(campaign(), contacts(1))
    driver.run()
    return [order.trunk for _, order in driver.originated]


def test_the_longest_prefix_wins_over_the_order() -> None:
    assert routed(("",), ("91",), ("9198",)) == ["t2"]
    assert routed(("91",), ("",)) == ["t0"]


def test_among_equal_prefixes_the_order_decides() -> None:
    assert routed(("91",), ("91",)) == ["t0"]


def test_a_number_that_no_trunk_takes_is_not_dialed_and_says_so() -> None:
    driver = Driver.ready(replace(trunk(), prefixes=("44",)))
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert not driver.originated


def test_failover_goes_to_the_next_best_trunk_once_each() -> None:
    driver = Driver.ready(replace(trunk("a"), prefixes=("91",)), trunk("b"), trunk("c"))
    driver.behave = lambda order: CONGESTED if order.trunk != "c" else Behaviour(answers=True)
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert [order.trunk for _, order in driver.originated] == ["a", "b", "c"]
    assert driver.store[1].attempts == 1


def test_failover_is_the_same_call_and_costs_no_further_start_of_the_campaign() -> None:
    driver = Driver.ready(trunk("a"), trunk("b"))
    driver.behave = lambda order: CONGESTED if order.trunk == "a" else Behaviour(answers=True)
    driver.admit(campaign(calls_per_second=1.0), contacts(5))
    driver.run()
    assert len([order for _, order in driver.originated if order.trunk == "b"]) == 5
    assert all(contact.attempts == 1 and contact.refunds == 0 for contact in driver.store.values())
    firsts = [at for at, order in driver.originated if order.channel.endswith("-1")]
    assert all(later - first >= 1_000 for first, later in pairwise(firsts))


def test_numbers_are_written_as_the_trunk_wants_them() -> None:
    number = E164("+919876543210")
    assert trunk().dialed(number) == "+919876543210"
    assert replace(trunk(), number_format="digits").dialed(number) == "919876543210"
    assert replace(trunk(), strip="91", prepend="0").dialed(number) == "09876543210"
    assert replace(trunk(), prepend="00").dialed(number) == "00919876543210"


def test_a_congested_trunk_rests_longer_each_time_and_the_other_carries_on() -> None:
    driver = Driver.ready(trunk("a", channels=1), trunk("b", channels=50))
    driver.behave = lambda order: CONGESTED if order.trunk == "a" else Behaviour(answers=True)
    driver.admit(campaign(max_attempts=1), contacts(200))
    driver.run()
    on_a = [at for at, order in driver.originated if order.trunk == "a"]
    on_b = [at for at, order in driver.originated if order.trunk == "b"]
    assert len(on_b) == 200
    assert len(on_a) < len(on_b) / 10
    assert all(later - first >= 200 for first, later in pairwise(on_a))


def test_a_recovered_trunk_is_used_at_full_rate_again() -> None:
    driver = Driver.ready(trunk(channels=5))
    kinds = iter([CONGESTED] * 6)
    driver.behave = lambda order: next(kinds, Behaviour(answers=True, talk_ms=100))
    driver.admit(campaign(max_attempts=2), contacts(50))
    driver.run()
    assert driver.world.lines.committed[trunk().name].congestions == 0
    assert {contact.disposition for contact in driver.store.values()} == {"connected"}
