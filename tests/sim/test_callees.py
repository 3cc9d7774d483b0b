"""Callees drawn from a seed: what they do on average, and what the core takes it for."""

from __future__ import annotations

from collections import Counter

import pytest

from dialerd.core import outcome
from dialerd.core.clock import Instant, Millis
from dialerd.core.disposition import Reason
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ChannelId, TrunkName
from dialerd.core.messages import TryEnded
from dialerd.sim.callees import ENDS, Behaviour, Callees, Habits, Spread

NOON = Instant(1_700_000_000_000)


def order(number: int) -> Originate:
    phone = E164(f"+9198765{number:05d}")
    return Originate(
        ChannelId(f"d1-cal_{number}-1"),
        None,
        TrunkName("lab"),
        phone,
        "lab",
        phone,
        phone,
        Millis(30_000),
        Millis(600_000),
    )


def met(habits: Habits, count: int = 4_000, seed: int = 1, hour: int | None = None) -> list[Behaviour]:
    callees = Callees(seed, habits, lambda phone, at: hour)
    return [callees.meet(order(number), NOON) for number in range(count)]


@pytest.mark.parametrize("reason", ENDS)
def test_each_end_is_taken_for_its_reason(reason: Reason) -> None:
    end = ENDS[reason]
    found = outcome.classify(TryEnded(ChannelId("x"), end.cause, end.sip), cut_by_us=False)
    assert found.reason is reason


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.75, 1.0])
def test_as_many_answer_as_are_said_to(rate: float) -> None:
    habits = Habits(rate, failures={Reason.NO_ANSWER: 0.7, Reason.INVALID_NUMBER: 0.3})
    answered = sum(one.answers for one in met(habits)) / 4_000
    assert answered == pytest.approx(rate, abs=0.03)


def test_the_hour_of_the_callees_day_decides_where_it_is_known() -> None:
    habits = Habits(0.5, by_hour={9: 1.0, 20: 0.0})
    assert all(one.answers for one in met(habits, 100, hour=9))
    assert not any(one.answers for one in met(habits, 100, hour=20))
    assert 20 < sum(one.answers for one in met(habits, 100, hour=3)) < 80


def test_failures_and_labels_come_in_their_shares() -> None:
    habits = Habits(
        0.5,
        failures={Reason.BUSY: 0.25, Reason.NO_ANSWER: 0.75},
        labels={"interested": 0.4, "connected": 0.6},
    )
    found = met(habits)
    sip = Counter(one.sip for one in found if not one.answers)
    assert sip[486] / sip.total() == pytest.approx(0.25, abs=0.04)
    labels = Counter(one.disposition for one in found if one.answers)
    assert set(labels) == {"interested", None}
    assert labels["interested"] / labels.total() == pytest.approx(0.4, abs=0.04)


def test_a_number_that_does_not_exist_does_not_exist_the_next_time_either() -> None:
    callees = Callees(
        1, Habits(0.2, failures={Reason.INVALID_NUMBER: 0.5, Reason.BUSY: 0.5}), lambda *_: None
    )
    for number in range(200):
        first, second = (callees.meet(order(number), NOON).sip == 404 for _ in range(2))
        assert first == second


def test_another_seed_is_another_world() -> None:
    assert met(Habits(0.5), 100, seed=1) == met(Habits(0.5), 100, seed=1)
    assert met(Habits(0.5), 100, seed=1) != met(Habits(0.5), 100, seed=2)


def test_no_phone_rings_longer_than_it_may_and_nobody_talks_longer() -> None:
    habits = Habits(0.5, talk=Spread((10**9,)), ring=Spread((10**9,)))
    for one in met(habits, 200):
        assert one.ring_ms <= 30_000
        assert not one.answers or one.talk_ms == 600_000


@pytest.mark.parametrize("mean", [5_000, 40_000])
def test_durations_have_the_mean_they_are_given(mean: int) -> None:
    assert Spread.around(mean).mean == pytest.approx(mean, rel=0.01)
    assert Spread((1_000, 3_000)).scaled(mean).mean == pytest.approx(mean, rel=0.01)
