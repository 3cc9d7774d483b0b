"""Promises about sharing, each a property over random weights, trunks and callees."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.core.clock import Instant
from dialerd.core.identity import CampaignId
from dialerd.core.sharing import Rota
from tests.core.world_builder import BUSY, CONGESTED, START, Behaviour, Driver, campaign, contacts, trunk

TEN_MINUTES = 600_000
weights = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, 5.0, 8.0]), min_size=2, max_size=4)


def sharing(given_weights: list[float], rate: float, channels: int, people: int, talks: list[int]) -> Driver:
    """Campaigns on one trunk, each with calls of its own length."""
    driver = Driver.ready(replace(trunk(channels=channels, rate=rate), adaptive=False))
    lasting = {}
    for number, weight in enumerate(given_weights, start=1):
        ident = CampaignId(f"cmp_{number:012x}")
        lasting[ident] = Behaviour(answers=True, ring_ms=100, talk_ms=talks[number % len(talks)])
        listed = contacts(people, ident, first=1 + 10_000 * number)
        driver.admit(campaign(id=ident, weight=weight, end_at=Instant(START + 10 * TEN_MINUTES)), listed)
    driver.behave = lambda order: lasting[order.campaign]  # type: ignore[index]
    return driver


@settings(max_examples=15)
@given(weights, st.sampled_from([2, 3, 50]), st.lists(st.integers(100, 4_000), min_size=1, max_size=3))
def test_shares_hold_within_five_percent_over_any_ten_minutes(
    given_weights: list[float], channels: int, talks: list[int]
) -> None:
    driver = sharing(given_weights, 1.0, channels, 700, talks)
    driver.run(until=TEN_MINUTES + 60_000)
    for first in (0, 30_000, 60_000):
        window = [
            order.campaign
            for (at, _, _), (_, order) in zip(driver.sent, driver.originated, strict=True)
            if first <= at < first + TEN_MINUTES
        ]
        counted = Counter(window)
        for number, weight in enumerate(given_weights, start=1):
            share = counted[CampaignId(f"cmp_{number:012x}")] / len(window)
            due = weight / sum(given_weights)
            assert abs(share - due) <= 0.05 * due + 2 / len(window)


@settings(max_examples=30)
@given(weights, st.integers(1, 4))
def test_nobody_waits_for_more_starts_than_the_weights_say(given_weights: list[float], channels: int) -> None:
    driver = sharing(given_weights, 20.0, channels, 60, [200])
    driver.run(until=8_000)
    row = [order.campaign for _, order in driver.originated]
    for number, weight in enumerate(given_weights, start=1):
        ident = CampaignId(f"cmp_{number:012x}")
        places = [place for place, one in enumerate(row) if one == ident]
        most = ceil(sum(given_weights) / weight) + len(given_weights)
        assert places
        assert places[0] <= most
        assert all(later - first <= most for first, later in itertools.pairwise(places))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 3), st.floats(0.5, 5)),
        min_size=2,
        max_size=4,
    ),
    st.integers(1, 8),
)
def test_caps_hold_while_others_borrow_and_nothing_is_left_idle(
    campaigns: list[tuple[float, int, float]], channels: int
) -> None:
    driver = Driver.ready(replace(trunk(channels=channels, rate=20.0), adaptive=False))
    driver.behave = lambda order: Behaviour(answers=True, ring_ms=100, talk_ms=900)
    limits = {}
    for number, (weight, most, rate) in enumerate(campaigns, start=1):
        ident = CampaignId(f"cmp_{number:012x}")
        limits[ident] = (most, rate)
        limited = campaign(id=ident, weight=weight, max_concurrent_calls=most, calls_per_second=rate)
        driver.admit(limited, contacts(200, ident, first=1 + 10_000 * number))
    for millis in range(250, 8_000, 250):
        driver.run(until=millis)
        live = Counter(call.campaign_id for call in driver.world.calls.committed.values())
        assert all(live[ident] <= most for ident, (most, _) in limits.items())
        assert sum(live.values()) <= channels
    for ident, (_, rate) in limits.items():
        at = [
            sent
            for (sent, _, _), (_, o) in zip(driver.sent, driver.originated, strict=True)
            if o.campaign == ident
        ]
        span = max(1, int(rate))
        window = 1_000 if rate >= 1 else 1_000 / rate
        assert all(later - first >= window for first, later in zip(at, at[span:], strict=False))
    # No second holds more starts than the rate, so of a fraction above one only the whole part is used.
    wanted = sum(min(most / 1.0, rate if rate < 1 else int(rate)) for most, rate in limits.values())
    possible = min(wanted, channels / 1.0)
    assert len(driver.sent) >= 0.7 * possible * 7


@settings(max_examples=20)
@given(st.integers(1, 3), st.sampled_from(["full", "congested", "slow"]), st.booleans())
def test_a_slowed_trunk_never_delays_another(channels: int, fault: str, sorted_by_trunk: bool) -> None:
    a = replace(trunk("a", channels=channels, rate=10.0), prefixes=("91",))
    b = replace(trunk("b", channels=4, rate=10.0), prefixes=("44",))
    slow = {
        "full": Behaviour(answers=True, talk_ms=10**7),
        "congested": CONGESTED,
        "slow": replace(BUSY, ring_ms=9_000),
    }

    def british(with_indians: bool) -> list[int]:
        driver = Driver.ready(a, b)
        driver.behave = lambda order: slow[fault] if order.trunk == "a" else replace(BUSY, ring_ms=700)
        indians = contacts(400) if with_indians else []
        listed = [
            replace(one, phone=type(one.phone)(f"+4420{one.id:08d}")) for one in contacts(40, first=1_001)
        ]
        people = [*indians, *listed]
        if not sorted_by_trunk:
            people.sort(key=lambda one: one.id * 7_919 % 1_009)
        driver.admit(campaign(), people)
        driver.run(until=60_000)
        return [
            at for (at, _, _), (_, o) in zip(driver.sent, driver.originated, strict=True) if o.trunk == "b"
        ]

    alone, beside = british(False), british(True)
    assert len(beside) == len(alone) == 40
    assert all(late <= early + 250 for early, late in zip(alone, beside, strict=True))


@given(st.data())
def test_a_rota_gives_everybody_its_part_whoever_comes_and_goes(data: st.DataObject) -> None:
    rota: Rota[str] = Rota()
    held = {name: data.draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])) for name in "abcd"}
    away: set[str] = set()
    for name in held:
        rota.enter(name)
    for _ in range(data.draw(st.integers(1, 40))):
        name = data.draw(st.sampled_from(sorted(held)))
        if data.draw(st.booleans()):
            rota.leave(name)
            away.add(name)
        else:
            rota.enter(name)
            away.discard(name)
        first = rota.first()
        assert (first is None) == (len(away) == len(held))
        if first is not None:
            assert first not in away
            rota.took(first, held[first])
    for name in held:
        rota.enter(name)
    counted: Counter[str] = Counter()
    for _ in range(300):
        first = rota.first()
        assert first is not None
        counted[first] += 1
        rota.took(first, held[first])
    for name, weight in held.items():
        assert abs(counted[name] - 300 * weight / sum(held.values())) <= 5
